"use strict";
/** Where this package stands, and where it keeps what it can make again. Plain JavaScript: the compiler's loader needs it. */
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "../..");
const cacheHome = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "consfigurator");

module.exports = { cacheHome, root };
