import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { prepare } from "../../lib/engine/prepare";
import { file } from "../../properties";
import { scratchConfig } from "./_scratchConfig";

const modeOf = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8);
const below = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();

const files = {
  "www/index.html": "<h1>\n",
  "www/img/logo.png": Buffer.from([0x89, 0x50, 0, 0xff]),
  "www/bin/run*": "#!/bin/sh\n",
};

test("hasTree: mirrored, and purged of what is not in the consfig", (t) => {
  const root = scratchConfig(t, files);
  mkdirSync(path.join(root, "www/empty"));
  symlinkSync("../bin/run", path.join(root, "www/img/link"));
  return onBothTargets(t, async ({ dir, apply, applyAgain, unapply }) => {
    const tree = file.hasTree("srv/www/", "www", { mode: 0o640 });
    assert.equal(await apply(tree), "changed");
    const all = ["bin", "bin/run", "empty", "img", "img/link", "img/logo.png", "index.html"];
    assert.deepEqual(below(`${dir}/srv/www`), all);
    assert.deepEqual(readFileSync(`${dir}/srv/www/img/logo.png`), files["www/img/logo.png"]);
    assert.deepEqual(
      ["index.html", "bin/run", "bin"].map((each) => modeOf(`${dir}/srv/www/${each}`)),
      ["640", "750", "755"],
    );
    await applyAgain(tree);
    writeFileSync(`${dir}/srv/www/index.html`, "<h2>\n");
    rmSync(`${dir}/srv/www/img/link`);
    writeFileSync(`${dir}/srv/www/img/link`, "no link");
    writeFileSync(`${dir}/srv/www/img/other`, "own");
    mkdirSync(`${dir}/srv/www/own/deep`, { recursive: true });
    assert.equal(await apply(tree), "changed");
    assert.equal(readFileSync(`${dir}/srv/www/index.html`, "utf8"), "<h1>\n");
    assert.deepEqual(below(`${dir}/srv/www`), [...all, "img/other", "own", "own/deep"].sort());
    const exact = file.hasTree("srv/www", "www", { mode: 0o640, purge: true });
    assert.equal(await apply(exact), "changed");
    assert.deepEqual(below(`${dir}/srv/www`), all);
    await applyAgain(exact);
    writeFileSync(`${dir}/srv/www/own`, "");
    assert.equal(await unapply(tree), "changed");
    assert.deepEqual(below(`${dir}/srv`), ["www", "www/own"]);
    rmSync(`${dir}/srv/www/own`);
    assert.equal(await unapply(tree), "unchanged");
  });
});

test("hasTree: a directory in place of a file is only removed with purge", (t) => {
  scratchConfig(t, files);
  return onBothTargets(t, async ({ dir, apply }) => {
    mkdirSync(`${dir}/www/index.html`, { recursive: true });
    writeFileSync(`${dir}/www/index.html/own`, "");
    await assert.rejects(apply(file.hasTree("www", "www")), {
      name: "FailedChange",
      message:
        "www/index.html is a directory with a content of its own, where the consfig has a file; remove it, or use { purge: true }",
    });
    assert.equal(await apply(file.hasTree("www", "www", { purge: true })), "changed");
    assert.equal(readFileSync(`${dir}/www/index.html`, "utf8"), "<h1>\n");
    assert.ok(existsSync(`${dir}/www/bin/run`));
  });
});

test("hasTree: no directory, and too much, are refused before connecting", (t) => {
  const root = scratchConfig(t, { "www/large": Buffer.alloc(4 * 1024 * 1024 + 1) });
  const refused = (source: string, message: RegExp) =>
    assert.throws(() => prepare({ name: "web1" }, file.hasTree("/srv", source)), {
      name: "Refused",
      message,
    });
  refused("ww", new RegExp(`there is no directory ww in the consfig; a path is relative to ${root}$`));
  refused(
    "www",
    /www has more than 4 MiB, which would travel to the host with each deployment; put an archive there with file\.downloaded, and use file\.extracted$/,
  );
});
