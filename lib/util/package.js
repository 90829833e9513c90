"use strict";
/** The directories of this package and of its cache. Plain JavaScript, because the TypeScript loader needs it. */
const os = require("node:os");
const path = require("node:path");

const root = path.resolve(__dirname, "../..");
const cacheHome = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache"), "consfigurator");

module.exports = { cacheHome, root };
