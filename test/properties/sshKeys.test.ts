/** Host keys, the keys of users, and what ssh knows of them: declared, on real hosts, and with data of the consfig. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { unapplied } from "../../lib/combinators";
import { registerDataSource } from "../../lib/data/register";
import { filesTree } from "../../lib/data/sources";
import { prepare } from "../../lib/engine/prepare";
import { dataSources } from "../../lib/model/data-source";
import { defhost, HostModel, hosts, shared } from "../../lib/model/host";
import type { PropApp } from "../../lib/model/property";
import { hasHostattrs } from "../../lib/nested/facts";
import { makeHost } from "../../lib/nested/make-host";
import * as via from "../../lib/via";
import * as ssh from "../../properties/ssh";
import * as sshd from "../../properties/sshd";
import { assertOk, type Rig, rig } from "../lib/agent/_rig";
import { needsMachines } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Side, type Sides, succeeds } from "../support/sides";

const A = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z";

/** A new pair of keys. */
function keyPair(type: string): { readonly secret: string; readonly line: string } {
  const directory = mkdtempSync(path.join(tmpdir(), "key-"));
  try {
    const file = path.join(directory, "key");
    execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "test", "-f", file]);
    return { secret: readFileSync(file, "utf8"), line: readFileSync(`${file}.pub`, "utf8").trim() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const refusal = (application: PropApp): string => {
  try {
    prepare({ name: "web1.example.org" }, application);
  } catch (error) {
    return (error as Error).message.replace(/^web1\.example\.org: ([\w.]+)\(.*\) at \S+: /, "$1: ");
  }
  return "";
};

/** What the parts of an application are called with. */
const known = (application: PropApp, model?: HostModel): unknown =>
  prepare({ name: "web1.example.org" }, application, model).application.parts?.map(({ args }) => args);

describe("what is declared", () => {
  after(() => hosts.restore(new Map()));

  test("names and keys of another host", () => {
    const facts = [
      sshd.hasHostPublicKey("ed25519", `${A} root@db`),
      hasHostattrs(shared.aliases, "data.example.org"),
      hasHostattrs(shared.ipv4, "192.0.2.7"),
      hasHostattrs(shared.ipv6, "2001:db8::7"),
    ];
    const all = ["db.example.org", "data.example.org", "2001:db8::7", "192.0.2.7"];
    const db = defhost("db.example.org", ...facts);
    assert.deepEqual(known(ssh.knownHost(db)), [{ names: all, keys: [A], system: false }]);
    const options = { aliases: false, ips: false, shortHostname: true, additionalNames: ["x"], port: 23 };
    const names = ["[db.example.org]:23", "[db]:23", "[x]:23"];
    assert.deepEqual(known(ssh.systemKnownHost("db.example.org", options)), [
      { names, keys: [A], system: true },
    ]);
    const made = makeHost("db2.example.org", {}, ...facts);
    const [entry] = known(ssh.knownHost(made)) as [{ names: string[]; keys: string[] }];
    assert.deepEqual(entry, { names: ["db2.example.org", ...all.slice(1)], keys: [A], system: false });
    const around = HostModel.of(
      { name: "c" },
      prepare({ name: "db.example.org" }, facts[0] as PropApp).model,
    );
    assert.deepEqual(known(ssh.parentIsSystemKnownHost(), around), [
      { names: ["db.example.org"], keys: [A], system: true },
    ]);
  });

  test("what cannot be known is refused before connecting", () => {
    assert.equal(
      refusal(ssh.knownHost("nobody.example.org")),
      'ssh.knownHost: nobody.example.org declares no host key; put sshd.hasHostPublicKey("ed25519", "ssh-ed25519 AAAA…") among the first of its properties, or give { keys: ["ssh-ed25519 AAAA…"] }',
    );
    assert.equal(
      refusal(ssh.parentIsSystemKnownHost()),
      "ssh.parentIsSystemKnownHost: web1.example.org is not inside another host; use ssh.systemKnownHost with the name of the host that is meant",
    );
    assert.equal(
      refusal(sshd.hasHostPublicKey("rsa", A)),
      `sshd.hasHostPublicKey: "${A}" is not a host key of type rsa; give the content of /etc/ssh/ssh_host_rsa_key.pub`,
    );
    assert.equal(
      refusal(ssh.hasUserKey(".ssh/id", A)),
      'ssh.hasUserKey: the private key in .ssh/id would be the data (web1.example.org, .ssh/id), which does not say whose home directory it is in; give an absolute path, or name the data with { iden1: "_deploy" }',
    );
    assert.equal(
      refusal(sshd.installed()),
      'sshd.installed: it needs a debianlike system, but web1.example.org has no operating system declared yet; put os.debianStable("bookworm", "amd64") or the like before it',
    );
  });
});

describe("known hosts and sshd on real hosts", needsMachines(), () => {
  let sides: Sides;
  before(async () => {
    sides = await bootSides();
  });
  after(() => sides?.stop());

  /** What ssh says when it connects to its own machine, as if it were db.example.org. */
  const connecting = async ({ machine }: Side): Promise<string> => {
    const options = "-o BatchMode=yes -o StrictHostKeyChecking=yes -o HostKeyAlias=db.example.org";
    return (await machine.exec(`ssh ${options} -o IdentityFile=none localhost true`)).stderr;
  };

  test("ssh accepts the key of a host that it knows, and no other", async () => {
    for (const side of sides.each) {
      const key = (await side.machine.run("cat /etc/ssh/ssh_host_ed25519_key.pub")).trim();
      for (const knows of [ssh.knownHost, ssh.systemKnownHost]) {
        assert.match(await connecting(side), /Host key verification failed/);
        await succeeds(side.apply(knows("db.example.org", { keys: [A] })));
        assert.match(await connecting(side), /Host key verification failed/);
        const right = knows("db.example.org", { keys: [key] });
        await holdsAfterwards(side, right);
        const [file, mode] =
          knows === ssh.knownHost ? [".ssh/known_hosts", 600] : ["/etc/ssh/ssh_known_hosts", 644];
        assert.equal(await side.machine.run(`stat -c %a ${file}`), `${mode}\n`);
        assert.match(await connecting(side), /Permission denied/);
        await isUndone(side, right);
      }
      assert.match(await connecting(side), /Host key verification failed/);
      assert.equal(await side.machine.run("find .ssh /etc/ssh -name '*known_hosts*'"), "");
    }
  });

  test("sshd.installed", () =>
    sides.both(async (side) => {
      assert.equal((await succeeds(side.apply(sshd.installed()))).failures.length, 0);
      assert.match(await side.machine.run("dpkg -s openssh-server"), /install ok installed/);
    }));

  test("sshd.noPasswords locks nobody out", () =>
    sides.both(
      async (side) => {
        const messages = async (application: PropApp) =>
          (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
        await side.machine.run(
          "useradd -m locked; mv .ssh/authorized_keys kept; echo '# none' >.ssh/authorized_keys",
        );
        const none = (user: string, home: string) =>
          `AbortedChange: ${home}/.ssh/authorized_keys has no key, so nobody could log in as ${user} without a password; put as("${user}", ssh.authorizedKeys("ssh-ed25519 AAAA…")) before this property, or name who can with { user: "admin" }`;
        assert.equal((await messages(sshd.noPasswords()))[0], none("root", "/root"));
        assert.equal(
          (await messages(sshd.noPasswords({ user: "locked" })))[0],
          none("locked", "/home/locked"),
        );
        assert.equal(
          (await messages(sshd.noPasswords({ user: "nobody-here" })))[0],
          'AbortedChange: the account nobody-here does not exist; put user.hasAccount("nobody-here") before this property',
        );
        await holdsAfterwards(side, sshd.noPasswords({ user: "admin" }));
        const effective = await side.machine.run("/usr/sbin/sshd -T");
        for (const line of [
          "permitrootlogin without-password",
          "passwordauthentication no",
          "kbdinteractiveauthentication no",
        ])
          assert.ok(effective.includes(`${line}\n`), line);
        await side.machine.run("userdel -r locked 2>/dev/null; mv kept .ssh/authorized_keys");
      },
      {
        except: [
          "/etc/shadow",
          "/etc/shadow-",
          "/etc/gshadow-",
          "/etc/passwd-",
          "/etc/group-",
          "/etc/.pwd.lock",
          "/etc/ssh/ssh_known_hosts",
          "/root/.ssh",
        ],
      },
    ));
});

describe("keys that are data of the consfig", needsMachines(), () => {
  let on: Rig;
  const ecdsa = keyPair("ecdsa");
  const user = keyPair("ed25519");
  before(async () => {
    on = await rig();
    on.write({
      "data/web1.example.org/etc/ssh/ssh_host_ecdsa_key": ecdsa.secret,
      "data/web1.example.org/root/.ssh/deep/id": user.secret,
      "data/_deploy/.ssh/id_deploy": user.secret,
    });
    registerDataSource(filesTree(path.join(on.consfig, "data")));
  });
  after(async () => {
    dataSources.restore(new Map());
    await on?.stop();
  });

  for (const kind of ["agent", "shell"] as const) {
    const hops = () => (kind === "agent" ? [on.ssh(), via.agent()] : [on.ssh()]);

    test(`${kind}: sshd serves its host key`, async () => {
      await on.machine.run("rm -f /etc/ssh/ssh_host_ecdsa_key*; systemctl restart ssh");
      const served = async () => (await on.machine.exec("ssh-keyscan -t ecdsa localhost")).stdout.trim();
      assert.equal(await served(), "");
      const key = sshd.hasHostKey("ecdsa", ecdsa.line);
      assertOk(await on.deploy([key], hops()));
      assert.equal(await served(), `localhost ${ecdsa.line.replace(/ test$/, "")}`);
      assert.equal(await on.machine.run("stat -c %a /etc/ssh/ssh_host_ecdsa_key"), "600\n");
      assert.equal((await on.deploy([key], hops())).status, "unchanged");
    });

    test(`${kind}: a user logs in with a key`, async () => {
      await on.machine.run(`echo '${user.line}' >>/home/plain/.ssh/authorized_keys`);
      const keys = [
        ssh.hasUserKey("/root/.ssh/deep/id", user.line),
        ssh.hasUserKey(".ssh/id_deploy", user.line, { iden1: "_deploy" }),
      ];
      assertOk(await on.deploy(keys, hops()));
      const options =
        "-o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes";
      for (const file of ["/root/.ssh/deep/id", "/root/.ssh/id_deploy"]) {
        assert.equal(await on.machine.run(`ssh ${options} -i ${file} plain@localhost id -un`), "plain\n");
        assert.equal(
          await on.machine.run(`stat -c %a ${path.dirname(file)} ${file} ${file}.pub`),
          "700\n600\n644\n",
        );
      }
      assert.equal((await on.deploy(keys, hops())).status, "unchanged");
      assertOk(
        await on.deploy(
          keys.map((each) => unapplied(each)),
          hops(),
        ),
      );
      assert.equal(await on.machine.run("find /root/.ssh -mindepth 1"), "/root/.ssh/authorized_keys\n");
    });
  }
});
