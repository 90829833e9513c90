import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { Reporter } from "../../../lib/model/report";
import { openConsfig } from "../../../lib/source/consfig";
import { root } from "../../../lib/util/package";
import { liveLines } from "../../../repl/views/_live";
import { finalText } from "../../../repl/views/_text";
import { type HostTree, Trees, treeOf } from "../../../repl/views/_tree";
import { duration } from "../../../repl/views/_units";
import { whyText } from "../../../repl/views/_why";
import { calm, mixed, of, unreachable, verbose } from "./_recorded";

function treesOf(...deployments: ReturnType<typeof mixed>[]): readonly HostTree[] {
  const trees = new Trees(() => 0);
  for (const event of deployments.flat()) trees.add(event);
  return trees.hosts;
}

test("the final text of a failed deployment", () => {
  assert.equal(
    finalText(treesOf(mixed())),
    `  + nginx is installed 1.2 s
  ✗ the site is served
    = content of /srv/index.html
    ✗ nginx -t
      | nginx: bad config
      | in line 3
      \`nginx -t\` ended with exit code 1: in line 3
      cmd.single, at properties/site.ts:10:5
      at serve (/srv/consfig/properties/site.ts:10:5)
  - nginx runs (site.served failed)
✗ web1.example.org: 1 changed, 1 unchanged, 1 failed, 1 skipped in 1.3 s
  failed step: properties/site.ts:10:5; finished steps are skipped next time`,
  );
});

test("many unchanged steps are only counted", () => {
  assert.equal(finalText(treesOf(calm("a", 100))), "  = 100 steps unchanged\n= a: 100 unchanged in 12 ms");
});

test("an unreachable host shows only the reason", () => {
  assert.equal(
    finalText(treesOf(unreachable("b"))),
    "  via.ssh(): connection refused; is sshd running there?\n✗ b: failed in 20 ms",
  );
});

test("many hosts show only failed steps and one line each", () => {
  const text = finalText(treesOf(calm("a"), calm("b"), calm("c"), mixed("d")));
  assert.equal(
    text,
    `= a: 2 unchanged in 12 ms
= b: 2 unchanged in 12 ms
= c: 2 unchanged in 12 ms
    ✗ nginx -t
      | nginx: bad config
      | in line 3
      \`nginx -t\` ended with exit code 1: in line 3
      cmd.single, at properties/site.ts:10:5
      at serve (/srv/consfig/properties/site.ts:10:5)
✗ d: 1 changed, 1 unchanged, 1 failed, 1 skipped in 1.3 s
4 hosts: 3 unchanged, 1 failed in 1.3 s
  failed step: properties/site.ts:10:5; finished steps are skipped next time`,
  );
});

test("hosts that failed in the same way are printed once; their names and times may differ", () => {
  assert.equal(
    finalText(treesOf(unreachable("web-1"), calm("a"), unreachable("b"), mixed("d"), mixed("e"))),
    `  via.ssh(): connection refused; is sshd running there?
✗ 2 hosts the same: failed in 20 ms
  web-1, b
= a: 2 unchanged in 12 ms
    ✗ nginx -t
      | nginx: bad config
      | in line 3
      \`nginx -t\` ended with exit code 1: in line 3
      cmd.single, at properties/site.ts:10:5
      at serve (/srv/consfig/properties/site.ts:10:5)
✗ 2 hosts the same: 1 changed, 1 unchanged, 1 failed, 1 skipped in 1.3 s
  d, e
5 hosts: 1 unchanged, 4 failed in 1.3 s
  failed step: properties/site.ts:10:5; finished steps are skipped next time`,
  );
});

test("a report prints like its deployment", () => {
  const reporter = new Reporter();
  for (const event of mixed()) reporter.add(event);
  const report = reporter.finish("web1.example.org", "1", "failed", 1300);
  assert.equal(finalText([treeOf(report)]), finalText(treesOf(mixed())));
});

test("a verbose deployment is shown in full, even with many hosts", () => {
  const [own, ...others] = [verbose(), calm("a"), calm("b"), calm("c")];
  const text = finalText(treesOf(own, ...others));
  assert.equal(
    text,
    `  opened via.ssh() in 120 ms
  sent Node 24, 2.5 MB
  reusing via.agent()
  › test -e /mark (exit code 1, 2 ms)
  = nginx is installed
    › dpkg -s nginx (exit code 0, 12 ms)
  + waits 1.0 s
    › echo waiting ⏎ sleep 1 (exit code 0, 1.0 s)
    › sleep 60 (interrupted, 5 ms)
    | waiting
+ web1.example.org: 1 changed, 1 unchanged in 1.3 s
= a: 2 unchanged in 12 ms
= b: 2 unchanged in 12 ms
= c: 2 unchanged in 12 ms
4 hosts: 1 changed, 3 unchanged in 1.3 s`,
  );
});

test("the report of a verbose deployment includes its commands", () => {
  const reporter = new Reporter();
  for (const event of verbose()) reporter.add(event);
  const text = finalText([treeOf(reporter.finish("web1.example.org", "1", "changed", 1300))]);
  assert.equal(
    `${text}\n`,
    finalText(treesOf(verbose()))
      .replace(/^(.*\n){3}/, "")
      .concat("\n"),
  );
});

test("live: the last command of a running step is below it", () => {
  const lines = liveLines(treesOf(verbose().slice(0, 13)), { columns: 80, rows: 24, frame: 0, now: 2000 });
  assert.deepEqual(
    lines.map(({ text }) => text),
    [
      "  ⠋ waits 2.0 s",
      "    | waiting",
      "    › echo waiting ⏎ sleep 1 (exit code 0, 1.0 s)",
      "⠋ web1.example.org: 1 unchanged, 2.0 s",
    ],
  );
});

test("live: whose link was lost starts no worker when it is back", () => {
  const hop = "via.agent()";
  const opened = { kind: "hop-opened", hop, ms: 9, reused: false } as const;
  const head = (...events: Parameters<typeof of>[1][]) =>
    liveLines(treesOf(of("web1", ...events)), { columns: 80, rows: 24, frame: 0, now: 2000 }).at(-1)?.text;
  assert.equal(head(opened), "⠋ web1: starting a worker, 2.0 s");
  const step = {
    kind: "step-started",
    step: 1,
    property: "cmd.single",
    desc: "x",
    site: "a.ts:1:1",
  } as const;
  const opening = { kind: "hop-opening", hop } as const;
  assert.equal(head(opened, step, opening), "⠋ web1: connecting via.agent(), 2.0 s");
  assert.equal(head(opened, step, opening, opened), "⠋ web1: 2.0 s");
});

test("live: a host is a tree of running, changed and failed steps", () => {
  const lines = liveLines(treesOf(mixed().slice(0, 11)), { columns: 80, rows: 24, frame: 0, now: 2000 });
  assert.deepEqual(
    lines.map(({ text }) => text),
    [
      "  + nginx is installed 1.2 s",
      "  ⠋ the site is served 2.0 s",
      "    ⠋ nginx -t 2.0 s",
      "      | in line 3",
      "⠋ web1.example.org: 1 changed, 1 unchanged, 2.0 s",
    ],
  );
});

test("live: many hosts get one line each, within the height of the terminal", () => {
  const hosts = treesOf(...Array.from({ length: 30 }, (_, index) => mixed(`host${index}`).slice(0, 11)));
  const lines = liveLines(hosts, { columns: 80, rows: 12, frame: 0, now: 2000 });
  assert.equal(lines.length, 10);
  assert.equal(lines[0]?.text, "⠋ host0 2/5  2.0 s  nginx -t  | in line 3");
  assert.equal(lines.at(-1)?.text, "  and 21 more; 0 of 30 finished");
});

test("durations", () => {
  assert.deepEqual([0, 12.4, 999, 1250, 59_949, 125_000].map(duration), [
    "0 ms",
    "12 ms",
    "999 ms",
    "1.3 s",
    "59.9 s",
    "2 min 5 s",
  ]);
});

test("why: the stack omits the engine, also in its own consfig; the output joins both streams", () => {
  const stack = ["lib/target/command.ts:47:9", "properties/cmd.ts:106:5", "hosts/web.ts:3:1"];
  const failure = {
    name: "RunFailed",
    message: "`false` ended with exit code 1",
    stack: stack.map((position) => `    at run (${position})`).join("\n"),
    command: { command: "false", exit: 1, stdout: "some\n", stderr: "more\n" },
  };
  const reporter = new Reporter();
  reporter.add({
    kind: "step-started",
    step: 1,
    property: "cmd.single",
    desc: "false",
    site: "hosts/web.ts:3:1",
  });
  reporter.add({ kind: "step-ended", step: 1, status: "failed", ms: 12, failure });
  const why = whyText(reporter.finish("web1.example.org", "d1", "failed", 12), {
    root,
    isSource: () => false,
  });
  assert.match(
    why,
    /\n {2}output {5}\| some\n {13}\| more\n {2}error {6}`false` ended with exit code 1\n {2}stack {6}at run \(properties\/cmd\.ts:106:5\)\n {13}at run \(hosts\/web\.ts:3:1\)\n/,
  );
});

test("why: a verbose deployment shows the commands of the step", () => {
  const reporter = new Reporter();
  for (const event of verbose().slice(0, -2)) reporter.add(event);
  const failure = { name: "FailedChange", message: "it came too late" };
  reporter.add({ kind: "step-ended", step: 2, status: "failed", ms: 1030, failure });
  const why = whyText(reporter.finish("web1.example.org", "d1", "failed", 1300), {
    root,
    isSource: () => false,
  });
  assert.match(
    why,
    /\n {2}ran {8}› echo waiting ⏎ sleep 1 \(exit code 0, 1\.0 s\)\n {13}› sleep 60 \(interrupted, 5 ms\)\n {2}output {5}\| waiting\n {2}error {6}it came too late\n/,
  );
});

test("why: a host cannot have another file read by naming it as a site", (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "why-test-"));
  t.after(() => rmSync(directory, { recursive: true }));
  mkdirSync(path.join(directory, "hosts"));
  writeFileSync(path.join(directory, "hosts/web.ts"), "export const known = 1;\n");
  writeFileSync(path.join(directory, "secret.ts"), "hush\n");
  symlinkSync("../secret.ts", path.join(directory, "hosts/link.ts"));
  symlinkSync("/dev/zero", path.join(directory, "hosts/endless.ts"));
  const consfig = openConsfig(directory);
  t.after(() => consfig.close());
  const shown = (site: string) => {
    const reporter = new Reporter();
    reporter.add({ kind: "step-started", step: 1, property: "cmd.single", desc: "x", site });
    const failure = { name: "FailedChange", message: "no" };
    reporter.add({ kind: "step-ended", step: 1, status: "failed", ms: 1, failure });
    return whyText(reporter.finish("web1", "d1", "failed", 1), consfig);
  };
  assert.match(shown("hosts/web.ts:1:1"), /▸ 1 {2}export const known = 1;/);
  for (const site of [
    "secret.ts",
    "hosts/link.ts",
    "hosts/endless.ts",
    "/etc/passwd",
    "/dev/zero",
    "hosts/../secret.ts",
  ])
    assert.doesNotMatch(shown(`${site}:1:1`), /▸/, site);
});
