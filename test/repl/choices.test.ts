import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { consfigWith, run } from "./_consfig";
import { needsTerminal, prompt } from "./_terminal";

const HOSTS = `import { defhost, eseqprops, via } from "consfigurator";
import { cmd, file } from "consfigurator/properties";
import { served } from "../properties/served";

export const web = defhost("web.example.org", { deploy: [via.local()] },
  file.hasContent("one", ["1"]),
  eseqprops(
    cmd.single("echo first; exit 3"),
    cmd.single("touch second")),
  served("x"));
export const near = defhost("near.example.org", { deploy: [via.local()] }, cmd.single("test -e fixed"));
export const far = defhost("far.example.org", { deploy: [via.ssh({ hop: "127.0.0.1", port: 9 })] });
`;

const SERVED = `import { defproplist, schema } from "consfigurator";
import { cmd } from "consfigurator/properties";
export const served = defproplist({
  name: "served",
  args: schema.object({ name: schema.string() }),
  call: (name: string) => ({ name }),
  parts: () => [cmd.single("false")],
});
`;

const files = { "hosts/web.ts": HOSTS, "properties/served.ts": SERVED };

test(
  "skip deploys again without the failed steps and reports them; .why explains them",
  needsTerminal,
  async (t) => {
    const { env, keys, until, type } = await prompt(t, files);
    const asked = await type("const r = await deploy(web)", /what now\? \[12345\] $/);
    assert.match(
      asked,
      / {2}1 {2}retry; finished steps are skipped\n {2}2 {2}edit hosts\/web\.ts:8, then retry\n {2}3 {2}skip: deploy again without the 2 failed steps\n {2}4 {2}stop \(Enter\); continue later with \.why, \.retry or \.shell\n {2}5 {2}open a shell on web\.example\.org\nweb\.example\.org failed; what now\? \[12345\] $/,
    );
    keys("3");
    assert.match(
      await until(/consfig> $/),
      /\n {2}= content of one[^\n]*\n {2}- echo first; exit 3 \(left out after it failed, as requested\)\n {2}\+ touch second.*\n {2}- served\(\{ name: 'x' \}\) \(left out after it failed, as requested\)\n\+ web\.example\.org: 1 changed, 1 unchanged, 2 skipped in/,
    );
    assert.ok(existsSync(path.join(env["HOME"] ?? "", "second")));
    const why = await type(".why", /has since succeeded or been skipped\nconsfig> $/);
    for (const expected of [
      /property {3}cmd\.single\('echo first; exit 3'\)/,
      /\n {2}at {9}hosts\/web\.ts:8:9\n/,
      /▸ 8 {6}cmd\.single\("echo first; exit 3"\),/,
      /command {4}echo first; exit 3\n {2}exit code {2}3\n {2}output {5}\| first\n/,
      /property {3}cmd\.single, by served\('x'\)/,
      /inside {5}served\(\{ name: 'x' \}\)/,
      /changed {4}content of one[^\n]*\n {2}skipped {4}touch second \(cmd\.single failed\)/,
      /retry {6}checks every step again/,
    ])
      assert.match(why, expected);
  },
);

test(
  "variables that hold the report of a retried deployment get the new report",
  needsTerminal,
  async (t) => {
    const { env, keys, until, type } = await prompt(t, files);
    await type(
      "const [one, both] = [await deploy(near), await deploy([near, far])]",
      /what now\? \[12345\] $/,
    );
    keys("4");
    await until(/consfig> $/);
    await type("const mine = deploy(near)", /what now\? \[12345\] $/);
    writeFileSync(path.join(env["HOME"] ?? "", "fixed"), "");
    keys("1");
    await until(/\+ near\.example\.org: 1 changed in .*\nconsfig> $/);
    await type("[one.ok, mine.ok]", /\n\[ false, true \]\nconsfig> $/);
  },
);

test("retry, by key and as .retry; several hosts are one question", needsTerminal, async (t) => {
  const { env, type, keys, until } = await prompt(t, files);
  await type(
    "deploy([near, far])",
    / {2}1 {2}retry on these 2 hosts; [\s\S]*near\.example\.org and far\.example\.org failed; what now\? \[12345\] $/,
  );
  keys("\r");
  await until(/4\nconsfig> $/);
  writeFileSync(path.join(env["HOME"] ?? "", "fixed"), "");
  const asked = await type(".retry", /far\.example\.org failed; what now\? \[124\] $/);
  assert.match(asked, /\+ near\.example\.org: 1 changed/);
  assert.doesNotMatch(asked, /near\.example\.org and/);
  keys("\u0003");
  await until(/4\nconsfig> $/);
  await type("_.reports.length", /consfig> $/);
});

test(
  "edit and retry: the editor opens the line, and the saved file is deployed",
  needsTerminal,
  async (t) => {
    const editor = path.join(mkdtempSync(path.join(tmpdir(), "editor-")), "edit");
    t.after(() => rmSync(path.dirname(editor), { recursive: true }));
    writeFileSync(
      editor,
      '#!/bin/sh\necho "edits $*"\nsed -i "s/exit 3/exit 0/; s/, *served(.x.)//; s/served(.x.)/false/" "$2"\n',
    );
    chmodSync(editor, 0o755);
    const { keys, until, type } = await prompt(t, files, { environment: { EDITOR: editor, VISUAL: "" } });
    await type("deploy(web)", /what now\? \[12345\] $/);
    keys("2");
    const edited = await until(/consfig> $/);
    assert.match(edited, /edits \+8 .*hosts\/web\.ts\n/);
    assert.match(edited, /\+ web\.example\.org: 2 changed, 1 unchanged in/);
    await type("_.ok", /\ntrue\nconsfig> $/);
  },
);

test("edit: a bug is opened at the line that throws", needsTerminal, async (t) => {
  const wrong = SERVED.replaceAll("defproplist", "defprop").replace(
    'parts: () => [cmd.single("false")],',
    'kind: "posix",\n  apply: async () => (undefined as unknown as { change: "changed" }).change,',
  );
  const { type, keys, until } = await prompt(t, { ...files, "properties/served.ts": wrong });
  const asked = await type("deployThese(here, served.served('x'))", /what now\? \[12345\] $/);
  assert.match(
    asked,
    /TypeError: Cannot read properties of undefined[\s\S]* {2}2 {2}edit properties\/served\.ts:8, then retry/,
  );
  keys("4");
  await until(/consfig> $/);
});

test("a shell on the host, then back to the choices", needsTerminal, async (t) => {
  const { env, keys, until, type } = await prompt(t, files);
  await type("deploy(near)", /what now\? \[12345\] $/);
  keys("5");
  await until(/returns here\n[\s\S]*[$#] $/);
  keys("touch fixed; stty size\r");
  await until(/\n40 120\n/);
  keys("exit\r");
  await until(/what now\? \[12345\] $/);
  assert.ok(existsSync(path.join(env["HOME"] ?? "", "fixed")));
  keys("1");
  await until(/\+ near\.example\.org: 1 changed in[\s\S]*consfig> $/);
  await type(".shell nearr", /there is no host "nearr"; did you mean near\?\nconsfig> $/);
  await type(".retry", /nothing to retry\nconsfig> $/);
  await type('deployThese(near, cmd.single("exit 7"))', /what now\? \[1345\] $/);
  keys("4");
  await until(/4\nconsfig> $/);
  await type(".why", /\n {2}property {3}cmd\.single\('exit 7'\)\n[\s\S]*consfig> $/);
});

test("a playbook asks no questions", async (t) => {
  const { root, env } = consfigWith(t, files);
  const { code, stdout } = await run(["--consfig", root], { env, input: "deploy(near)\n" });
  assert.equal(code, 1);
  assert.doesNotMatch(stdout, /what now/);
});

test(
  "a step that is not as planned: go on with it, or plan the rest anew and do that",
  needsTerminal,
  async (t) => {
    const { env, keys, until, type } = await prompt(t, {
      "hosts/web.ts": `import { defhost, eseqprops, via } from "consfigurator";
import { file } from "consfigurator/properties";
export const web = defhost("web.example.org", { deploy: [via.local()] },
  eseqprops(
    file.hasContent("one", ["1"]), file.containsLines("two", "2"), file.hasContent("three", ["3"])));
`,
    });
    const home = (name: string) => path.join(env["HOME"] ?? "", name);
    await type("const p = await plan(web)", /3 would change[\s\S]*consfig> $/);
    writeFileSync(home("two"), "edited\n");
    const question =
      / {2}1 {2}go on with two contains 2 as it is now; the rest as planned\n {2}2 {2}plan the rest anew, and ask again\n {2}4 {2}stop \(Enter\); continue later with \.why, \.retry or \.shell\n {2}5 {2}open a shell on web\.example\.org\nweb\.example\.org is not as planned; what now\? \[1245\] $/;
    await type("const r = await deploy(p)", question);
    keys("2");
    const planned = await until(/planned anew; what now\? \[14\] $/);
    assert.match(
      planned,
      /\n {2}= content of one.*\n {2}\+ two contains 2.*\n[\s\S]*\n {2}\+ content of three.*\n[\s\S]*\n {2}1 {2}do what this plan says\n {2}4 {2}stop \(Enter\); continue later with \.why, \.retry or \.shell\n/,
    );
    keys("4");
    await until(/4\nconsfig> $/);
    await type(".retry", question);
    writeFileSync(home("two"), "edited again\n");
    keys("1");
    await until(question);
    keys("1");
    const done = await until(/\+ web\.example\.org: 2 changed, 1 unchanged in[\s\S]*consfig> $/);
    assert.match(done, /as planned: 3 of 3 steps/);
    assert.equal(readFileSync(home("two"), "utf8"), "edited again\n2\n");
    await type("r.ok", /\ntrue\nconsfig> $/);
    writeFileSync(home("two"), "");
    await type("const q = await plan(web)", /1 would change[\s\S]*consfig> $/);
    writeFileSync(home("two"), "other\n");
    await type("deploy(q)", question);
    keys("2");
    await until(/planned anew; what now\? \[14\] $/);
    keys("1");
    await until(/\+ web\.example\.org: 1 changed, 2 unchanged in[\s\S]*consfig> $/);
    assert.equal(readFileSync(home("two"), "utf8"), "other\n2\n");
  },
);

test("a playbook whose deployment is not as planned stops", async (t) => {
  const { root, env } = consfigWith(t, {
    "hosts/web.ts": `import { defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";
export const web = defhost("web.example.org", { deploy: [via.local()] }, file.containsLines("two", "2"));
`,
  });
  const input =
    'const p = await plan(web)\nrequire("node:fs").writeFileSync(process.env.HOME + "/two", "x\\n")\nawait deploy(p)\n"after"\n';
  const { code, stdout } = await run(["--consfig", root], { env, input });
  assert.equal(code, 1);
  assert.match(
    stdout,
    /file\.containsLines is not as planned: its changes are not the planned ones any more/,
  );
  assert.doesNotMatch(stdout, /what now|after/);
});
