import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { on } from "../../../lib/explore/on";
import * as via from "../../../lib/via";
import { containerNspawn, containerPackages, START_DAEMONS, stopDaemons } from "../../support/containers";
import { needsMachines } from "../../support/machines";
import { changedPaths, ownCaches, snapshot } from "../../support/snapshot";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const name = "web1.example.org";

const START = `${START_DAEMONS}
mkdir -p /srv/tree /srv/pod /var/lib/machines/nested
for f in /usr/bin/dash /usr/bin/sleep $(ldd /usr/bin/dash /usr/bin/sleep | grep -o '/[^ ]*[^: ]'); do
  install -D $f /srv/tree$f
done
mkdir -p /srv/tree/bin /srv/tree/etc
cp /usr/bin/dash /srv/tree/bin/sh; cp /usr/bin/sleep /srv/tree/bin/sleep; touch /srv/tree/etc/os-release
cp -a /srv/tree/. /srv/pod; cp -a /srv/tree/. /var/lib/machines/nested; mkdir /var/lib/machines/spare
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' >/etc/containers/storage.conf
tar -C /srv/tree -c . | docker import - tiny:1
docker run -d --network=none --name box tiny:1 sleep 1000000
docker run --network=none -p 192.0.2.1:8080:80 --name ended tiny:1 sh -c 'exit 3' || true
podman --log-level=error --cgroup-manager=cgroupfs run -d --cgroups=disabled --network=host --name pod --rootfs /srv/pod sleep infinity
systemd-run -q --unit=nested --collect systemd-nspawn --quiet --keep-unit --machine=nested --directory=/var/lib/machines/nested \\
  --private-users=no --link-journal=no --resolv-conf=off --timezone=off /bin/sleep 10000
for i in $(seq 200); do machinectl show nested >/dev/null 2>&1 && exit 0; sleep 0.1; done
echo "the nested machine did not start"; exit 1`;

const UNDO = stopDaemons(`kill -CONT $(pidof dockerd); systemctl start containerd docker
docker rm -f box ended; podman rm -f -t 0 pod; machinectl terminate nested`);

/** What Podman writes to whenever it is asked. */
const podmanLocks = ["storage.lock", "vfs-layers/layers.lock", "vfs-containers/containers.lock"].map(
  (file) => `/var/lib/containers/storage/${file}`,
);

describe("containers", { ...needsMachines(), concurrency: false }, () => {
  let rigged: Rig;
  before(async () => {
    rigged = await rig({
      packages: containerPackages,
      nspawn: containerNspawn,
    });
    await rigged.machine.run(START, { timeout: 60_000 });
  });
  after(async () => {
    await rigged?.machine.exec(UNDO);
    await rigged?.stop();
  });

  const ways = {
    "over the shell": () => [rigged.ssh()],
    "through the agent": () => [rigged.ssh(), via.agent()],
  };

  for (const [way, hops] of Object.entries(ways))
    test(`are told by each engine, ${way}, and nothing is touched`, async () => {
      if (way === "through the agent") {
        assertOk(await rigged.deploy([prop("cmd.single", "true")]));
        await rigged.arrived();
      }
      const asking = on(name, hops());
      await asking.facts();
      const except = [...ownCaches, ...podmanLocks];
      const before = await snapshot(rigged.machine, { except });
      const rows = await asking.containers();
      assert.deepEqual(changedPaths(before, await snapshot(rigged.machine, { except })), []);
      assert.deepEqual(rows.errors, []);
      assert.deepEqual(
        [...rows].map((row) => [row.engine, row.name, row.image, row.state, row.ports, row.problem]).sort(),
        [
          ["docker", "box", "tiny:1", "running", [], null],
          ["docker", "ended", "tiny:1", "exited", ["192.0.2.1:8080->80/tcp"], null],
          ["podman", "pod", null, "running", [], null],
          ["systemd-nspawn", "nested", "/var/lib/machines/nested", "running", [], null],
          ["systemd-nspawn", "spare", "/var/lib/machines/spare", "stopped", [], null],
        ],
      );
      for (const { since, state } of rows)
        assert.equal(
          since !== null && Math.abs(Date.now() - Date.parse(since)) < 300_000,
          state !== "stopped",
        );
    });

  test("an engine that does not answer says so, and the others answer", async () => {
    const { machine } = rigged;
    await machine.run("kill -STOP $(pidof dockerd)");
    const asked = async () => {
      const rows = await on(name, rigged.ssh()).containers();
      assert.ok(rows.some(({ engine }) => engine === "podman"));
      return [...rows].filter(({ engine }) => engine === "docker").map((row) => [row.name, row.problem]);
    };
    assert.deepEqual(await asked(), [[null, "no answer in 10 s"]]);
    await machine.run("kill -CONT $(pidof dockerd)");
    await machine.run("systemctl stop docker; systemctl start docker.socket");
    assert.deepEqual(await asked(), [[null, "docker.service does not run"]]);
    assert.equal((await machine.exec("systemctl is-active -q docker")).exit, 3);
    await machine.run("rm -f /run/libpod/alive; systemctl stop docker.socket");
    const rows = await on(name, rigged.ssh()).containers();
    assert.deepEqual(
      [...rows].filter(({ problem }) => problem !== null).map(({ engine, problem }) => [engine, problem]),
      [
        [
          "docker",
          "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        ],
        ["podman", "podman was not used since the boot"],
      ],
    );
  });
});
