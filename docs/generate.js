"use strict";
/** `npm run docs`: writes docs/reference anew, from the doc comments, types and schemas of what a consfig may use. */
const { ensureInstalled, onPinnedNode } = require("../repl/_install.js");

ensureInstalled();
if (!onPinnedNode(__filename)) {
  require("../lib/source/register.js");
  require("./_generate.ts").main();
}
