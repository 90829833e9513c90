import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import * as ssh from "../../properties/ssh";

const mine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z me@laptop";
const yours = 'from="192.0.2.0/24",no-pty ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDZ you';
const modeOf = (file: string): string => (statSync(file).mode & 0o7777).toString(8);

test("an invalid public key is refused", () => {
  for (const key of [
    "AAAAC3Nz",
    "ssh-ed25519",
    `# ${mine}`,
    `${mine}\n${yours}`,
    "-----BEGIN OPENSSH PRIVATE KEY-----",
  ]) {
    assert.throws(() => ssh.authorizedKeys(key), {
      name: "InvalidArguments",
      message: /it must be a public key on one line, such as "ssh-ed25519 AAAA… me@laptop"$/,
    });
  }
});

test("a key is described by its comment", () => {
  const { desc } = ssh.authorizedKeys.definition;
  assert.equal(
    desc?.({ keys: [mine, yours, "ssh-rsa AAAAB3NzaC1yc2EAAAA="] }),
    "authorized keys: me@laptop, you, …aC1yc2EAAAA=",
  );
  assert.equal(desc?.({ keys: [mine] }), "authorized key: me@laptop");
});

test("directory and file are created for their owner only", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, dir }) => {
    const property = ssh.authorizedKeys(mine, yours, mine);
    assert.equal(await apply(property), "changed");
    assert.equal(readFileSync(`${dir}/.ssh/authorized_keys`, "utf8"), `${mine}\n${yours}\n`);
    assert.deepEqual([modeOf(`${dir}/.ssh`), modeOf(`${dir}/.ssh/authorized_keys`)], ["700", "600"]);
    await applyAgain(property);
  }));

test("other keys stay, and only the given keys are removed", (t) =>
  onBothTargets(t, async ({ apply, unapply, dir }) => {
    mkdirSync(`${dir}/.ssh`, { mode: 0o755 });
    const others = "# by hand\n\nssh-rsa AAAAB3other other\n\n";
    writeFileSync(`${dir}/.ssh/authorized_keys`, others, { mode: 0o644 });
    assert.equal(await apply(ssh.authorizedKeys(mine)), "changed");
    assert.equal(readFileSync(`${dir}/.ssh/authorized_keys`, "utf8"), `${others}${mine}\n`);
    assert.deepEqual([modeOf(`${dir}/.ssh`), modeOf(`${dir}/.ssh/authorized_keys`)], ["755", "644"]);
    assert.equal(await unapply(ssh.authorizedKeys(mine)), "changed");
    assert.equal(readFileSync(`${dir}/.ssh/authorized_keys`, "utf8"), others);
    assert.equal(await unapply(ssh.authorizedKeys(mine)), "unchanged");
  }));

test("permissions that sshd would refuse are fixed", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, dir }) => {
    const property = ssh.authorizedKeys(mine);
    await apply(property);
    chmodSync(`${dir}/.ssh`, 0o775);
    chmodSync(`${dir}/.ssh/authorized_keys`, 0o664);
    assert.equal(await apply(property), "changed");
    assert.deepEqual([modeOf(`${dir}/.ssh`), modeOf(`${dir}/.ssh/authorized_keys`)], ["700", "600"]);
    await applyAgain(property);
  }));
