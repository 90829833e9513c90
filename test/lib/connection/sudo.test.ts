/** A sudo that asks for a password, on a real host: at the prompt, over a shell, before an agent and behind it. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import * as via from "../../../lib/via";
import { needsTerminal, prompt } from "../../repl/_terminal";
import { Canaries } from "../../support/canaries";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { prop, type Rig, rig } from "../agent/_rig";
import { answering } from "./_sshd";

const right = `right-${randomBytes(9).toString("hex")}`;
const wrong = `wrong-${randomBytes(9).toString("hex")}`;

const ALL = Boolean(process.env["CONSFIGURATOR_TEST_ALL"]);

describe("sudo that asks for a password", needsMachines(), () => {
  let on: Rig;
  const canaries = new Canaries();
  before(async () => {
    on = await rig();
    canaries.add("right", right);
    canaries.add("wrong", wrong);
    await on.machine.run("chpasswd", { input: `plain:${right}\n` });
    await on.machine.run(
      "printf 'Defaults passwd_tries=2\\nplain ALL=(ALL:ALL) ALL\\n' >/etc/sudoers.d/plain && chmod 440 /etc/sudoers.d/plain",
    );
  });
  after(async () => {
    await on?.stop();
    canaries.dispose();
  });

  const hopsOf = {
    posix: () => [on.ssh("plain"), via.sudo()],
    agent: () => [on.ssh("plain"), via.sudo(), via.agent()],
    // Asked on the host, by the worker; answered at the prompt.
    behind: () => [on.ssh("plain"), via.agent(), via.sudo()],
  };

  for (const kind of ["posix", "agent", "behind"] as const) {
    test(`${kind}: a wrong password, then the right one; neither is seen anywhere`, {
      ...needsTerminal,
      timeout: limit(120),
    }, async (t) => {
      const watching = canaries.watch();
      t.after(() => watching.stop());
      const hops = hopsOf[kind]();
      const { type, keys, until, root, closed, opened } = await prompt(t, {
        "hosts/web1.ts": consfigOf(hops, kind),
      });
      let screens = opened;
      screens += await type("deploy(web1)", /\[sudo\] password for plain on web1\.example\.org: $/);
      screens += await type(
        wrong,
        /Wrong password, try again\. \[sudo\] password for plain on web1\.example\.org: $/,
      );
      keys(`${right}\r`);
      screens += await until(/changed[\s\S]*consfig> $/, 60);
      assert.equal(await on.machine.run(`stat -c %U /root/of-${kind}`), "root\n");
      // It is remembered for the session.
      const again = await type("deploy(web1)", /changed[\s\S]*consfig> $/);
      assert.doesNotMatch(again, /password/);
      keys(".exit\r");
      await closed;
      watching.stop();
      assert.deepEqual(
        watching.seen(),
        [],
        "arguments and environments of all processes, here and on the host",
      );
      assert.ok(watching.looks() > 10);
      assert.doesNotMatch(screens + again, new RegExp(`${right}|${wrong}`));
      // All files that were written on the host, its journal among them, and the home directory and caches here.
      await on.machine.run("journalctl --sync");
      assert.match(
        await on.machine.run("journalctl --no-pager _COMM=sudo"),
        /plain : .*COMMAND=\/bin\/sh -c/,
      );
      const memory = ["run", "tmp", "dev/shm"].map((each) => `/proc/${on.machine.leader}/root/${each}`);
      assert.deepEqual(canaries.inFiles([on.machine.upper, path.dirname(root), ...memory]), []);
      const logged = await on.machine.exec("journalctl --no-pager -o export");
      assert.equal(logged.exit, 0);
      assert.deepEqual(canaries.in(logged.stdout), []);
    });

    test(`${kind}: three wrong passwords, no answer, and no terminal`, { timeout: limit(120) }, async (t) => {
      t.after(() => {
        session.ask = undefined;
      });
      const deployed = async (secrets?: readonly (string | undefined)[]) => {
        const asker = secrets && answering({ secrets });
        session.ask = asker?.ask;
        const report = await on.deploy([prop("cmd.single", "true")], hopsOf[kind]());
        return { report, asked: asker?.asked };
      };
      const question = "[sudo] password for plain on web1.example.org:";
      const rejected = await deployed([wrong, wrong, wrong]);
      assert.equal(
        rejected.report.failure?.message,
        "via.sudo(): sudo rejected three passwords for plain on web1.example.org; check which password that account has",
      );
      const again = `Wrong password, try again. ${question}`;
      assert.deepEqual(rejected.asked, [question, again, again]);
      assert.equal(
        (await deployed([undefined])).report.failure?.message,
        "via.sudo(): sudo needs the password for plain on web1.example.org, and none was entered; deploy again to be asked for it",
      );
      assert.equal(
        (await deployed()).report.failure?.message,
        "via.sudo(): `sudo -H -k -n --user=root -- /bin/sh -c …`: sudo: a password is required; there is no terminal to ask on: deploy from a terminal, allow `/bin/sh` without a password (NOPASSWD) in sudoers, or connect as root",
      );
      assert.equal((await deployed([right])).report.status, "changed");
      await session.connections.close();
    });
  }

  describe("as sudoers and the account say", () => {
    const changed = `changed-${randomBytes(9).toString("hex")}`;
    const question = "[sudo] password for plain on web1.example.org:";
    const again = `Wrong password, try again. ${question}`;
    const rule = "plain ALL=(ALL:ALL) ALL";

    /** Deploys once for each of `secrets`, each time over new connections, in one session. */
    async function deployed(hops: readonly Hop[], typed: readonly string[], before: readonly string[]) {
      const { ask, asked } = answering({ secrets: typed });
      session.ask = ask;
      const outcomes: string[] = [];
      for (const command of before) {
        await on.machine.run(command);
        const report = await on.deploy([prop("cmd.single", "true")], hops);
        outcomes.push(report.failure?.message ?? report.status);
        await session.connections.close();
      }
      return { outcomes, asked };
    }
    const sudoers = (...lines: string[]) =>
      on.machine.run("cat >/etc/sudoers.d/plain && visudo -cqf /etc/sudoers.d/plain", {
        input: lines.map((line) => `${line}\n`).join(""),
      });
    const set = (password: string) => `chpasswd <<'.'\nplain:${password}\n.`;
    after(async () => {
      session.ask = undefined;
      await sudoers("Defaults passwd_tries=2", rule);
    });

    const twice = ["true", "true"];
    const rows: readonly {
      readonly name: string;
      readonly lines: readonly string[];
      readonly typed?: readonly string[];
      /** Run on the host before each deployment. */
      readonly before?: readonly string[];
      readonly asked: readonly string[];
      readonly outcomes?: readonly string[];
      /** Tried behind an agent, too, where all are tried with CONSFIGURATOR_TEST_ALL. */
      readonly both?: true;
    }[] = [
      { name: "NOPASSWD: nothing is asked", lines: ["plain ALL=(ALL:ALL) NOPASSWD: ALL"], asked: [] },
      {
        name: "timestamp_timeout=0: once a session",
        lines: ["Defaults timestamp_timeout=0", rule],
        asked: [question],
        both: true,
      },
      { name: "a lecture before each question", lines: ["Defaults lecture=always", rule], asked: [question] },
      {
        name: "a prompt of its own",
        lines: ['Defaults passprompt_override, passprompt="Who goes there?"', rule],
        asked: [question],
      },
      {
        name: "one attempt at a time",
        lines: ["Defaults passwd_tries=1", rule],
        typed: [wrong, right],
        asked: [question, again],
        both: true,
      },
      {
        name: "a password that was changed between two deployments",
        lines: [rule],
        typed: [right, changed],
        before: ["true", set(changed)],
        asked: [question, again],
      },
      {
        name: "requiretty: refused, with what to do",
        lines: ["Defaults requiretty", rule],
        before: ["true"],
        asked: [],
        outcomes: [
          "via.sudo(): `sudo -H -k -S --user=root -- /bin/sh -c …`: sudo: sorry, you must have a tty to run sudo; sudoers has requiretty, which keeps no program from asking and is not needed; remove it with visudo(8), or except the user of the hop before: `Defaults:NAME !requiretty`",
        ],
        both: true,
      },
    ];
    for (const kind of ["posix", "behind"] as const)
      for (const { name, lines, typed = [right], before = twice, asked, outcomes, both } of rows) {
        if (kind === "behind" && !both && !ALL) continue;
        test(`${kind}: ${name}`, { timeout: limit(120) }, async () => {
          await on.machine.run(set(right));
          await sudoers(...lines);
          const found = await deployed(hopsOf[kind](), typed, before);
          assert.deepEqual(found, { outcomes: outcomes ?? before.map(() => "changed"), asked });
        });
      }

    for (const kind of ["posix", "behind"] as const)
      test(`${kind}: two hosts with the same user: each is asked for, or once those that share a credential`, {
        timeout: limit(120),
      }, async () => {
        await on.machine.run(set(right));
        await sudoers(rule);
        const [first, second] = ["web1.example.org", "web2.example.org"];
        const bothAskedWith = async (sudo: Hop, typed: readonly string[]) => {
          const { ask, asked } = answering({ secrets: typed });
          session.ask = ask;
          const hops = hopsOf[kind]().map((hop) => (hop.hop === "sudo" ? sudo : hop));
          for (const name of [first, second]) {
            const report = await on.deploy([prop("cmd.single", "true")], hops, name);
            assert.equal(report.status, "changed", report.failure?.message);
            await session.connections.close();
          }
          return asked;
        };
        const questions = [first, second].map((name) => `[sudo] password for plain on ${name}:`);
        assert.deepEqual(await bothAskedWith(via.sudo(), [right, right]), questions);
        assert.deepEqual(await bothAskedWith(via.sudo({ credential: "corp" }), [right]), [
          "[sudo] password for plain (corp):",
        ]);
      });

    test("a password that has expired: refused, with what to do", async () => {
      await sudoers(rule);
      await on.machine.run(set(right));
      // Neither ssh nor su lets such an account in.
      const become = via.shellWrap("setpriv", "--reuid=plain", "--regid=plain", "--init-groups");
      const found = await deployed([on.ssh(), become, via.sudo()], [right], ["chage -d 0 plain"]);
      await on.machine.run("chage -d -1 plain");
      assert.deepEqual(found.asked, [question]);
      assert.deepEqual(found.outcomes, [
        "via.sudo(): `sudo -H -k -S --user=root -- /bin/sh -c …`: sudo: a password is required; the password of the account has expired: log in as the user of the hop before, and set a new one with passwd(1)",
      ]);
    });
  });
});

const consfigOf = (
  hops: readonly Hop[],
  kind: string,
): string => `import { defhost, via } from "consfigurator";
import { cmd, file } from "consfigurator/properties";

export const web1 = defhost("web1.example.org", { deploy: [${hops.map(({ hop, args }) => `via.${hop}(${JSON.stringify(args)})`).join(", ")}] },
  cmd.single("true"), file.hasContent("/root/of-${kind}", ["x"]));
`;
