"use strict";
/**
 * `npm run cancellations`, `soak`, `races` and `fuzz`: what takes long. `--count N` sets how often, and `--seed N` repeats a
 * run.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./endurance/_runner.ts").main(process.argv.slice(2));
}
