"use strict";
/**
 * `npm run accuracy`: runs the tests of the properties and of the example consfigs, each of which plans before it applies,
 * and prints how often the plans were right. Exits with 1 when a plan was wrong, or a test failed.
 *
 * `npm run accuracy -- [--rows FILE] [--publish] [TEST ...]` runs only those tests; with `--rows`, what earlier runs have
 * collected in FILE is counted, too; with `--publish`, the table goes into docs/plan.md.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./support/_accuracy.ts").main(process.argv.slice(2));
}
