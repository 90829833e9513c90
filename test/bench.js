"use strict";
/**
 * `npm run bench`: measures what docs/performance.md tells of, against real Debian hosts, and prints a table.
 * `npm run bench -- warm prompt` measures only those; `--json` prints one object; `--long` takes more runs.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./bench/_runner.ts").main(process.argv.slice(2));
}
