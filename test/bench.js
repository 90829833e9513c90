"use strict";
/**
 * `npm run bench`: measures the figures of docs/performance.md on real Debian hosts, and prints a table.
 * `npm run bench -- warm prompt` runs only those measurements; `--json` prints JSON; `--long` does more runs.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./bench/_runner.ts").main(process.argv.slice(2));
}
