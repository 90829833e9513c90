"use strict";
/**
 * `npm run accuracy`: runs the tests of the properties, each of which plans before it applies, and prints how often the
 * plans were right. `npm run accuracy -- test/properties/user.test.ts` runs only those. Exits with 1 when a plan was wrong.
 */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  void require("./support/_accuracy.ts").main(process.argv.slice(2));
}
