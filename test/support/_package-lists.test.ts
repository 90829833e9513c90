import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { listedPackages, shortenPackageLists, wordsOfSources } from "./_package-lists";

test("package lists keep what is named, what every Debian has, and what these need, whatever provides it", (t) => {
  const root = mkdtempSync(path.join(tmpdir(), "package-lists-"));
  t.after(() => rmSync(root, { recursive: true }));
  const lists = path.join(root, "var/lib/apt/lists");
  mkdirSync(lists, { recursive: true });
  const [main, updates] = [path.join(lists, "main_Packages"), path.join(lists, "updates_Packages")];
  const entry = (name: string, ...fields: string[]) =>
    [`Package: ${name}`, ...fields, "Description: one"].join("\n");
  const kept = [
    entry("web", "Depends: runtime (>= 1), mail-agent | other", "Recommends: manual:any"),
    entry("runtime", "Pre-Depends: loader"),
    entry("loader"),
    entry("manual"),
    entry("postman", "Provides: mail-agent (= 1), letters"),
    entry("init", "Priority: required"),
  ];
  const others = [entry("game", "Depends: runtime"), entry("other-web", "Suggests: web")];
  writeFileSync(main, `${[...others, ...kept].join("\n\n")}\n`);
  writeFileSync(updates, `${[entry("loader", "Version: 2"), entry("game")].join("\n\n")}\n`);
  assert.deepEqual(shortenPackageLists(root, ["web", "unknown"]), ["game", "other-web"]);
  assert.deepEqual(readFileSync(main, "utf8").trimEnd().split("\n\n").sort(), [...kept].sort());
  assert.deepEqual(listedPackages(root).sort(), [
    ...["init", "loader", "loader", "manual", "postman", "runtime", "web"],
  ]);
  assert.equal(readFileSync(updates, "utf8"), `${entry("loader", "Version: 2")}\n\n`);
});

test("the words of the sources have the packages that tests install", () => {
  const words = wordsOfSources();
  for (const name of ["nginx-light", "libapache2-mod-wsgi-py3", "g++"]) assert.ok(words.has(name), name);
});
