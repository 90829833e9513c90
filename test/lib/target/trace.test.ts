/** Verbose deployments of real machines: every command is told, whoever runs it, over an agent and over a shell. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { session } from "../../../lib/controller/session";
import type { DeployEvent } from "../../../lib/model/events";
import type { PropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { as, reconnects } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import { needsMachines } from "../../support/machines";
import { assertOk, eventsOf, prop, type Rig } from "../agent/_rig";
import { rigWithChroot } from "../agent/_spy";

describe("a verbose deployment", needsMachines(), () => {
  let rig: Rig;
  before(async () => {
    rig = await rigWithChroot();
    assertOk(await deployed([as("plain", runs("true"))], "agent").report);
  });
  after(() => rig?.stop());

  const runs = (script: string) => prop("cmd.single", script);
  const content = (text: string) => prop("file.hasContent", "/srv/told", [text]);

  function deployed(applications: PropApp[], over: "agent" | "shell", verbose = false) {
    session.verbose = verbose;
    try {
      const report = rig.deploy(applications, [rig.ssh(), ...(over === "agent" ? [via.agent()] : [])]);
      return { report, events: eventsOf(report) };
    } finally {
      session.verbose = false;
    }
  }

  /** Each step with what it ran, and what that printed. */
  const commandsIn = ({ steps }: Report) =>
    steps.map(({ desc, commands = [], output }) => [
      desc,
      ...commands.map(({ command, exit }) => `${command.replace(/\.told\.\w+/, "TEMPORARY")}: ${exit}`),
      ...(output ? [`| ${output.trim()}`] : []),
    ]);

  const openedIn = (events: readonly DeployEvent[]) =>
    events.flatMap((event) => (event.kind === "hop-opened" ? [event.hop.replace(/\(.*/, "")] : []));

  test("over an agent tells of processes only, and of those of every worker inside", async () => {
    assertOk(await deployed([content("one")], "agent").report);
    const { report: running, events } = deployed(
      [
        runs("echo outside"),
        content("one"),
        content("two"),
        as("plain", runs("echo plain")),
        reconnects(via.chroot("/srv/c"), runs("echo inside"), as("plain", runs("echo innermost"))),
      ],
      "agent",
      true,
    );
    const report = await running;
    assertOk(report);
    assert.deepEqual(commandsIn(report), [
      ["echo outside", "echo outside: 0", "| outside"],
      ["content of /srv/told"],
      [
        "content of /srv/told",
        "cp --attributes-only --preserve=all --no-preserve=timestamps,links -- /proc/self/fd/3 /proc/self/fd/4: 0",
      ],
      ["as plain"],
      ["echo plain", "echo plain: 0", "| plain"],
      ["through via.chroot('/srv/c')"],
      ["echo inside", "echo inside: 0", "| inside"],
      ["as plain"],
      ["echo innermost", "echo innermost: 0", "| innermost"],
    ]);
    assert.deepEqual(openedIn(events), ["via.ssh", "via.agent", "via.as", "via.chroot", "via.as"]);
  });

  test("over a shell tells of what is done with files, too", async () => {
    assertOk(await deployed([content("one")], "shell").report);
    const { report: running, events } = deployed(
      [runs("echo outside"), content("one"), content("two"), as("plain", runs("echo plain"))],
      "shell",
      true,
    );
    const report = await running;
    assertOk(report);
    // What the steps ask was asked before their turn, in one command that belongs to none of them.
    assert.deepEqual(commandsIn(report), [
      ["echo outside", "echo outside: 0", "| outside"],
      ["content of /srv/told"],
      ["content of /srv/told", "write /srv/told: 0"],
      ["as plain"],
      ["echo plain", "echo plain: 0", "| plain"],
    ]);
    const asked = events.flatMap((event) =>
      event.kind === "command-ran" && event.step === undefined ? [event.command] : [],
    );
    assert.match(asked.join("\n"), /read \/srv\/told/);
    assert.deepEqual(openedIn(events), ["via.ssh", "via.as"]);
  });

  test("others tell of none", async () => {
    for (const over of ["agent", "shell"] as const) {
      const { report, events } = deployed([runs("echo outside"), as("plain", runs("echo plain"))], over);
      assertOk(await report);
      assert.equal((await report).commands, undefined);
      assert.deepEqual(new Set((await report).steps.map(({ output }) => output)), new Set([""]));
      assert.ok(!events.some(({ kind }) => kind === "command-ran"));
      assert.deepEqual(openedIn(events), over === "agent" ? ["via.ssh", "via.agent"] : ["via.ssh"]);
    }
  });
});
