/** The first deployment to a host without a runtime: it begins over the shell, and the agent goes on. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { desc, eseqprops, onChange, seqprops } from "../../../lib/combinators";
import { journals } from "../../../lib/controller/journals";
import { session } from "../../../lib/controller/session";
import type { PropApp } from "../../../lib/model/property";
import { agent } from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { outline } from "../../support/outline";
import type { DelayProxy } from "../../support/proxy";
import { until } from "../../support/until";
import { afterClosing, assertOk, eventsOf, prop, type Rig, rig } from "../agent/_rig";

describe("a first deployment", needsMachines(), () => {
  let on: Rig;
  let proxy: DelayProxy;
  before(async () => {
    on = await rig();
    proxy = await on.proxy();
    on.write({ "properties/both.ts": both });
    assert.equal(session.consfig?.refresh().error, undefined);
  });
  after(() => on?.stop());
  beforeEach(async () => {
    await on.bare();
    await on.machine.run("rm -rf /root/marks /root/go /srv/*");
    proxy.restore();
    proxy.setBandwidth(undefined);
  });

  const hops = () => [on.ssh("root", proxy), agent()];
  /** Notes its name, and who runs it. */
  const mark = (name: string, then = "") =>
    prop("probe.runs", `echo ${name} $(cat /proc/$PPID/comm) >> /root/marks${then}`);
  const marks = (...names: readonly string[]) => names.map((name) => mark(name));
  /** What the marks say: `over the shell | by the agent`. */
  const marked = async () => {
    const lines = (await on.machine.run("cat /root/marks")).trim().split("\n");
    const by = (agents: boolean) =>
      lines.filter((line) => /node|Main/.test(line) === agents).map((line) => line.split(" ")[0]);
    return `${by(false).join(" ")} | ${by(true).join(" ")}`;
  };
  const waits = "; until [ -e /root/go ]; do sleep 0.1; done";
  const needsAgent = () => prop("probe.process_");

  test("the agent does the first step that needs it, and the rest; what has begun around it is one step", async () => {
    const deployment = on.deploy([
      ...marks("a"),
      desc("first", seqprops(...marks("b"))),
      prop("both.parts", [mark("c"), eseqprops(mark("d"), needsAgent(), mark("e")), mark("f")]),
      ...marks("g"),
    ]);
    const events = eventsOf(deployment);
    const report = await deployment;
    assertOk(report);
    assert.equal(await marked(), "a b c d | e f g");
    const started = events.flatMap((event) => (event.kind === "step-started" ? [event.step] : []));
    assert.deepEqual(
      started,
      started.map((_, index) => index + 1),
    );
    assert.deepEqual(
      outline(report.steps).map((line) => line.replace(/echo (\w).*/, "$1")),
      [
        "changed a",
        "changed first",
        "  changed b",
        "changed both.parts",
        "  changed c",
        "  changed d",
        "  changed probe.process_({})",
        "  changed e",
        "  changed f",
        "changed g",
      ],
    );
    const [journal] = await journals("web1.example.org", hops(), 1);
    assert.deepEqual(
      journal?.report?.steps.map(({ desc }) => desc),
      report.steps.map(({ desc }) => desc),
    );
  });

  test("the agent takes over as soon as it is there", async () => {
    const arrived = async () => readdirSync(path.join(on.agent, "trees")).length > 0;
    const deployment = on.deploy([...marks("a"), mark("b", waits), ...marks("c", "d")]);
    await until("the agent", () => arrived().catch(() => false));
    await until("its worker", async () => (await on.pids("worker")).length > 0);
    await on.machine.run("touch /root/go");
    assertOk(await deployment);
    assert.equal(await marked(), "a b | c d");
  });

  test("a deployment that is over before goes over the shell alone; the next one goes through the agent", async () => {
    proxy.setBandwidth(60_000_000);
    assertOk(await on.deploy(marks("a", "b"), hops()));
    await on.arrived(hops());
    assertOk(await on.deploy(marks("c"), hops()));
    assert.equal(await marked(), "a b | c");
  });

  test("a follow-up waits for what needs the agent, and is done once; what is registered for the end is done at the end, by the agent", async () => {
    const change = (name: string) => prop("file.hasContent", `/srv/${name}`, name);
    const tree: PropApp[] = [
      onChange(change("one"), mark("one")),
      onChange(change("two"), needsAgent(), mark("two")),
      onChange(change("three"), mark("three")),
    ];
    const first = await on.deploy([prop("both.atEnd"), ...tree]);
    assertOk(first);
    assert.equal(await marked(), "one | two three");
    assert.equal(readFileSync(path.join(on.machine.root, "root/ended"), "utf8"), "agent\n");
    assert.deepEqual(first.steps.at(-1)?.desc, "at the end");
    const report = await on.deploy(tree);
    assert.equal(report.status, "unchanged");
  });

  test("a failure over the shell is one of the whole deployment", async () => {
    const report = await on.deploy([seqprops(prop("probe.fails"), needsAgent(), ...marks("a"))]);
    assert.equal(report.status, "failed");
    assert.deepEqual(
      outline(report.steps).map((line) => /^\w+ [\w.]+/.exec(line)?.[0]),
      ["failed probe.fails", "changed probe.process_", "changed echo"],
    );
  });

  describe("the link is lost", () => {
    const uploads = "/root/.cache/consfigurator/agent/runtime/*.part";
    const cases: Record<string, { tree: () => PropApp[]; when: () => Promise<unknown>; then: RegExp }> = {
      "in a step over the shell": {
        tree: () => [...marks("a"), mark("b", waits), ...marks("c")],
        when: () => until("the step", async () => (await marked().catch(() => "")).startsWith("a b")),
        then: /^a b \| (b )?c$/,
      },
      "while a step waits for the agent": {
        tree: () => [...marks("a"), needsAgent(), ...marks("c")],
        when: () =>
          until(
            "the upload",
            async () => (await on.machine.exec(`ls ${uploads} && cat /root/marks`)).exit === 0,
          ),
        then: /^a \| c$/,
      },
      "while the agent goes on": {
        tree: () => [...marks("a"), needsAgent(), mark("b", waits), ...marks("c")],
        when: () => until("the step", async () => (await marked().catch(() => "")).endsWith("| b")),
        then: /^a \| b c$/,
      },
    };
    for (const [name, { tree, when, then }] of Object.entries(cases))
      test(name, async () => {
        proxy.setBandwidth(300_000_000);
        const deployment = on.deploy(tree(), hops());
        await when();
        proxy.cut();
        await on.machine.run("touch /root/go");
        const report = await deployment;
        assertOk(report);
        assert.match(await marked(), then);
        assert.deepEqual(
          report.steps.filter(({ status }) => status !== "changed" && status !== "skipped"),
          [],
        );
      });
  });

  describe("the host is held", () => {
    /** Another first contact, which waits for the host; resolves when it does. */
    const another = async () => {
      const other = on.controller(["probe.runs", "echo other >> /root/marks"]);
      await until("its wait", () => other.events.some(({ kind }) => kind === "waiting"));
      return other;
    };

    test("from the first step to the last, whoever does them", async () => {
      const deployment = on.deploy([mark("a", waits), needsAgent(), ...marks("b")], hops());
      await until("the step", async () => (await on.machine.exec("cat /root/marks")).exit === 0);
      const other = await another();
      await on.machine.run("touch /root/go");
      for (const report of [await deployment, await other.report]) assertOk(report);
      const lines = await on.machine.run("cut -d ' ' -f 1 /root/marks");
      assert.equal(lines, "a\nb\nother\n");
    });

    test("also when the link is lost", async () => {
      const deployment = on.deploy([...marks("a"), needsAgent(), mark("b", waits)], hops());
      await until("the agent", async () => /\| b/.test(await marked().catch(() => "")));
      const other = await another();
      proxy.cut("refuse");
      await until("the relay to be gone", async () => (await on.pids("relay")).length < 2);
      await on.machine.run("touch /root/go");
      await until("the end", async () => (await on.machine.run("wc -l < /root/marks")) === "3\n");
      proxy.restore();
      for (const report of [await deployment, await other.report]) assertOk(report);
      const left = async () =>
        (await on.machine.run("ls /root/.cache/consfigurator/agent/run")).includes("holds");
      await until("nothing to be left", async () => !(await left()));
      const lines = await on.machine.run("cut -d ' ' -f 1 /root/marks");
      assert.equal(lines, "a\nb\nother\n");
    });
  });

  test("without space for a runtime it goes on over the shell, and says so", async () => {
    await on.machine.run("mkdir -p /root/.cache && mount -t tmpfs -o size=30m,mode=0700 tmpfs /root/.cache");
    const deployment = on.deploy([seqprops(...marks("a"), needsAgent(), ...marks("b"))]);
    const events = eventsOf(deployment);
    const report = await deployment;
    await on.bare();
    await afterClosing(on.machine, "umount /root/.cache");
    assert.equal(report.status, "failed");
    assert.equal(await marked(), "a b | ");
    const notices = events.flatMap((event) => (event.kind === "notice" ? [event.text] : []));
    const space =
      /not enough disk space for the runtime: \S+ has \d+ MB free and needs \d+ MB; free some space, or remove via\.agent\(\)$/;
    assert.match(
      notices.join("\n"),
      new RegExp(
        `^web1.example.org is deployed to over the shell, because its agent could not be started: via.agent\\(\\): ${space.source}`,
      ),
    );
    const [failed] = report.failed;
    assert.match(
      failed?.failure?.message ?? "",
      new RegExp(`^probe.process_ at \\S+ needs the agent: via.agent\\(\\): ${space.source}`),
    );
  });
});

const both = `import { defprop, defproplist, schema } from "consfigurator";

/** Some others. */
export const parts = defproplist({
  name: "both.parts",
  args: schema.object({ applications: schema.list(schema.propapp()) }),
  call: (applications) => ({ applications }),
  desc: () => "both.parts",
  parts: ({ applications }) => applications,
});

/** Says at the end who does that. */
export const atEnd = defprop({
  name: "both.atEnd",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  apply: async (_args, target) => {
    target.atEnd("both.atEnd", async (target) => {
      await target.run(\`echo \${target.kind} >> /root/ended\`);
    });
    return "changed";
  },
});
`;
