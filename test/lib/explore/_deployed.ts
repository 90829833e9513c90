/** A host on which a definition was deployed. */
import assert from "node:assert/strict";
import { deploy } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { hosts } from "../../../lib/model/host";
import * as via from "../../../lib/via";
import { until } from "../../support/until";
import { assertOk, type Rig, rig } from "../agent/_rig";

/** From now on, `text` is what the consfig says. */
export function define(rigged: Rig, text: string): void {
  rigged.write({ "hosts/web1.ts": text });
  const { error } = session.consfig?.refresh() ?? {};
  if (error) throw error;
}

/** A machine to which the host `name` of the consfig `text` was deployed, through an agent. */
export async function deployedRig(name: string, text: string): Promise<Rig> {
  const rigged = await rig();
  define(rigged, text);
  const host = hosts.get(name);
  assert.ok(host);
  assertOk(await deploy(host, rigged.ssh() as never, via.agent() as never));
  await rigged.arrived();
  // In the second of a deployment nobody can tell who has changed something.
  const ended = Number(await rigged.machine.run("date +%s"));
  await until("the next second", async () => Number(await rigged.machine.run("date +%s")) > ended + 1);
  return rigged;
}
