import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { adopt } from "../../repl/_adoption";
import { type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";
import { changedPaths, ownCaches, snapshot } from "../support/snapshot";

describe("a host that nobody has described", needsMachines(), () => {
  let on: Rig;
  before(async () => {
    on = await rig();
    await on.machine.run(`set -e
useradd -m -s /bin/bash ada; usermod -aG adm ada
install -d -m 700 -o ada -g ada /home/ada/.ssh
echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z ada@laptop' >/home/ada/.ssh/authorized_keys
chown ada:ada /home/ada/.ssh/authorized_keys
echo '# mine' >>/etc/debconf.conf
echo '5 4 * * 1 root /bin/true' >/etc/cron.d/backup
printf 'ada ALL=(ALL) ALL\\n' >/etc/sudoers.d/ada; chmod 440 /etc/sudoers.d/ada
echo secret >/etc/token; chmod 600 /etc/token
head -c 20000 /dev/zero | tr '\\0' x >/etc/long
printf '\\001\\002' >/etc/binary`);
  });
  after(() => on?.stop());

  const subject = () => ({ name: "web1.example.org", hops: [on.ssh()] });
  const code = (applications: readonly unknown[]) =>
    applications.map((each) => inspect(each, { breakLength: Number.POSITIVE_INFINITY }));

  test("is described by properties that hold, and nothing there is touched", async () => {
    const before = await snapshot(on.machine, { except: ownCaches });
    const { applications, left } = await adopt(subject(), []);
    assert.deepEqual(changedPaths(before, await snapshot(on.machine, { except: ownCaches })), []);
    const lines = code(applications);
    for (const expected of [
      "os.debianStable('bookworm', 'amd64')",
      "user.hasAccount('ada')",
      "user.hasLoginShell('ada', '/bin/bash')",
      "user.hasGroups('ada', 'adm')",
      "as('ada', ssh.authorizedKeys('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z ada@laptop'))",
      "file.hasContent('/etc/cron.d/backup', [ '5 4 * * 1 root /bin/true' ])",
      "file.hasContent('/etc/sudoers.d/ada', [ 'ada ALL=(ALL) ALL' ])",
      "file.hasMode('/etc/sudoers.d/ada', 0o440)",
    ])
      assert.ok(lines.includes(expected), `${expected} is not in\n${lines.join("\n")}\n${left.join("\n")}`);
    assert.ok(
      lines.some(
        (line) => line.startsWith("file.hasContent('/etc/debconf.conf', [") && line.endsWith("'# mine' ])"),
      ),
    );
    assert.ok(
      lines.some((line) => line.startsWith("apt.installed(")),
      lines.join("\n"),
    );
  });

  test("files are described, except secrets, large ones and what is no text", async () => {
    const paths = ["/etc/cron.d/backup", "/etc/token", "/etc/long", "/etc/binary", "/etc/nothing", "/etc"];
    const { applications, left } = await adopt(subject(), paths);
    assert.deepEqual(code(applications), [
      "file.hasContent('/etc/cron.d/backup', [ '5 4 * * 1 root /bin/true' ])",
    ]);
    assert.deepEqual([...left].sort(), [
      "/etc is no regular file",
      "/etc/binary is no text",
      "/etc/long has 20000 bytes, more than the 16384 that are written down; see file.hasTree",
      "/etc/token may hold secrets: not everyone may read it",
      "there is no /etc/nothing",
    ]);
  });
});
