/** A test rig for what containers cannot have: a virtual machine, to which a consfig deploys through ssh and an agent. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { deployThese, plan } from "../../../lib/controller/deploy";
import type { Deployment } from "../../../lib/controller/deployment";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import type { PropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { makeHost } from "../../../lib/nested/make-host";
import { openConsfig } from "../../../lib/source/consfig";
import * as via from "../../../lib/via";
import { bootVirtual, type Virtual, type VirtualOptions } from "../../support/virtual";
import { probe } from "./_rig";

export interface VirtualRig {
  readonly machine: Virtual;
  deploy(applications: readonly PropApp[]): Deployment<Report>;
  /** What a plan of the same says: the answer to each step by its property. */
  plan(applications: readonly PropApp[]): Promise<ReadonlyMap<string, string | undefined>>;
  stop(): Promise<void>;
}

export async function virtualRig(options: VirtualOptions = {}): Promise<VirtualRig> {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), "virtual-rig-")));
  process.env["XDG_STATE_HOME"] = path.join(directory, "state");
  mkdirSync(path.join(directory, "consfig/properties"), { recursive: true });
  writeFileSync(path.join(directory, "consfig/properties/probe.ts"), probe);
  session.consfig = openConsfig(path.join(directory, "consfig"));
  const { error } = session.consfig.refresh();
  if (error) throw error;
  const machine = await bootVirtual(options);
  const hops = () => [machine.ssh(), via.agent()] as unknown as Hop;
  return {
    machine,
    deploy: (applications) => deployThese("web1.example.org", hops(), ...applications),
    plan: async (applications) => {
      const { steps } = await plan(makeHost("web1.example.org", {}, ...applications), hops());
      return new Map(steps.map((step) => [step.property, step.plan?.answer]));
    },
    stop: async () => {
      await session.close();
      await machine.stop();
      session.consfig?.close();
      session.consfig = undefined;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
