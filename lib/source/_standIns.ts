import path from "node:path";
import { root as engineRoot } from "../util/package";

/** Any name may be imported from it; calling one is refused. */
const refusing = `"use strict";
const refuse = () => { throw new Error("only available on the controller; this code runs on a host"); };
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : refuse) });
`;

/** Hosts defined beside a property list their hops; nobody opens them there. */
const hopsAsData = `"use strict";
const described = (hop) => (...args) => ({ hop, args, site: "" });
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : described(name)) });
`;

/** What a consfig's imports lead to and a host has no use for: it would bring the ssh library and the compiler along. */
const standIns: readonly (readonly [place: string, text: string])[] = [
  ["lib/controller/", refusing],
  ["lib/source/", refusing],
  ["lib/executable/imageDumped.ts", refusing],
  ["lib/connection/sandbox.ts", hopsAsData],
  ["lib/via.ts", hopsAsData],
];

/** The text that a host gets in place of the module `file`; undefined: the module itself. */
export function standInFor(file: string): string | undefined {
  const place = path.relative(engineRoot, file).split(path.sep).join("/");
  return standIns.find(([start]) => place === start || (start.endsWith("/") && place.startsWith(start)))?.[1];
}
