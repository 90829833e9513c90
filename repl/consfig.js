#!/usr/bin/env -S MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536 node
"use strict";
/** The command `consfig`, for Node 18 and later: installs missing packages, switches to the pinned Node, starts. */
const { ensureInstalled, mallocSettings, onPinnedNode } = require("./_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  keepHeapSmall();
  require("../lib/source/register.js");
  require("./main.ts").main(process.argv.slice(2));
}

/**
 * A session lives for days. With the defaults of V8, which suit servers, every deployment of changed sources leaves a heap of
 * which most is free, and none of that is given back: 330 MB after 40 deployments, of which 60 are in use.
 */
function keepHeapSmall() {
  // One arena for all threads, and memory from 64 KiB on is given back, see mallopt(3): the C library has read them, and child
  // processes must not inherit them.
  for (const name of Object.keys(mallocSettings)) delete process.env[name];
  const { setFlagsFromString } = require("node:v8");
  // For new objects 2 MB instead of up to 96; the others may exceed what is in use by a fifth before they are collected.
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--heap-growing-percent=20");
  // Half of the pages that loading everything leaves are nearly empty: they are given back.
  setFlagsFromString("--optimize-for-size");
}
