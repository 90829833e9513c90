import path from "node:path";
import { root as engineRoot } from "../util/package";

/** Any name of it may be imported; calling it is refused. */
const refused = `"use strict";
const refuse = () => { throw new Error("this is for the machine that the person sits at; here is a host"); };
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : refuse) });
`;

/** Hosts that are defined beside a property say their hops, and nobody opens them. */
const hops = `"use strict";
const said = (hop) => (...args) => ({ hop, args, site: "" });
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : said(name)) });
`;

const files: Readonly<Record<string, string>> = {
  "lib/controller/agents.ts": refused,
  "lib/connection/sandbox.ts": hops,
  "lib/via.ts": hops,
  "lib/controller/deploy.ts": refused,
  "lib/controller/shortcuts.ts": refused,
  "lib/executable/imageDumped.ts": refused,
  "lib/controller/session.ts": refused,
};

/**
 * What stands on a host in the place of the module `file`: modules of the engine that a consfig's imports lead to, and
 * that do nothing there, would take along the ssh library and the compiler. Undefined: the module itself.
 */
export function standInFor(file: string): string | undefined {
  const inEngine = path.relative(engineRoot, file);
  return inEngine.startsWith(`lib${path.sep}source${path.sep}`) ? refused : files[inEngine];
}
