/** A test rig for agents on real machines: a consfig, a machine, and the hops to it. */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { isAgentConnection } from "../../../lib/agent/client/connection";
import { deployThese } from "../../../lib/controller/deploy";
import type { Deployment } from "../../../lib/controller/deployment";
import { lease } from "../../../lib/controller/leases";
import { session } from "../../../lib/controller/session";
import type { DeployEvent } from "../../../lib/model/events";
import type { Hop } from "../../../lib/model/hop";
import { HostModel } from "../../../lib/model/host-facts";
import { type PropApp, properties } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { openConsfig } from "../../../lib/source/consfig";
import { cacheHome, root } from "../../../lib/util/package";
import * as via from "../../../lib/via";
import { bootMachine, type Machine, type MachineOptions, writeKnownHosts } from "../../support/machines";
import { type DelayProxy, delayProxy } from "../../support/proxy";
import { until } from "../../support/until";

/** `properties/probe.ts` of the consfig: properties for tests. */
export const probe = `import { AbortedChange, defprop, FailedChange, schema } from "consfigurator";

let seen = 0;

/** Reports on the process that applies it, and how often that process has applied it. */
export const process_ = defprop({
  name: "probe.process_",
  kind: "agent",
  args: schema.object({}),
  call: () => ({}),
  apply: async (_args, target) => {
    seen += 1;
    await target.run(["echo", JSON.stringify({ pid: process.pid, uid: process.getuid?.(), seen, umask: process.umask(), cwd: process.cwd(), env: process.env })], { inform: true });
    return "changed";
  },
});

/** Runs a shell command and shows its output. */
export const runs = defprop({
  name: "probe.runs",
  kind: "posix",
  args: schema.object({ script: schema.string() }),
  call: (script: string) => ({ script }),
  desc: ({ script }) => script,
  apply: async ({ script }, target) => {
    await target.run(script, { inform: true });
    return "changed";
  },
});

/** Fails. */
export const fails = defprop({
  name: "probe.fails",
  kind: "posix",
  args: schema.object({}),
  call: () => ({}),
  apply: async () => {
    throw new FailedChange("on purpose");
  },
});
`;

export interface Rig {
  readonly machine: Machine;
  /** The directory of the consfig. */
  readonly consfig: string;
  /** The directory of root's agent, as a path on this machine. */
  readonly agent: string;
  /** `via.ssh` to the machine, directly or through a proxy. */
  ssh(user?: string, proxy?: DelayProxy): Hop;
  /** A proxy to the machine that can delay and cut connections. */
  proxy(roundTripMs?: number): Promise<DelayProxy>;
  write(files: Readonly<Record<string, string>>): void;
  /** Deploys to the machine as root, through an agent, unless other hops are given. */
  deploy(applications: readonly PropApp[], hops?: readonly Hop[], name?: string): Deployment<Report>;
  /** Resolves when root's agent is on the machine, and has entered the first deployment, which does not wait for it. */
  arrived(hops?: readonly Hop[]): Promise<void>;
  /** Starts another controller, with its own home directory, that deploys `properties` to the machine as root. */
  controller(...properties: readonly (readonly [string, ...unknown[]])[]): Controller;
  /** The same over a shell, without an agent. */
  bareController(...properties: readonly (readonly [string, ...unknown[]])[]): Controller;
  /** Removes the agent from the machine and closes all connections. */
  bare(): Promise<void>;
  /** Process ids, on the machine, of the agent's processes with this role. */
  pids(role: "supervisor" | "worker" | "relay"): Promise<number[]>;
  stop(): Promise<void>;
}

/** Runs `script`, which works once the processes of closed connections are gone from the host, as umount(8) does. */
export async function afterClosing(machine: Machine, script: string): Promise<void> {
  let said = "";
  const worked = async () => {
    const { exit, stderr } = await machine.exec(script);
    said = stderr;
    return exit === 0;
  };
  await until(`on ${machine.name}: ${script}`, worked, { saw: () => said });
}

/** A controller in its own process. */
export interface Controller {
  readonly process: ChildProcess;
  readonly events: DeployEvent[];
  readonly report: Promise<Report>;
}

/** Directories of the cache that hold what takes long to make, and is the same for all: code, and the compressed runtime. */
export const SHARED_CACHES = ["compiled", "bytecode", "bundles", "boot", "runtime"] as const;

export async function rig(options: MachineOptions = {}): Promise<Rig> {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), "agent-test-")));
  process.env["XDG_STATE_HOME"] = path.join(directory, "state");
  const consfig = path.join(directory, "consfig");
  const write = (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(consfig, name)), { recursive: true });
      writeFileSync(path.join(consfig, name), text);
    }
  };
  write({ "properties/probe.ts": probe });
  session.consfig = openConsfig(consfig);
  const { error } = session.consfig.refresh();
  if (error) throw error;
  const machine = await bootMachine({ name: "web1", ...options });
  const config = path.join(directory, "ssh_config");
  const knownHosts = path.join(directory, "known_hosts");
  const proxies: DelayProxy[] = [];
  const trust = () =>
    writeKnownHosts(knownHosts, machine, [
      machine.address,
      ...proxies.map(({ port }) => `[127.0.0.1]:${port}`),
    ]);
  trust();
  writeFileSync(config, `Host *\n  UserKnownHostsFile ${knownHosts}\n  GlobalKnownHostsFile none\n`);
  const agent = path.join(machine.root, "root/.cache/consfigurator/agent");
  const ssh: Rig["ssh"] = (user = "root", proxy) =>
    via.ssh({
      user,
      hop: proxy ? proxy.host : machine.address,
      ...(proxy && { port: proxy.port }),
      identity: machine.identity,
      config,
    });
  const pids: Rig["pids"] = async (role) => {
    const sought = role === "worker" ? /lib\/worker\/worker\.js/ : new RegExp(`/boot/[0-9a-f]*\\.js ${role}`);
    const { stdout } = await machine.exec("ps -ww -eo pid=,ppid=,args=");
    const found = stdout
      .split("\n")
      .map((line) => /^ *(\d+) +(\d+) (.*)/.exec(line))
      .filter((line) => line !== null)
      .map(([, pid, ppid, args]) => ({ pid: Number(pid), ppid: Number(ppid), args: args ?? "" }))
      .filter(({ args }) => sought.test(args));
    // Between fork and exec, a child shows the arguments of its parent.
    return found.filter(({ ppid }) => !found.some(({ pid }) => pid === ppid)).map(({ pid }) => pid);
  };
  const controller = (bare: boolean, properties: readonly (readonly [string, ...unknown[]])[]) => {
    const home = mkdtempSync(path.join(directory, "home-"));
    mkdirSync(path.join(home, ".cache/consfigurator"), { recursive: true });
    // The controllers share the caches of what was compiled and compressed, nothing else.
    for (const name of SHARED_CACHES)
      symlinkSync(path.join(cacheHome, name), path.join(home, ".cache/consfigurator", name));
    return startController(home, { consfig, ssh: ssh().args, bare, properties });
  };
  return {
    machine,
    consfig,
    agent,
    ssh,
    write,
    pids,
    proxy: async (roundTripMs = 0) => {
      const proxy = await delayProxy({ to: { host: machine.address, port: 22 }, roundTripMs });
      proxies.push(proxy);
      trust();
      return proxy;
    },
    deploy: (applications, hops = [ssh(), via.agent()], name = "web1.example.org") =>
      deployThese(name, hops as unknown as Hop, ...applications),
    arrived: async (hops = [ssh(), via.agent()]) => {
      const { connection, release } = await lease(HostModel.named("web1.example.org"), hops);
      release();
      if (isAgentConnection(connection)) await connection.arrived();
      const journal = "cat /root/.cache/consfigurator/agent/journal/*";
      await until("its journal", async () => (await machine.exec(journal)).stdout.includes('"outcome"'));
    },
    controller: (...properties) => controller(false, properties),
    bareController: (...properties) => controller(true, properties),
    bare: async () => {
      await session.connections.close();
      await machine.exec("pkill -9 -f '[l]ib/worker/worker[.]js|/boot/[0-9a-f]*[.]js (relay|supervisor)'");
      await afterClosing(machine, "rm -rf /root/.cache/consfigurator /home/*/.cache/consfigurator");
    },
    stop: async () => {
      await session.close();
      for (const proxy of proxies) await proxy.close();
      await machine.stop();
      session.consfig?.close();
      session.consfig = undefined;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function startController(home: string, options: unknown): Controller {
  const script = [
    "--require",
    path.join(root, "lib/source/register.js"),
    path.join(__dirname, "_controller.ts"),
  ];
  const env = { PATH: process.env["PATH"], HOME: home, USER: "ana", LOGNAME: "ana" };
  const child = spawn(process.execPath, [...script, JSON.stringify(options)], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events: DeployEvent[] = [];
  const report = new Promise<Report>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      const message = JSON.parse(line) as DeployEvent | { report: Report };
      if ("report" in message) resolve(message.report);
      else events.push(message);
    });
    lines.on("close", () => reject(new Error("the other controller exited without a report")));
  });
  report.catch(() => {});
  return { process: child, events, report };
}

/** An application of the property `name`, as in a consfig. */
export function prop(name: string, ...args: readonly unknown[]): PropApp {
  const property = properties.get(name);
  if (!property) throw new Error(`no property ${name}`);
  return (property as unknown as (...args: readonly unknown[]) => PropApp)(...args);
}

/** The live list of a deployment's events. */
export function eventsOf(deployment: Deployment<Report>): DeployEvent[] {
  const events: DeployEvent[] = [];
  deployment.subscribe((event) => events.push(event));
  return events;
}

/** Asserts that the deployment succeeded, and shows the failures otherwise. */
export function assertOk(report: Report): void {
  assert.ok(report.ok, JSON.stringify({ failure: report.failure, failed: report.failed }, null, 2));
}

/** The output of `probe.process_`. */
export interface Self {
  readonly pid: number;
  readonly uid: number;
  readonly seen: number;
  readonly umask: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export function selfIn(report: Report): Self {
  assertOk(report);
  const step = report.steps.find(({ property }) => property === "probe.process_");
  return JSON.parse(step?.output ?? "") as Self;
}

/** Size of `text` after gzip, as a limit for the cost of sending a change. */
export const gzipped = (text: string): number => execFileSync("gzip", ["-9"], { input: text }).length;
