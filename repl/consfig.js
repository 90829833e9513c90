#!/usr/bin/env node
"use strict";
/** The command `consfig`, on any Node from 18 on: installs what is missing, goes on with the pinned Node, starts. */
const { ensureInstalled, onPinnedNode } = require("./_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  require("./main.ts").main(process.argv.slice(2));
}
