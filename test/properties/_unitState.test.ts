/** systemd.started, service.running and their like believe what they see. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { seqprops } from "../../lib/combinators";
import * as service from "../../properties/service";
import * as systemd from "../../properties/systemd";
import { needsMachines } from "../support/machines";
import { bootSides, type Sides, succeeds } from "../support/sides";
import { until } from "../support/until";

/** A unit that runs and records each start. */
const unit = `[Service]
ExecStart=/bin/sleep infinity
ExecStartPre=/bin/sh -c 'echo started >> /run/starts'
ExecReload=/bin/sh -c 'echo reloaded >> /run/starts'
`;
const { started } = systemd;

describe("units that run, or do not, on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    for (const { machine } of sides.each)
      await machine.run("cat > /etc/systemd/system/web.service; systemctl daemon-reload", { input: unit });
  });
  after(() => sides?.stop());

  test("what does not run a moment after its start has failed, with its journal", () =>
    sides.both(
      async (side) => {
        const units = {
          "ends-at-once": "[Service]\nExecStart=/bin/sh -c 'echo no configuration; exit 1'",
          "ends-well": "[Service]\nExecStart=/bin/true",
          "crash-loop":
            "[Service]\nRestart=always\nRestartSec=100ms\nExecStart=/bin/sh -c 'sleep 0.2; exit 3'",
          "failing-once": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo cannot import; exit 4'",
          once: "[Service]\nType=oneshot\nExecStart=/bin/true",
          masked: "",
        };
        for (const [name, text] of Object.entries(units))
          await side.machine.run(`cat >/etc/systemd/system/${name}.service`, { input: `${text}\n` });
        await side.machine.run(
          "ln -sf /dev/null /etc/systemd/system/masked.service; systemctl daemon-reload",
        );
        const expected: Record<string, RegExp> = {
          "ends-at-once":
            /: ends-at-once does not run: it ended with exit code 1; the last lines of its journal:\n(.*\n)*no configuration\n/,
          "ends-well": /: ends-well does not run: it ended without an error; the last lines/,
          "crash-loop":
            /: crash-loop does not (run: it ended with exit code 3; |keep running: (it ended and was |systemd has restarted it ))/,
          "failing-once":
            /^failing-once did not start: it ended with exit code 4; the last lines of its journal:\n(.*\n)*cannot import\n/,
          masked:
            /^masked did not start: it is masked; remove systemd.masked\("masked"\), or run `systemctl unmask masked`$/,
          ngimx:
            /^ngimx did not start: systemd knows no such unit; correct the name, or install what provides it before this property$/,
        };
        for (const property of [systemd.started, service.running]) {
          // A unit that was started too often is refused by systemd before it runs: not what is tested.
          await side.machine.run("systemctl stop crash-loop; systemctl reset-failed");
          await succeeds(side.apply(property("once")));
          for (const [name, message] of Object.entries(expected)) {
            const { failures, steps } = await side.apply(property(name));
            assert.match(failures[0]?.message ?? `${name}: ${steps}`, message);
          }
        }
        await side.machine.run("systemctl stop crash-loop");
      },
      { except: ["var/log/journal"] },
    ));

  test("reloaded: starts what is stopped, restarts what cannot reload, says why a reload failed", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const units = {
          "no-reload": "[Service]\nExecStart=/bin/sleep infinity",
          "bad-reload":
            "[Service]\nExecStart=/bin/sleep infinity\nExecReload=/bin/sh -c 'echo line 3 is invalid; exit 1'",
        };
        for (const [name, text] of Object.entries(units))
          await machine.run(`mkdir -p /run/systemd/system; cat >/run/systemd/system/${name}.service`, {
            input: `${text}\n`,
          });
        await machine.run("systemctl daemon-reload; rm -f /run/starts");
        for (const reloaded of [systemd.reloaded, service.reloaded]) {
          await machine.run("systemctl stop web; systemctl start no-reload bad-reload");
          const pid = await machine.run("systemctl show -P MainPID no-reload");
          const stopped = seqprops(reloaded("web"), started("web"));
          assert.deepEqual((await succeeds(side.apply(stopped))).steps, [
            "web reloaded: changed",
            "web started: unchanged",
          ]);
          await succeeds(side.apply(reloaded("web")));
          assert.equal(await machine.run("cat /run/starts; rm /run/starts"), "started\nreloaded\n");
          await succeeds(side.apply(reloaded("no-reload")));
          assert.notEqual(await machine.run("systemctl show -P MainPID no-reload"), pid);
          const { failures } = await side.apply(reloaded("bad-reload"));
          assert.match(
            failures[0]?.message ?? "",
            /^bad-reload did not reload: Job for bad-reload\.service failed\..*; the last lines of its journal:\n(.*\n)*line 3 is invalid\n/s,
          );
          await machine.run("systemctl -q mask no-reload; systemctl stop no-reload");
          const masked = await side.apply(reloaded("no-reload"));
          assert.equal(
            masked.failures[0]?.message,
            'no-reload did not start: it is masked; remove systemd.masked("no-reload"), or run `systemctl unmask no-reload`',
          );
          await machine.run("systemctl -q unmask no-reload");
        }
        await machine.run("systemctl stop web no-reload bad-reload");
      },
      { except: ["var/log/journal"] },
    ));

  test("a crash loop that happens to run has failed, until it is restarted with a fix", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        const write = (seconds: string) =>
          machine.run("cat >/etc/systemd/system/now-and-then.service; systemctl daemon-reload", {
            input: `[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=100ms\nExecStart=/bin/sleep ${seconds}\n`,
          });
        const restarts = async () => Number(await machine.run("systemctl show -P NRestarts now-and-then"));
        for (const property of [systemd.started, service.running]) {
          await write("0.1");
          await machine.run("systemctl restart now-and-then");
          await until("it was restarted three times", async () => (await restarts()) >= 3);
          await write("30");
          const count = await restarts();
          await until("it runs for longer", async () => {
            const pid = await machine.run("systemctl show -P MainPID now-and-then");
            return (await machine.exec(`grep -az 30 /proc/${pid.trim()}/cmdline`)).exit === 0;
          });
          assert.ok(count >= 3);
          const { failures } = await side.apply(property("now-and-then"));
          assert.match(
            failures[0]?.message ?? "it holds",
            /: now-and-then does not keep running: systemd has restarted it \d+ times, last \d+ s ago; the last lines of its journal:\n/,
          );
          await write("infinity");
          const fixed = seqprops(systemd.restarted("now-and-then"), property("now-and-then"));
          assert.deepEqual(
            (await succeeds(side.apply(fixed))).steps.map((step) => step.split(": ")[1]),
            ["changed", "unchanged"],
          );
        }
        await machine.run("systemctl stop now-and-then");
      },
      { except: ["var/log/journal"] },
    ));

  test("a check of what has run for a while does not wait; of what has just been started, it does", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("systemctl restart cron");
      const waits = async () => {
        const checked = await Promise.all([side.check(started("cron")), side.check(service.running("cron"))]);
        assert.deepEqual(
          checked.map(({ holds }) => holds),
          [true, true],
        );
        return checked.some(({ commands }) => commands.some((command) => /sleep/.test(command)));
      };
      await until("nothing waits", async () => !(await waits()));
      const [one] = [await side.check(started("cron"))];
      assert.equal(one.commands.length, 1);
    }));
});
