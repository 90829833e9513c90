import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PropApp } from "../../lib/model/property";
import type { ContainerOptions } from "../../properties/_containerRun";
import * as docker from "../../properties/docker";
import { smallTree } from "../lib/connection/_tree";
import { containerNspawn, containerPackages, START_DAEMONS, stopDaemons } from "../support/containers";
import { limit } from "../support/load";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holds, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

test("what cannot be a container is refused", () => {
  assert.throws(() => docker.container("a b", { image: "x", ports: ["http"] }), {
    name: "InvalidArguments",
    message:
      'docker.container: args.name is "a b"; it must be the name of a container, such as "shop"; args.ports[0] is "http"; it must be a published port, such as "127.0.0.1:8080:80/tcp"',
  });
});

describe("docker on real hosts", { ...needsMachines(), timeout: limit(240) }, () => {
  let sides: Sides;
  before(async () => {
    const tree = await smallTree();
    sides = await bootSides({
      packages: [...containerPackages],
      nspawn: [...containerNspawn, `--bind-ro=${tree}:/srv/tree`],
    });
    for (const { machine } of sides.each)
      await machine.run(`${START_DAEMONS}\ntar -C /srv/tree/srv/inner -c . | docker import - busybox:1`, {
        timeout: limit(60),
      });
  }, untilBaseIsBuilt);
  after(async () => {
    for (const { machine } of sides?.each ?? [])
      await machine.exec(stopDaemons("docker rm -f $(docker ps -aq)"));
    await sides?.stop();
  });

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);

  /** Docker's own files, and those of systemd and the kernel, differ in their identifiers. */
  const except = [
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/log",
    "/etc/docker/key.json",
  ];
  const idOf = (side: Side, name: string) =>
    side.machine.run(`docker container inspect --format '{{.Id}}' ${name}`);
  const shop = ({ options = [], ...more }: Partial<ContainerOptions> = {}) =>
    docker.container("shop", {
      image: "busybox:1",
      network: "none",
      // Otherwise it takes ten seconds to stop sleep(1), which is process 1 there.
      options: ["--init", ...options],
      command: ["sleep", "1000000"],
      env: { GREETING: "it's $HOME %n" },
      ...more,
    });

  test("a container runs, is replaced when it is to be another one, and is started when it was stopped", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await holdsAfterwards(side, shop(), { except });
        assert.equal(await machine.run("docker exec shop sh -c 'echo $GREETING'"), "it's $HOME %n\n");
        const first = await idOf(side, "shop");
        await machine.run("docker stop --time=0 shop");
        await holdsAfterwards(side, shop(), { except });
        assert.equal(await idOf(side, "shop"), first);
        await holdsAfterwards(side, shop({ env: { GREETING: "changed" } }), { except });
        assert.notEqual(await idOf(side, "shop"), first);
        assert.equal(await machine.run("docker exec shop sh -c 'echo $GREETING'"), "changed\n");
        const second = await idOf(side, "shop");
        await machine.run("docker commit --change='ENV MORE=1' shop busybox:1");
        await holdsAfterwards(side, shop({ env: { GREETING: "changed" } }), { except });
        assert.notEqual(await idOf(side, "shop"), second);
        assert.equal(await machine.run("docker ps -a --format '{{.Names}}'"), "shop\n");
        await isUndone(side, shop());
        assert.equal(await machine.run("docker ps -aq"), "");
      },
      { except },
    ));

  test("one that does not run gives way to the one that was there", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await holdsAfterwards(side, shop(), { except });
        const first = await idOf(side, "shop");
        const [ended = ""] = await messages(
          side,
          shop({ command: ["sh", "-c", "echo no data; exit 3"], restart: "no" }),
        );
        assert.equal(
          ended,
          "FailedChange: the container shop does not run: it ended with exit code 3\nno data\nthe container that was there before runs again",
        );
        const [loop = ""] = await messages(side, shop({ command: ["sh", "-c", "sleep 0.1; exit 4"] }));
        assert.match(
          loop,
          /^FailedChange: the container shop does not run: it ends soon after its start, and is started again and again\n/,
        );
        const [refused = ""] = await messages(side, shop({ options: ["--no-such-option"] }));
        assert.match(refused, /^FailedChange: docker run: unknown flag: --no-such-option\n/);
        const [sick = ""] = await messages(
          side,
          shop({ options: ["--health-cmd=echo sick; exit 1", "--health-interval=1s", "--health-retries=1"] }),
        );
        assert.match(
          sick,
          /^FailedChange: the container shop does not run: its health check does not pass \(sick\)\n/,
        );
        assert.equal(await idOf(side, "shop"), first);
        await holds(side, shop(), { except });
        // As a replacement that was killed leaves them.
        await machine.run("docker rename shop shop.replaced && docker stop --time=0 shop.replaced");
        await holdsAfterwards(side, shop({ user: "1234:1234" }), { except });
        assert.equal(await machine.run("docker exec shop id -u"), "1234\n");
        assert.equal(await machine.run("docker ps -a --format '{{.Names}}'"), "shop\n");
        const job = docker.container("job", {
          image: "busybox:1",
          command: ["true"],
          restart: "no",
          network: "none",
        });
        await holdsAfterwards(side, job, { except });
        await machine.run("docker rm -f shop job");
      },
      { except },
    ));

  test("networks", () =>
    sides.both(
      async (side) => {
        const network = docker.network("shop", { subnet: "10.99.0.0/24", internal: true });
        await holdsAfterwards(side, network, { except });
        assert.deepEqual(await messages(side, docker.network("shop", { subnet: "10.98.0.0/24" })), [
          "AbortedChange: the network shop exists, but internal is true, not false, subnet is 10.99.0.0/24, not 10.98.0.0/24, and Docker cannot change that; run `docker network rm shop` when no container uses it, and deploy again",
        ]);
        await isUndone(side, network);
      },
      { except },
    ));

  test("images are pulled from a registry, and the daemon has its settings", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await holds(side, docker.imagePulled("busybox:1"), { except });
        await machine.run(
          "apt-get update -q && apt-get install -qy --no-install-recommends docker-registry && sed -i /^auth:/,+3d /etc/docker/registry/config.yml && systemctl restart docker-registry",
          {
            timeout: limit(60),
          },
        );
        await machine.run(
          "for i in $(seq 100); do docker tag busybox:1 127.0.0.1:5000/box:1; docker push -q 127.0.0.1:5000/box:1 && break; sleep 0.1; done; docker rmi 127.0.0.1:5000/box:1",
        );
        const image = "127.0.0.1:5000/box:1";
        await holdsAfterwards(side, docker.imagePulled(image), { except });
        const newest = docker.imagePulled(image, { newest: true });
        assert.equal((await side.apply(newest)).change, "unchanged");
        await machine.run(
          "docker run --name new --network=none busybox:1 true; docker commit new 127.0.0.1:5000/box:1; docker push -q 127.0.0.1:5000/box:1; docker rm new; docker tag busybox:1 127.0.0.1:5000/box:1",
        );
        assert.equal((await side.apply(newest)).change, "changed");
        const [missing = ""] = await messages(side, docker.imagePulled("127.0.0.1:5000/no:1"));
        assert.match(missing, /^RunFailed: `docker image pull --quiet 127\.0\.0\.1:5000\/no:1` .*not found/s);

        const settings = docker.configured({ "log-driver": "json-file", "log-opts": { "max-size": "5m" } });
        await holdsAfterwards(side, settings, { except });
        assert.equal(await machine.run("docker info --format '{{.LoggingDriver}}'"), "json-file\n");
        await isUndone(side, settings);
        await machine.run("apt-get purge -qy docker-registry; docker rmi -f $(docker images -q)");
      },
      { except: [...except, "/var/lib", "/var/cache", "/etc/passwd-", "/etc/group-"] },
    ));
});
