import path from "node:path";
import { root as engineRoot } from "../util/package";

/** Every name can be imported from it; calling one throws. */
const refusing = `"use strict";
const refuse = () => { throw new Error("only available on the controller, but this code runs on a host"); };
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : refuse) });
`;

/** What a consfig calls in the same file as it defines a property, and a host never uses: hops, and sources of data. */
const inert = `"use strict";
const described = (hop) => (...args) => ({ hop, args, site: "" });
module.exports = new Proxy({ __esModule: true }, { get: (own, name) => (name in own ? own[name] : described(name)) });
`;

/** Modules that a consfig imports but a host never uses: they would pull in the ssh library and the compiler. */
const standIns: readonly (readonly [path: string, text: string])[] = [
  ["lib/controller/", refusing],
  ["lib/source/", refusing],
  ["lib/explore/", refusing],
  ["lib/executable/imageDumped.ts", refusing],
  ["lib/connection/sandbox.ts", inert],
  ["lib/via.ts", inert],
  ["lib/data/", inert],
];

/** The text sent to a host instead of the module `file`; undefined: the module itself is sent. */
export function standInFor(file: string): string | undefined {
  const relative = path.relative(engineRoot, file).split(path.sep).join("/");
  return standIns.find(
    ([start]) => relative === start || (start.endsWith("/") && relative.startsWith(start)),
  )?.[1];
}
