/** An agent on this machine, with a directory of its own: for tests that need no other host. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { argumentsOf } from "../../../lib/agent/host/processes";
import { deployThese } from "../../../lib/controller/deploy";
import type { Deployment } from "../../../lib/controller/deployment";
import { session } from "../../../lib/controller/session";
import type { PropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { openConsfig } from "../../../lib/source/consfig";
import * as via from "../../../lib/via";
import { until } from "../../support/until";
import { probe } from "./_rig";

/** `properties/stuck.ts` of the consfig: applications that do not end. */
const stuck = `import { writeFileSync } from "node:fs";
import { defprop, schema } from "consfigurator";

const stuck = (name: string, apply: (file: string, target: any) => Promise<"changed">) =>
  defprop({ name: "stuck." + name, kind: "agent", args: schema.object({ file: schema.string() }), call: (file: string) => ({ file }), apply: ({ file }, target) => apply(file, target) });

/** Creates the file and never settles. */
export const waits = stuck("waits", (file) => { writeFileSync(file, ""); return new Promise(() => setInterval(() => {}, 1000)); });

/** Creates the file and uses all of its processor. */
export const spins = stuck("spins", async (file) => { writeFileSync(file, ""); for (;;); });

/** As \`spins\`, beside a command that ignores SIGTERM. */
export const spinsBesideCommand = stuck("spinsBesideCommand", async (file, target) => {
  void target.run("trap '' TERM; echo $$ >" + file + "; while :; do sleep 47.11; done");
  await new Promise((done) => setTimeout(done, 500));
  for (;;);
});
`;

export interface LocalAgent {
  /** A directory for the files of tests. */
  readonly dir: string;
  deploy(...applications: PropApp[]): Deployment<Report>;
  /** The processes of this agent with this role. */
  pids(role: "supervisor" | "worker" | "relay"): number[];
  stop(): Promise<void>;
}

export function localAgent(): LocalAgent {
  const dir = realpathSync(mkdtempSync(path.join(tmpdir(), "local-agent-")));
  const before = { cache: process.env["XDG_CACHE_HOME"], state: process.env["XDG_STATE_HOME"] };
  process.env["XDG_CACHE_HOME"] = path.join(dir, "cache");
  process.env["XDG_STATE_HOME"] = path.join(dir, "state");
  mkdirSync(path.join(dir, "consfig/properties"), { recursive: true });
  writeFileSync(path.join(dir, "consfig/properties/probe.ts"), probe);
  writeFileSync(path.join(dir, "consfig/properties/stuck.ts"), stuck);
  session.consfig = openConsfig(path.join(dir, "consfig"));
  const { error } = session.consfig.refresh();
  if (error) throw error;
  const all = () =>
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((name) => ({ pid: Number(name), words: argumentsOf(Number(name)) }))
      .filter(({ words }) => words.some((word) => word.startsWith(path.join(dir, "cache"))));
  const pids: LocalAgent["pids"] = (role) => {
    const found = all().filter(({ words }) => {
      const is = role === "worker" ? words.some((word) => word.endsWith("/worker.js")) : words.includes(role);
      return is && path.basename(words[0] ?? "").startsWith("node");
    });
    // A process that is being started has the arguments of its parent until it executes its own program.
    const isCopy = ({ pid, words }: (typeof found)[number]) =>
      found.some((other) => other.pid === parentOf(pid) && `${other.words}` === `${words}`);
    return found.filter((each) => !isCopy(each)).map(({ pid }) => pid);
  };
  const stop = async () => {
    await session.close();
    session.consfig?.close();
    session.consfig = undefined;
    for (const { pid } of all()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has exited.
      }
    }
    await until("the agent has ended", () => all().length === 0);
    for (const [name, value] of [
      ["XDG_CACHE_HOME", before.cache],
      ["XDG_STATE_HOME", before.state],
    ] as const) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  return {
    dir,
    pids,
    stop,
    deploy: (...applications) => deployThese("this.example.org", via.local(), via.agent(), ...applications),
  };
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return undefined; // it has ended
  }
}

/** True while the process exists. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
