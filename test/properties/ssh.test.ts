import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { onBothTargets } from "consfigurator/testing";
import { prepare } from "../../lib/engine/prepare";
import * as ssh from "../../properties/ssh";
import * as sshd from "../../properties/sshd";

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

test("a key with another comment, option or blank is the same key, and is removed", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, unapply, dir }) => {
    const file = `${dir}/.ssh/authorized_keys`;
    const bare = mine.replace(/ me@laptop$/, "");
    mkdirSync(`${dir}/.ssh`, { mode: 0o700 });
    for (const line of [bare, `${bare} other`, `from="x" ${bare}`, ` ${bare.replace(" ", "\t")}`]) {
      writeFileSync(file, `# by hand\n${line}\n`, { mode: 0o600 });
      assert.equal(await unapply(ssh.authorizedKeys(mine)), "changed", line);
      assert.equal(readFileSync(file, "utf8"), "# by hand\n");
    }
    writeFileSync(file, `${bare} other\n${yours}\n`, { mode: 0o600 });
    await applyAgain(ssh.authorizedKeys(mine));
    const limited = `command="dump #data",from="192.0.2.1" ${mine}`;
    assert.equal(await apply(ssh.authorizedKeys(limited)), "changed");
    assert.equal(readFileSync(file, "utf8"), `${limited}\n${yours}\n`);
    await applyAgain(ssh.authorizedKeys(limited));
  }));

test("ssh.configured", (t) =>
  onBothTargets(t, async ({ apply, applyAgain, dir }) => {
    const file = `${dir}/.ssh/config`;
    const host = ssh.configured(
      { User: "git", IdentityFile: ["~/.ssh/a", "~/.ssh/b"] },
      { host: "git.example.org" },
    );
    assert.equal(await apply(host), "changed");
    assert.deepEqual([modeOf(`${dir}/.ssh`), modeOf(file)], ["700", "600"]);
    assert.equal(await apply(ssh.configured("user", "me")), "changed");
    await applyAgain(host);
    assert.equal(
      readFileSync(file, "utf8"),
      "user me\nHost git.example.org\n\tUser git\n\tIdentityFile ~/.ssh/a\n\tIdentityFile ~/.ssh/b\n",
    );
  }));

test("what begins a block is refused as a setting", () => {
  const refusal = (application: ReturnType<typeof ssh.configured>) => {
    try {
      prepare({ name: "h" }, application);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(
    refusal(ssh.configured("Host", "x")) ?? "",
    /Host begins a block and is not a setting; name it with \{ host: "\*\.example\.org" \}, or \{ match: "exec true" \}/,
  );
  assert.match(
    refusal(ssh.configured({ Include: "x" })) ?? "",
    /Include is not a setting; write the settings of the other file with this property, too/,
  );
  assert.match(
    refusal(ssh.configured({ User: "x" }, { host: "a", match: "all" })) ?? "",
    /give host or match: each begins a block of its own/,
  );
  assert.match(
    refusal(sshd.configured("Match", "User x")) ?? "",
    /Match begins a block and is not a setting; name it with \{ match: "User backup" \}/,
  );
});

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
