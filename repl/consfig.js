#!/usr/bin/env node
"use strict";
/** The command `consfig`, for any Node from 18 on: installs missing packages, switches to the pinned Node, starts. */
const { ensureInstalled, onPinnedNode } = require("./_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  require("./main.ts").main(process.argv.slice(2));
}
