import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as cron from "../../properties/cron";
import { needsMachines } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Sides } from "../support/sides";

const job = { desc: "dump v1.2 of", when: "0 3 * * *", user: "plain", command: 'echo "it\'s" $(id -un)' };
const name = "dump_20_v1_2E_2_20_of";

test("the file of a job, and its files at other times", () => {
  assert.deepEqual(cron.places(job), {
    file: `/etc/cron.d/${name}`,
    others: ["hourly", "daily", "weekly", "monthly"].map((keyword) => `/etc/cron.${keyword}/${name}`),
  });
  assert.equal(cron.places({ desc: "x", when: "daily" }).file, "/etc/cron.daily/x");
  assert.equal(cron.places({ desc: "a_b/c-d", when: "daily" }).file, "/etc/cron.daily/a_5F_b_2F_c_2D_d");
});

test("the files for cron and run-parts", () => {
  const environment = "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n\n";
  assert.equal(
    cron.timedJob(job),
    `${environment}0 3 * * *\tplain\tchronic /usr/local/bin/${name}_cronjob\n`,
  );
  const daily = { ...job, when: "daily" };
  assert.equal(
    cron.keywordJob(daily),
    `#!/bin/sh\n\nset -e\n\n${environment}chronic runuser -u plain -- /usr/local/bin/${name}_cronjob\n`,
  );
  assert.equal(
    cron.keywordJob({ ...daily, user: "root" }),
    `#!/bin/sh\n\nset -e\n\n${environment}chronic /usr/local/bin/${name}_cronjob\n`,
  );
  assert.equal(
    cron.script(job),
    `#!/bin/sh\n\nset -e\n\nflock -n /etc/cron.d/${name} sh -c 'echo "it'\\''s" $(id -un)'\n`,
  );
});

test("an invalid time is refused", () => {
  for (const when of ["dayly", "0 3 * *", "* * * * * *", "0 3 * * *\n", ""]) {
    assert.throws(() => cron.systemJob("x", when, "root", "true"), {
      name: "InvalidArguments",
      message: `cron.systemJob: args.when is ${JSON.stringify(when)}; it must be "hourly", "daily", "weekly", "monthly", or a time as in crontab(5) such as "0 3 * * *"`,
    });
  }
  for (const when of ["daily", "@reboot", "*/5 0-6 1,15 jan mon"]) cron.systemJob("x", when, "root", "true");
});

describe("cron on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  test("a job runs as its user, and unapplying it removes everything", () =>
    sides.both(async (side) => {
      const { machine } = side;
      const property = cron.systemJob(job.desc, "daily", "plain", "id -un > /tmp/ran; echo quiet");
      await holdsAfterwards(side, property);
      const { commands } = await holds(side, property);
      if (side.kind === "agent") assert.equal(commands.length, 1);
      assert.equal(
        await machine.run("run-parts /etc/cron.daily --test | grep dump"),
        `/etc/cron.daily/${name}\n`,
      );
      assert.equal(await machine.run(`/etc/cron.daily/${name}; cat /tmp/ran`), "plain\n");
      // Another time moves the job to another file.
      const timed = cron.systemJob(job.desc, job.when, "plain", "echo heard; false");
      await holdsAfterwards(side, timed);
      assert.equal((await machine.exec(`ls /etc/cron.*/${name}`)).stdout, `/etc/cron.d/${name}\n`);
      const failing = await machine.exec(`chronic /usr/local/bin/${name}_cronjob`, { user: "plain" });
      assert.match(failing.stdout, /heard/);
      assert.notEqual(failing.exit, 0);
      await isUndone(side, timed);
      assert.equal((await machine.exec(`ls /etc/cron.*/${name} /usr/local/bin/${name}_cronjob`)).stdout, "");
    }));

  test("a job for an account that does not exist is refused", () =>
    sides.both(async (side) => {
      const { failures } = await side.apply(cron.systemJob("nobody's job", "daily", "shop", "true"));
      assert.equal(
        failures[0]?.message,
        'the account shop does not exist, and cron would never run the job; put user.hasAccount("shop") before this property',
      );
      assert.equal((await side.machine.exec("ls /etc/cron.daily/*nobody*")).stdout, "");
    }));

  test("a job runs only once at a time", () =>
    sides.both(async (side) => {
      const property = cron.niceSystemJob("slow", "hourly", "root", "echo x >> /tmp/slow; sleep 1");
      await holdsAfterwards(side, property);
      const script = "/usr/local/bin/slow_cronjob";
      const { stdout } = await side.machine.exec(
        `${script} & sleep 0.3; ${script}; echo "second: $?"; wait; cat /tmp/slow`,
      );
      assert.equal(stdout, "second: 1\nx\n");
      await isUndone(side, property);
    }));

  test("the crontab of a user is exactly what is declared", () =>
    sides.both(async (side) => {
      const { machine } = side;
      await machine.run("echo '0 1 * * * other' | crontab -");
      const property = cron.userCrontabInstalled(
        { MAILTO: "", DUMPS: "$HOME/dumps" },
        "0 3 * * * $HOME/bin/dump ${HOME} $HOMEWARD",
        "@daily true",
      );
      await holdsAfterwards(side, property);
      assert.equal(
        await machine.run("crontab -l"),
        [
          "# Written by consfigurator: other changes are lost.",
          "",
          "PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin",
          'MAILTO=""',
          "DUMPS=/root/dumps",
          "",
          "0 3 * * * /root/bin/dump /root $HOMEWARD",
          "@daily true",
          "",
        ].join("\n"),
      );
      await holdsAfterwards(side, cron.userCrontabInstalled({ PATH: "/bin" }));
      await isUndone(side, cron.userCrontabInstalled({ PATH: "/bin" }));
      assert.equal((await machine.exec("crontab -l")).exit, 1);
    }));
});

test("a line that is no job is refused", () => {
  for (const line of ["0 3 * * *", "MAILTO=root", "0 3 * * * a\nb", "@never x"])
    assert.throws(() => cron.userCrontabInstalled({}, line), {
      name: "InvalidArguments",
      message: `cron.userCrontabInstalled: args.jobs[0] is ${JSON.stringify(line)}; it must be a line of crontab(5), such as "0 3 * * * $HOME/bin/dump"`,
    });
});
