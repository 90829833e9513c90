import path from "node:path";
import { root as engineRoot } from "./register";

const refused = (what: string) => `"use strict";
const refuse = () => { throw new Error("${what} is for the machine that you sit at; this code runs on a host"); };
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : refuse) });
`;

const hops = `"use strict";
const said = (hop) => (...args) => ({ hop, args, site: "" });
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : said(name)) });
`;

/**
 * Modules of the engine that a consfig's imports lead to and that do nothing on a host: they would take along the ssh
 * library and the compiler. What is here stands there in their place, unless the worker itself imports them.
 */
export const standIns: ReadonlyMap<string, string> = new Map(
  Object.entries({
    "lib/deploy.ts": refused("deploy"),
    "lib/agents.ts": refused("agents"),
    "lib/session.ts": refused("session"),
    "lib/connection/via.ts": hops,
  }).map(([file, code]) => [path.join(engineRoot, file), code]),
);
