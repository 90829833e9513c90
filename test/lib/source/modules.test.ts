import assert from "node:assert/strict";
import { test } from "node:test";
import { MODULES, type ModuleList } from "../../../lib/agent/shared/tree";
import { workspace } from "./_workspace";

const files = {
  "hosts/a.ts": "export {};\n",
  "services/web.ts":
    'import { shout } from "./words";\nimport data from "./data.json";\nexport const start = () => shout(data.text);\n',
  "services/words.ts": "export const shout = (text: string): string => text.toUpperCase();\n",
  "services/data.json": '{ "text": "hello" }\n',
};

test("a module named in arguments is sent with its imports, source maps and import resolutions", (t) => {
  const { consfig, write } = workspace(t, files);
  consfig.refresh();
  const manifest = consfig.manifest([], [], ["/services/web"]);
  const own = manifest.files.filter(({ path }) => path.startsWith("consfig/") || path === MODULES);
  assert.deepEqual(
    own.map(({ path }) => path),
    [
      "consfig/services/data.json",
      "consfig/services/web.js",
      "consfig/services/web.js.map",
      "consfig/services/words.js",
      "consfig/services/words.js.map",
      MODULES,
    ],
  );
  const text = consfig.blob(own.at(-1)?.hash ?? "").toString();
  const list: Record<string, ModuleList> = {
    "/services/web": {
      main: "consfig/services/web.js",
      files: {
        "consfig/services/web.js": {
          "./words": "consfig/services/words.js",
          "./data.json": "consfig/services/data.json",
        },
        "consfig/services/words.js": {},
        "consfig/services/data.json": {},
      },
      packages: {},
      imported: {},
      awaiting: {},
      assets: {},
      addons: {},
    },
  };
  assert.deepEqual(JSON.parse(text), list);
  assert.equal(consfig.manifest([], [], ["/services/web"]), manifest, "cached while nothing changed");

  write({ "services/words.ts": "export const shout = (text: string): string => `${text}!`;\n" });
  const after = consfig.manifest([], [], ["/services/web"]);
  const before = new Map(manifest.files.map(({ path, hash }) => [path, hash]));
  assert.deepEqual(
    after.files.filter(({ path, hash }) => before.get(path) !== hash).map(({ path }) => path),
    ["consfig/services/words.js", "consfig/services/words.js.map"],
  );
});

test("a missing module is refused with a suggestion", (t) => {
  const { consfig } = workspace(t, files);
  consfig.refresh();
  assert.throws(() => consfig.manifest([], [], ["/services/wep"]), {
    name: "ModuleRefused",
    message: 'there is no module "/services/wep" in the consfig; did you mean "/services/web"?',
  });
});
