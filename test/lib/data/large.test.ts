/** Data of any size: it travels in pieces, in little memory, and only when the host does not have it. */

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { plan } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { dataSources } from "../../../lib/model/data-source";
import type { Hop } from "../../../lib/model/hop";
import { defhost, hosts } from "../../../lib/model/host";
import { as } from "../../../lib/nested/deploys";
import * as via from "../../../lib/via";
import * as file from "../../../properties/file";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { until } from "../../support/until";
import { assertOk, prop, type Rig, rig } from "../agent/_rig";

const MIB = 1024 * 1024;
/** Megabytes of the large datum; `LARGE_DATA=2048` by hand, for all tests. */
const SIZE = Number(process.env["LARGE_DATA"] ?? 200);
/** Megabytes of a datum that is too large to be had in memory, where how much memory it costs is not measured. */
const MEDIUM = Number(process.env["LARGE_DATA"] ?? 70);
/** What the large datum may cost any process more than a small one does, in megabytes. */
const MOST = 64;

const PROBE = `import { as, defprop, defproplist, schema } from "consfigurator";
import { file } from "consfigurator/properties";

/** As a user who has a directory of that name. */
export const uploadedAsUser = defproplist({
  name: "large.uploadedAsUser",
  args: schema.object({ iden1: schema.string(), iden2: schema.string(), path: schema.string() }),
  call: (iden1: string, iden2: string, path: string) => ({ iden1, iden2, path }),
  parts: ({ iden1, iden2, path }) => [as("plain", file.secretUploaded(iden1, iden2, path))],
});

/** Gives the datum to a command. */
export const piped = defprop({
  name: "large.piped",
  kind: "posix",
  args: schema.object({ iden2: schema.string() }),
  call: (iden2: string) => ({ iden2 }),
  hostattrs: ({ iden2 }, host) => host.requireData("_large", iden2),
  apply: async ({ iden2 }, target) => {
    const { stdout } = await target.run(["sha256sum"], { input: await target.dataStream("_large", iden2) });
    target.inform(stdout);
    return "changed";
  },
});

/** Wants all of the datum at once. */
export const whole = defprop({
  name: "large.whole",
  kind: "posix",
  args: schema.object({ iden2: schema.string() }),
  call: (iden2: string) => ({ iden2 }),
  hostattrs: ({ iden2 }, host) => host.requireData("_large", iden2),
  apply: async ({ iden2 }, target) => {
    await target.data("_large", iden2);
    return "changed";
  },
});
`;

describe("large data", { ...needsMachines(), timeout: limit(600) }, () => {
  let on: Rig;
  let digest: string;
  let mediumDigest: string;
  const at = (name: string) => path.join(on.consfig, "data/_large", name);
  before(async () => {
    on = await rig();
    mkdirSync(path.dirname(at("x")), { recursive: true });
    digest = makeFile(at("image"), SIZE);
    mediumDigest = makeFile(at("medium"), MEDIUM);
    makeFile(at("small"), 1);
    makeFile(at("changing"), 40);
    on.write({
      "properties/large.ts": PROBE,
      "hosts/data.ts": `import { registerDataSource, source } from "consfigurator";\nregisterDataSource(source.filesTree("data"));\n`,
    });
    const { error } = session.consfig?.refresh() ?? {};
    assert.equal(error, undefined);
  });
  after(async () => {
    hosts.restore(new Map());
    dataSources.restore(new Map());
    await on?.stop();
  });

  const hopsTo = { shell: () => [on.ssh()], agent: () => [on.ssh(), via.agent()] };
  const uploaded = (name: string): [string, ...unknown[]] => [
    "file.secretUploaded",
    "_large",
    name,
    `/srv/${name}`,
  ];

  const ways = {
    shell: { roles: ["controller"], property: "file.secretUploaded", directory: "/srv" },
    agent: { roles: ["controller", "relay", "worker"], property: "file.secretUploaded", directory: "/srv" },
    "agent, then another user": {
      roles: ["child-worker", "controller", "relay", "worker"],
      property: "large.uploadedAsUser",
      directory: "/srv/plain",
    },
  } as const;
  for (const [way, { roles, property, directory }] of Object.entries(ways))
    test(`${way}: arrives whole, and costs no process much memory`, { timeout: limit(600) }, async (t) => {
      await on.machine.run("install -d -o plain /srv/plain");
      if (way !== "shell") {
        assertOk(await on.deploy([prop("cmd.single", "true")]));
        await on.arrived();
        await session.connections.close();
      }
      const peaks: Record<string, Record<string, number>> = {};
      let sent: number[] = [];
      for (const name of ["small", "image"]) {
        await on.machine.run(`rm -f ${directory}/${name}`);
        const upload = [property, "_large", name, `${directory}/${name}`] as const;
        const { process, report, events } = (way === "shell" ? on.bareController : on.controller)(upload);
        const watching = watchMemory(on, process.pid ?? 0);
        assertOk(await report);
        peaks[name] = watching.stop();
        const what = `the data (_large, ${name})`;
        sent = events.flatMap((event) => (event.kind === "upload" && event.what === what ? event.sent : []));
      }
      assert.ok(
        sent.length > 2 && sent.every((each, at) => at === 0 || each > (sent[at - 1] ?? 0)),
        `${sent}`,
      );
      assert.equal(sent.at(-1), SIZE * MIB);
      assert.equal(
        await on.machine.run(`cd ${directory}; stat -c '%a %s' image; sha256sum <image; rm image`),
        `600 ${SIZE * MIB}\n${digest}  -\n`,
      );
      t.diagnostic(JSON.stringify(peaks));
      const { image = {}, small = {} } = peaks;
      assert.deepEqual(
        roles.filter((role) => image[role] === undefined || small[role] === undefined),
        [],
      );
      for (const [role, peak] of Object.entries(image)) {
        const more = peak - (small[role] ?? 0);
        assert.ok(more < MOST, `${role}: ${Math.round(more)} MiB more for ${SIZE} MiB`);
      }
    });

  for (const kind of ["shell", "agent"] as const) {
    test(`${kind}: is not sent again while the host has it, and is planned without being sent`, async () => {
      const proxy = await on.proxy();
      const hops = [on.ssh("root", proxy), ...hopsTo[kind]().slice(1)];
      await on.machine.run("rm -f /srv/medium");
      assert.equal((await on.deploy([prop(...uploaded("medium"))], hops)).status, "changed");
      proxy.reset();
      assert.equal((await on.deploy([prop(...uploaded("medium"))], hops)).status, "unchanged");
      await on.machine.run("echo >>/srv/medium");
      const planned = await plan(
        defhost("web1.example.org", {}, prop(...uploaded("medium"))),
        hops as unknown as Hop,
      );
      assert.equal(planned.steps[0]?.plan?.answer, "would change");
      const [change] = planned.steps[0]?.changes ?? [];
      assert.ok(change?.kind === "file" && change.digest !== undefined);
      const content = { form: "secret", size: { from: MEDIUM * MIB + 1, to: MEDIUM * MIB } };
      const { digest: keyed, ...rest } = change;
      assert.match(keyed, /^[0-9a-f]{32}$/);
      assert.deepEqual(rest, {
        kind: "file",
        change: "modified",
        path: "/srv/medium",
        type: "file",
        content,
      });
      // The sources and perhaps the runtime travel, the datum does not.
      const sent = proxy.bytes.up;
      assert.equal((await on.deploy([prop(...uploaded("medium"))], hops)).status, "changed");
      assert.ok(
        sent < 0.9 * MEDIUM * MIB && proxy.bytes.up - sent > 0.9 * MEDIUM * MIB,
        `${sent} and ${proxy.bytes.up} bytes`,
      );
      assert.equal(await on.machine.run("sha256sum </srv/medium"), `${mediumDigest}  -\n`);
    });

    test(`${kind}: is the input of a command`, async () => {
      const report = await on.deploy([prop("large.piped", "medium")], hopsTo[kind]());
      assertOk(report);
      assert.equal(report.steps[0]?.output, `${mediumDigest}  -\n`);
    });

    test(`${kind}: more than 64 MiB are not had in memory`, async () => {
      const report = await on.deploy([prop("large.whole", "medium")], hopsTo[kind]());
      assert.equal(
        report.failed[0]?.failure?.message,
        `the data (_large, medium) has ${MEDIUM * MIB} bytes, more than the ${64 * MIB} that target.data has in memory; get it with target.dataStream`,
      );
    });

    test(`${kind}: replaced while it is sent, it is refused, and the file stays`, async () => {
      await on.machine.run("echo old >/srv/changing");
      const proxy = await on.proxy(20);
      const hops = [on.ssh("root", proxy), ...hopsTo[kind]().slice(1)];
      assertOk(await on.deploy([prop("cmd.single", "true")], hops));
      proxy.reset();
      const deployment = on.deploy([prop(...uploaded("changing"))], hops);
      await until("it is on the way", () => proxy.bytes.up > 3 * MIB);
      appendFileSync(at("changing"), "more");
      const report = await deployment;
      assert.match(
        report.failed[0]?.failure?.message ?? "",
        /^(cannot write \/srv\/changing: )?the data \(_large, changing\) was replaced while it was fetched: .*\/changing; deploy again$/,
      );
      assert.equal(
        await on.machine.run("cat /srv/changing; ls -A /srv | grep -c '^[.]changing' || true"),
        "old\n0\n",
      );
    });
  }

  test("goes on after the link was lost", async () => {
    await on.machine.run("rm -f /srv/medium");
    const proxy = await on.proxy(10);
    const hops = [on.ssh("root", proxy), via.agent()];
    assertOk(await on.deploy([prop("cmd.single", "true")], hops));
    proxy.reset();
    const deployment = on.deploy([prop(...uploaded("medium"))], hops);
    await until("half of it is on the way", () => proxy.bytes.up > (MEDIUM / 2) * MIB);
    proxy.cut();
    assertOk(await deployment);
    assert.equal(await on.machine.run("sha256sum </srv/medium"), `${mediumDigest}  -\n`);
    assert.ok(proxy.bytes.up < 1.2 * MEDIUM * MIB, `${proxy.bytes.up} bytes`);
  });

  test("goes through a further agent and another user", async () => {
    await on.machine.run("install -d -o plain /srv/plain");
    const upload = file.secretUploaded("_large", "medium", "/srv/plain/medium");
    assertOk(await on.deploy([as("plain", upload)], [on.ssh(), via.agent()]));
    assert.equal(
      await on.machine.run("stat -c %U /srv/plain/medium; sha256sum </srv/plain/medium"),
      `plain\n${mediumDigest}  -\n`,
    );
  });
});

/** Writes `size` megabytes that do not compress; returns their SHA-256. */
function makeFile(name: string, size: number): string {
  const hash = createHash("sha256");
  const descriptor = openSync(name, "w");
  for (let written = 0; written < size; written++) {
    const bytes = randomBytes(MIB);
    hash.update(bytes);
    writeSync(descriptor, bytes);
  }
  closeSync(descriptor);
  return hash.digest("hex");
}

/** The most memory, in megabytes, of the controller and of each role of the agent on the machine, until it is stopped. */
function watchMemory(on: Rig, controller: number): { stop(): Record<string, number> } {
  const peaks: Record<string, number> = {};
  const inside = readlinkSync(`/proc/${on.machine.leader}/ns/pid`);
  const look = () => {
    note("controller", controller);
    for (const pid of readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)) {
      const role = roleOf(pid, inside);
      if (role !== undefined) note(role, pid);
    }
  };
  const note = (role: string, pid: number) => {
    const [, most = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(contentOf(`/proc/${pid}/status`)) ?? [];
    peaks[role] = Math.max(peaks[role] ?? 0, Number(most) / 1024);
  };
  // The most that a process has had is kept for it: no short peak is missed.
  const timer = setInterval(look, 150);
  return {
    stop: () => {
      clearInterval(timer);
      return peaks;
    },
  };
}

function roleOf(pid: number, inside: string): string | undefined {
  const command = contentOf(`/proc/${pid}/cmdline`);
  const role =
    /\.js\0(relay|supervisor)/.exec(command)?.[1] ?? /lib\/worker\/(\S*worker)\.js/.exec(command)?.[1];
  if (role === undefined) return undefined;
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) === inside ? role : undefined;
  } catch {
    return undefined;
  }
}

function contentOf(name: string): string {
  try {
    return readFileSync(name, "latin1");
  } catch {
    return "";
  }
}
