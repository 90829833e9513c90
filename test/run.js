"use strict";
/**
 * `npm test`: installs what is missing, then runs format, types and tests on the Node of the project.
 * `npm test -- test/properties/file.test.ts test/lib` runs only the test files named, and those below directories named.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./support/_runner.ts").main(process.argv.slice(2));
}
