import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { bootMachines, type Machine, needsMachines } from "./machines";
import { changedPaths, differences, snapshot } from "./snapshot";

describe("a snapshot of a machine", needsMachines(), () => {
  let machine: Machine;
  let other: Machine;
  before(async () => {
    [machine, other] = (await bootMachines(2, { name: "twin" })) as [Machine, Machine];
  });
  after(() => Promise.all([machine?.stop(), other?.stop()]));

  /** The paths that `command` changes. */
  async function changedBy(command: string, options = {}): Promise<string[]> {
    const earlier = await snapshot(machine, options);
    await machine.run(command);
    return changedPaths(earlier, await snapshot(machine, options));
  }

  test("does not change by itself, by reading, or by logging in", async () => {
    const looking =
      "cat /etc/passwd; ls -lR /etc; dpkg -s systemd; apt-cache policy bash; systemctl status ssh; sudo -u admin sudo id";
    assert.deepEqual(await changedBy(`{ ${looking}; } >/dev/null; echo > /var/log/x; echo > /tmp/x`), []);
  });

  test("shows created, changed and removed files", async () => {
    assert.deepEqual(
      await changedBy("mkdir /srv/d; echo 1 > /srv/d/f; chmod 700 /opt; rm /etc/debian_version"),
      ["/etc", "/etc/debian_version", "/opt", "/srv", "/srv/d", "/srv/d/f"],
    );
    assert.deepEqual(await changedBy("rm -r /srv/d"), ["/srv", "/srv/d", "/srv/d/f"]);
  });

  test("shows files that were only touched", async () => {
    assert.deepEqual(await changedBy("cp -p /etc/passwd /etc/p; mv /etc/p /etc/passwd"), [
      "/etc",
      "/etc/passwd",
    ]);
    assert.deepEqual(await changedBy("chmod 644 /etc/passwd"), ["/etc/passwd"]);
    assert.deepEqual(await changedBy("chown root /etc/issue"), ["/etc/issue"]);
    assert.deepEqual(await changedBy("ln -s a /opt/l"), ["/opt", "/opt/l"]);
    assert.deepEqual(await changedBy("ln -sfn a /opt/l"), ["/opt", "/opt/l"]);
  });

  test("shows access control lists and extended attributes", async () => {
    assert.deepEqual(await changedBy("echo > '/opt/a b\\c'"), ["/opt", "/opt/a b\\c"]);
    const before = await snapshot(machine);
    await machine.run("setfacl -m u:admin:r '/opt/a b\\c'; setfattr -n user.x -v 1 /opt/a*");
    const attributes = (await snapshot(machine)).entries.get("/opt/a b\\c")?.attributes;
    assert.match(attributes ?? "", /^system\.posix_acl_access=0x.*\nuser\.x=0x31$/s);
    assert.deepEqual(changedPaths(before, await snapshot(machine)), ["/opt/a b\\c"]);
  });

  test("looks only at the given paths", async () => {
    const command = "mkdir -p /root/.cache/x; echo > /root/.cache/x/y; date +%N > /etc/seen";
    assert.deepEqual(await changedBy(command, { except: ["/root/.cache"] }), ["/etc", "/etc/seen"]);
    assert.deepEqual(await changedBy(command, { paths: ["/root"] }), ["/root/.cache/x/y"]);
  });

  test("compares the state of machines, not its history", async () => {
    const paths = ["/srv", "/usr/local"];
    const compare = async () =>
      differences(await snapshot(machine, { paths }), await snapshot(other, { paths }));
    await machine.run("echo same > /srv/x; rm -rf /usr/local/games");
    await other.run("echo other > /srv/y; echo same > /srv/y; mv /srv/y /srv/x; rm -rf /usr/local/games");
    assert.deepEqual(await compare(), []);
    await machine.run("chmod 600 /srv/x; mkdir /usr/local/games");
    assert.deepEqual(
      (await compare()).map((line) => line.replace(/[0-9a-f]{64}/g, "#")),
      ["/srv/x: file 0600 0:0 5 bytes #, file 0644 0:0 5 bytes #", "/usr/local/games: directory, absent"],
    );
  });
});
