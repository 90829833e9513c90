/** A sudo that asks for a password, on a real host: at the prompt, over a shell and through an agent. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import * as via from "../../../lib/via";
import { needsTerminal, prompt } from "../../repl/_terminal";
import { needsMachines } from "../../support/machines";
import { prop, type Rig, rig } from "../agent/_rig";
import { answering } from "./_sshd";

const right = `right-${randomBytes(9).toString("hex")}`;
const wrong = `wrong-${randomBytes(9).toString("hex")}`;

describe("sudo that asks for a password", needsMachines(), () => {
  let on: Rig;
  let scratch: string;
  /** A file with both passwords, so that no search has them in its arguments. */
  let patterns: string;
  before(async () => {
    on = await rig();
    scratch = mkdtempSync(path.join(tmpdir(), "sudo-"));
    patterns = path.join(scratch, "patterns");
    writeFileSync(patterns, `${right}\n${wrong}\n`);
    await on.machine.run("chpasswd", { input: `plain:${right}\n` });
    await on.machine.run(
      "printf 'Defaults passwd_tries=2\\nplain ALL=(ALL:ALL) ALL\\n' >/etc/sudoers.d/plain && chmod 440 /etc/sudoers.d/plain",
    );
  });
  after(async () => {
    await on?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const hopsOf = {
    posix: () => [on.ssh("plain"), via.sudo()],
    agent: () => [on.ssh("plain"), via.sudo(), via.agent()],
  };

  /** What the files in `directories` have of the passwords. */
  const found = (...directories: string[]): string => {
    const search = ["-r", "-a", "-l", "-F", "-s", "-f", patterns, "--exclude=patterns", ...directories];
    try {
      return execFileSync("grep", search, { encoding: "utf8" });
    } catch (error) {
      assert.equal((error as { status?: number }).status, 1, String(error));
      return "";
    }
  };

  for (const kind of ["posix", "agent"] as const) {
    test(`${kind}: a wrong password, then the right one; neither is seen anywhere`, {
      ...needsTerminal,
      timeout: 120_000,
    }, async (t) => {
      const watching = watchProcesses();
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
      assert.equal(found(on.machine.upper, path.dirname(root)), "");
      writeFileSync(path.join(on.machine.root, "root/patterns"), readFileSync(patterns));
      const memory = "grep -r -a -l -F -s -f /root/patterns /run /tmp /dev/shm; rm /root/patterns";
      assert.equal(await on.machine.run(memory), "");
      const logged = await on.machine.exec("journalctl --no-pager -o export");
      assert.equal(logged.exit, 0);
      for (const secret of [right, wrong]) assert.ok(!logged.stdout.includes(secret));
    });

    test(`${kind}: three wrong passwords, no answer, and no terminal`, { timeout: 120_000 }, async (t) => {
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
});

const consfigOf = (
  hops: readonly Hop[],
  kind: string,
): string => `import { defhost, via } from "consfigurator";
import { cmd, file } from "consfigurator/properties";

export const web1 = defhost("web1.example.org", { deploy: [${hops.map(({ hop, args }) => `via.${hop}(${JSON.stringify(args)})`).join(", ")}] },
  cmd.single("true"), file.hasContent("/root/of-${kind}", ["x"]));
`;

/** Looks all the time at the arguments and the environment of every process, here and on test machines. */
function watchProcesses() {
  const seen = new Set<string>();
  let looks = 0;
  const timer = setInterval(() => {
    looks += 1;
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      for (const name of ["cmdline", "environ"]) {
        const text = contentOf(`/proc/${pid}/${name}`);
        if (text.includes(right) || text.includes(wrong))
          seen.add(`${name}: ${text.replaceAll("\0", " ").slice(0, 200)}`);
      }
    }
  }, 20);
  return { seen: () => [...seen], looks: () => looks, stop: () => clearInterval(timer) };
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
