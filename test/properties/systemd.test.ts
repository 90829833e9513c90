import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { eseqprops, seqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import * as service from "../../properties/service";
import * as systemd from "../../properties/systemd";
import { needsMachines } from "../support/machines";
import {
  bootSides,
  holds,
  holdsAfterwards,
  isUndone,
  type Side,
  type Sides,
  succeeds,
} from "../support/sides";

/** A unit that runs and records each start. */
const unit = `[Service]
ExecStart=/bin/sleep infinity
ExecStartPre=/bin/sh -c 'echo started >> /run/starts'
ExecReload=/bin/sh -c 'echo reloaded >> /run/starts'
[Install]
WantedBy=multi-user.target
Alias=alias-of-web.service
`;
const { enabled, disabled, masked, started, stopped } = systemd;
const states = { enabled, disabled, masked };
const units = [
  ...["cron", "cron.service", "ssh.service", "ssh.socket", "dbus.service", "systemd-journald.service"],
  ...["apt-daily.timer", "getty@tty1.service", "getty@.service", "systemd-networkd.service", "web.service"],
  ...[
    "alias-of-web.service",
    "hwclock.service",
    "multi-user.target",
    "test-machine-network.service",
    "empty.service",
  ],
];

test("a host that is not declared to run Linux is refused", () => {
  assert.throws(
    () => prepare({ name: "web1.example.org" }, systemd.started("cron")),
    /it needs a linux system, but web1\.example\.org has no operating system declared yet/,
  );
});

test("an invalid unit name is refused", () => {
  assert.throws(() => systemd.started("--now"), {
    message: 'systemd.started: args.unit is "--now"; it must be a unit, such as "nginx.service"',
  });
});

describe("systemd on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
    for (const { machine } of sides.each) {
      await machine.run("cat > /etc/systemd/system/web.service; : > /etc/systemd/system/empty.service", {
        input: unit,
      });
      await machine.run("systemctl daemon-reload");
    }
  });
  after(() => sides?.stop());

  const starts = async ({ machine }: Side) =>
    (await machine.exec("cat /run/starts; rm -f /run/starts")).stdout;

  test("started and stopped", () =>
    sides.both(async (side) => {
      await holdsAfterwards(side, systemd.started("web"));
      assert.equal(await side.machine.run("systemctl is-active web"), "active\n");
      await holdsAfterwards(side, systemd.stopped("web.service"));
      assert.equal(await starts(side), "started\n");
    }));

  test("restarted, reloaded, daemonReloaded: each time", () =>
    sides.both(async (side) => {
      await side.machine.run("systemctl start web");
      for (const property of [systemd.restarted("web"), systemd.reloaded("web"), systemd.daemonReloaded()]) {
        assert.equal((await succeeds(side.apply(property))).change, "changed");
        assert.equal((await succeeds(side.apply(property))).change, "changed");
      }
      await side.machine.run("systemctl stop web");
      assert.equal(await starts(side), "started\nstarted\nstarted\nreloaded\nreloaded\n");
    }));

  test("the checks agree with is-enabled, also those by links", async () => {
    const prepared = `systemctl -q disable getty@.service; systemctl -q mask ssh.socket; systemctl -q mask --runtime web2
      systemctl -q enable web --runtime; ln -sf /nowhere /etc/systemd/system/multi-user.target.wants/dangling.service`;
    const found = sides.each.map(async (side) => {
      await side.machine.run(prepared);
      const answers: Record<string, string> = {};
      for (const unit of units) {
        const { exit, stdout } = await side.machine.exec(`systemctl is-enabled ${unit}`);
        const holding: string[] = [];
        for (const [name, property] of Object.entries(states)) {
          if ((await side.check(property(unit))).holds) holding.push(name);
        }
        const state = stdout.trim();
        const expected = [
          ...(exit === 0 ? ["enabled"] : []),
          ...(/^(linked|masked|(static|disabled|generated|transient|indirect)$)/.test(state)
            ? ["disabled"]
            : []),
          ...(state.startsWith("masked") ? ["masked"] : []),
        ];
        assert.deepEqual(holding, expected, `${side.kind}: ${unit} is ${state}`);
        answers[unit] = `${state}: ${holding.join(", ")}`;
      }
      await side.machine.run(
        "systemctl unmask ssh.socket; systemctl unmask --runtime web2; systemctl disable web --runtime",
      );
      return answers;
    });
    const [agent, posix] = await Promise.all(found);
    assert.deepEqual(agent, posix);
    assert.equal(agent?.["cron"], "enabled: enabled");
    assert.equal(agent?.["ssh.socket"], "masked: disabled, masked");
  });

  test("enabled, disabled and masked", () =>
    sides.both(async (side) => {
      await side.machine.exec("systemctl disable web");
      await holdsAfterwards(side, systemd.enabled("web"));
      assert.equal(await side.machine.run("systemctl is-enabled web"), "enabled\n");
      await holdsAfterwards(side, systemd.disabled("web"));
      assert.equal((await side.machine.exec("systemctl is-enabled web")).stdout, "disabled\n");
      await holdsAfterwards(side, systemd.masked("ssh.socket"));
      assert.equal((await side.machine.exec("systemctl is-enabled ssh.socket")).stdout, "masked\n");
      await holds(side, systemd.disabled("ssh.socket"));
      await isUndone(side, systemd.masked("ssh.socket"));
      const { failures } = await side.apply(systemd.disabled("no-such-unit"));
      assert.match(failures[0]?.message ?? "", /no-such-unit\.service.*(does not exist|No such file)/);
    }));

  test("a check by links runs no command in the agent", async () => {
    const [{ check, machine }] = sides.each;
    await machine.run("systemctl mask ssh.socket");
    for (const property of [
      enabled("cron"),
      masked("ssh.socket"),
      masked("apt-daily.timer"),
      disabled("ssh.socket"),
    ]) {
      assert.deepEqual(await check(property), { holds: true, commands: [] });
    }
    await machine.run("systemctl unmask ssh.socket");
  });

  test("lingeringEnabled, and units of a user", async () => {
    await Promise.all(
      sides.each.map(async (side) => {
        await holdsAfterwards(side, systemd.lingeringEnabled("plain"));
        assert.equal(await side.machine.run("loginctl show-user plain -p Linger"), "Linger=yes\n");
        await isUndone(side, systemd.lingeringEnabled("plain"));
      }),
    );
    const ordinary = await bootSides({ user: "plain" });
    try {
      await ordinary.both(async (side) => {
        const own = { userInstance: true };
        await side.machine.run(
          "cd /home/plain; mkdir -p .config/systemd/user; cat > .config/systemd/user/own.service; chown -R plain: .config",
          {
            input: "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n",
          },
        );
        const withoutManager = seqprops(service.noServices(), enabled("own", own));
        const { steps } = await side.apply(withoutManager);
        assert.deepEqual(steps, ["no services started: failed", "own enabled for the user: changed"]);
        const wanted = ".config/systemd/user/default.target.wants/own.service";
        assert.equal(
          await side.machine.run(`cd /home/plain; readlink ${wanted}; rm ${wanted}`),
          "/home/plain/.config/systemd/user/own.service\n",
        );
        const early = await side.apply(systemd.started("own", own));
        assert.deepEqual(
          early.failures.map(({ message }) => message),
          [
            'no systemd instance runs for the user plain; put systemd.lingeringEnabled("plain"), applied as root, before this property',
          ],
        );
        await side.machine.run(
          "loginctl enable-linger plain; until test -S /run/user/$(id -u plain)/systemd/private; do sleep 0.1; done",
        );
        for (const property of [started, enabled, stopped, disabled]) {
          await holdsAfterwards(side, property("own", own));
        }
        await holdsAfterwards(side, masked("pipewire", own));
        await isUndone(side, systemd.masked("pipewire", own));
        assert.equal((await succeeds(side.apply(systemd.daemonReloaded(own)))).change, "changed");
        const asSystem = await side.apply(systemd.started("web"));
        assert.deepEqual(
          asSystem.failures.map(({ message }) => message),
          [
            'systemd.started needs root, but the connected user is "plain"; add via.sudo() to the hops, or connect as root',
          ],
        );
      });
    } finally {
      await ordinary.stop();
    }
  });

  test("where services are inhibited, nothing is started, but links are still created", () =>
    sides.both(async (side) => {
      await side.machine.exec("systemctl disable web; rm -f /run/starts");
      const inhibited = (...properties: Parameters<typeof eseqprops>) =>
        eseqprops(service.noServices(), ...properties);
      await holdsAfterwards(side, service.noServices());
      await holds(
        side,
        inhibited(
          systemd.started("web"),
          systemd.restarted("web"),
          systemd.reloaded("web"),
          systemd.daemonReloaded(),
          service.running("web"),
          service.restarted("web"),
          service.reloaded("web"),
          systemd.stopped("cron"),
        ),
      );
      assert.equal(await side.machine.run("systemctl is-active cron"), "active\n");
      await holdsAfterwards(side, inhibited(systemd.enabled("web")));
      assert.equal(await side.machine.run("systemctl is-enabled web"), "enabled\n");
      await holdsAfterwards(side, inhibited(systemd.lingeringEnabled("admin")));
      assert.equal(await side.machine.run("ls /var/lib/systemd/linger"), "admin\n");
      assert.equal(await starts(side), "");
      await isUndone(side, service.noServices());
    }));

  test("service: running, restarted, reloaded", () =>
    sides.both(async (side) => {
      await side.machine.run("systemctl stop cron");
      await holdsAfterwards(side, service.running("cron"));
      assert.equal(await side.machine.run("systemctl is-active cron"), "active\n");
      for (const property of [service.restarted("web"), service.reloaded("web")]) {
        assert.equal((await succeeds(side.apply(property))).change, "changed");
      }
      assert.equal(await starts(side), "started\nreloaded\n");
      const { failures } = await side.apply(service.restarted("no-such-service"));
      assert.equal(
        failures[0]?.message,
        "no-such-service did not start: systemd knows no such unit; correct the name, or install what provides it before this property",
      );
    }));
});
