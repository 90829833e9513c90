import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { inspect } from "node:util";
import { defhost } from "../../lib/model/host";
import { Reporter } from "../../lib/model/report";
import { openConsfig } from "../../lib/source/consfig";
import * as via from "../../lib/via";
import { fittedCode, wrapped } from "../../repl/_layout";
import { print } from "../../repl/print";
import { whyText } from "../../repl/views/_why";
import { command } from "./_consfig";
import { needsTerminal } from "./_terminal";

/** As at a terminal of this width. */
function width(t: TestContext, columns: number): void {
  const before = Object.getOwnPropertyDescriptor(process.stdout, "columns");
  Object.defineProperty(process.stdout, "columns", { value: columns, configurable: true });
  t.after(() =>
    Object.defineProperty(process.stdout, "columns", before ?? { value: undefined, configurable: true }),
  );
}

const assertFits = (text: string, columns: number) =>
  assert.deepEqual(
    text.split("\n").filter((line) => line.length >= columns),
    [],
    text,
  );

test("code is wrapped between words, and never in a string", (t) => {
  width(t, 30);
  const long = `a("one two three four five six seven", { b: 'it\\'s two', c: 3 },  d)`;
  assert.deepEqual(fittedCode(long), [
    `a("one two three four five six seven",`,
    `  { b: 'it\\'s two', c: 3 },`,
    "  d)",
  ]);
  assert.deepEqual(fittedCode("  short('a b')"), ["  short('a b')"]);
  // An apostrophe that begins no string, and colours, which take no room.
  assert.deepEqual(fittedCode("// it's a comment that has no end"), [
    "// it's a comment that has no",
    "  end",
  ]);
  assert.deepEqual(fittedCode(`\u001b[31m${"x".repeat(25)}\u001b[39m y`), [
    `\u001b[31m${"x".repeat(25)}\u001b[39m y`,
  ]);
});

test("a paragraph after a list is set off, as the list is", () => {
  assert.equal(wrapped("One.\n\n- a\n- b\n\nTwo.", "  ", 20), "  One.\n  \n  - a\n  - b\n  \n  Two.");
});

test("a host and its hops print as code that fits", (t) => {
  width(t, 60);
  const hops = [
    via.ssh({ user: "root", hop: "203.0.113.7", identity: "/home/ada/.ssh/fleet" }),
    via.agent(),
  ] as const;
  const host = defhost("layout.example.org", { deploy: [...hops] });
  for (const value of [host, hops, hops[0]]) {
    assertFits(print(value), 60);
    assert.equal(print(value).replace(/\s+/g, " "), inspect(value, { breakLength: 60 }).replace(/\s+/g, " "));
  }
});

test("why: long lines of the consfig are cut, everything else is wrapped", (t) => {
  width(t, 60);
  const directory = mkdtempSync(path.join(tmpdir(), "layout-test-"));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(path.join(directory, "hosts"));
  const line = `export const web = [${"'something', ".repeat(20)}fails(), ${"'something', ".repeat(20)}];`;
  writeFileSync(path.join(directory, "hosts/web.ts"), `${line}\n`);
  const consfig = openConsfig(directory);
  t.after(() => consfig.close());
  const words = "word ".repeat(40).trim();
  const site = `hosts/web.ts:1:${line.indexOf("fails") + 1}`;
  const reporter = new Reporter();
  reporter.add({ kind: "step-started", step: 1, property: "cmd.single", desc: words, site });
  const ran = { command: `echo ${words}`, exit: 1, stdout: `${words}\n`, stderr: "" };
  const failure = { name: "RunFailed", message: words, command: ran };
  reporter.add({ kind: "step-ended", step: 1, status: "failed", ms: 1, failure });
  const report = reporter.finish("web1", "d1", "failed", 1);
  const why = whyText(report, consfig);
  assertFits(why, 60);
  assert.match(why, /▸ 1 {2}….*fails\(\).*…$/m);
  assert.match(why, /\n {2}output {5}\| word word[ word]*\n {13}\| word/);
});

test("consfig --help at a narrow terminal breaks no word", needsTerminal, () => {
  const line = `stty cols 60; ${process.execPath} ${command} --help`;
  const { stdout } = spawnSync("script", ["-qec", line, "/dev/null"], { encoding: "utf8", stdio: "pipe" });
  const text = stdout.replaceAll("\r", "");
  const commands = text.split("\n").filter((each) => each.startsWith("consfig "));
  assert.equal(commands.length, 9);
  assertFits(text.replace(/^consfig .*$/gm, ""), 60);
  assert.match(text, /\n {4}deploy into clones of hosts, on these hosts, and throw\n {4}them away\n/);
});
