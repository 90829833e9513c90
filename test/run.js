"use strict";
/**
 * `npm test`: installs missing packages, then checks format and types and runs the tests on the Node of the project.
 * `npm test -- test/properties/file.test.ts test/lib` runs only the given test files and directories; `npm test -- --quick`
 * leaves out what boots machines and what takes long.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
const parent = process.env.CONSFIGURATOR_ON_PINNED_NODE === undefined ? undefined : process.ppid;
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./support/_runner.ts").main(process.argv.slice(2), parent);
}
