import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { PropApp } from "../../lib/model/property";
import type { ContainerOptions } from "../../properties/_containerRun";
import { quadletText } from "../../properties/_podmanUnits";
import * as podman from "../../properties/podman";
import { smallTree } from "../lib/connection/_tree";
import { containerNspawn, containerPackages, START_DAEMONS, stopDaemons } from "../support/containers";
import { limit } from "../support/load";
import { needsMachines, untilBaseIsBuilt } from "../support/machines";
import { bootSides, holdsAfterwards, isUndone, type Side, type Sides } from "../support/sides";

const everything = {
  name: "shop",
  image: "docker.io/library/shop:1",
  command: ["serve", "--at", "$HOME 100%"],
  env: { A: 'it\'s "x" $y %z', B: "2" },
  envFiles: ["/etc/shop.env"],
  ports: ["127.0.0.1:8080:80/tcp"],
  volumes: ["/srv/shop:/data:ro,Z"],
  network: "host",
  user: "1000:1000",
  labels: { team: "web" },
  options: ["--memory=512m"],
};

test("an image without its registry is refused", () => {
  assert.throws(() => podman.container("shop", { image: "nginx" }), {
    name: "InvalidArguments",
    message:
      'podman.container: args.image is "nginx"; it must be an image with its registry, such as "docker.io/library/nginx:1.27"',
  });
});

test("as a quadlet", () => {
  assert.equal(
    quadletText(everything),
    `[Unit]
Description=Container shop
Wants=network-online.target
After=network-online.target

[Container]
ContainerName=shop
Image=docker.io/library/shop:1
Exec=serve --at "$$HOME 100%%"
Environment="A=it's \\"x\\" $$y %%z"
Environment=B=2
EnvironmentFile=/etc/shop.env
PublishPort=127.0.0.1:8080:80/tcp
Volume=/srv/shop:/data:ro,Z
Network=host
User=1000:1000
Label=team=web
PodmanArgs=--memory=512m

[Service]
Restart=always
TimeoutStartSec=900

[Install]
WantedBy=multi-user.target
`,
  );
});

describe("podman on real hosts", { ...needsMachines(), timeout: limit(240) }, () => {
  let sides: Sides;
  before(async () => {
    const tree = await smallTree();
    sides = await bootSides({
      packages: [...containerPackages],
      nspawn: [...containerNspawn, `--bind-ro=${tree}:/srv/tree`],
    });
    for (const { machine } of sides.each)
      await machine.run(
        `${START_DAEMONS}
printf '[storage]\\ndriver = "vfs"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers/storage"\\n' >/etc/containers/storage.conf
printf '[engine]\\ncgroup_manager = "cgroupfs"\\n' >/etc/containers/containers.conf
tar -C /srv/tree/srv/inner -c . | podman import - localhost/busybox:1`,
        { timeout: limit(60) },
      );
  }, untilBaseIsBuilt);
  after(async () => {
    for (const { machine } of sides?.each ?? []) await machine.exec(stopDaemons("podman rm -af"));
    await sides?.stop();
  });

  const messages = async (side: Side, application: PropApp) =>
    (await side.apply(application)).failures.map(({ name, message }) => `${name}: ${message}`);
  const except = ["/var/lib/containers", "/var/log", "/var/lib/docker", "/var/lib/containerd", "/etc/docker"];
  const shop = ({ options = [], ...more }: Partial<ContainerOptions> = {}) =>
    podman.container("shop", {
      image: "localhost/busybox:1",
      network: "host",
      options: ["--cgroups=disabled", ...options],
      command: ["sh", "-c", "trap exit TERM; sleep 1000000 & wait"],
      env: { GREETING: "it's $HOME %n" },
      ...more,
    });

  test("a container is a unit that runs, is restarted when it is to be another one, and is removed", () =>
    sides.both(
      async (side) => {
        const { machine } = side;
        await holdsAfterwards(side, shop(), { except });
        assert.equal(await machine.run("podman exec shop sh -c 'echo $GREETING'"), "it's $HOME %n\n");
        assert.equal(await machine.run("systemctl is-enabled shop.service"), "enabled\n");
        await machine.run("podman stop --time=0 shop; systemctl stop shop");
        await holdsAfterwards(side, shop(), { except });
        await holdsAfterwards(side, shop({ env: { GREETING: "changed" } }), { except });
        assert.equal(await machine.run("podman exec shop sh -c 'echo $GREETING'"), "changed\n");
        const [failed = ""] = await messages(side, shop({ command: ["sh", "-c", "echo no data; exit 3"] }));
        assert.match(failed, /^FailedChange: .*shop\.service does not (run|keep running): /);
        await holdsAfterwards(side, shop(), { except });
        await isUndone(side, shop());
        assert.equal(await machine.run("podman ps -aq; ls /etc/systemd/system | grep shop || true"), "");
      },
      { except },
    ));
});
