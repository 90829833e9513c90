/** A controller in its own process: deploys the given properties and writes events and report as lines of JSON. */

import { deployThese } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import type { Hop } from "../../../lib/model/hop";
import { openConsfig } from "../../../lib/source/consfig";
import * as via from "../../../lib/via";
import { prop } from "./_rig";

interface Arguments {
  readonly consfig: string;
  readonly ssh: Parameters<typeof via.ssh>[0];
  /** True: over a shell, without an agent. */
  readonly bare: boolean;
  readonly properties: readonly (readonly [string, ...unknown[]])[];
}

async function main({ consfig, ssh, bare, properties }: Arguments): Promise<void> {
  session.consfig = openConsfig(consfig);
  session.consfig.refresh();
  const applications = properties.map(([name, ...args]) => prop(name, ...args));
  const hops = bare ? [via.ssh(ssh)] : [via.ssh(ssh), via.agent()];
  const deployment = deployThese("web1.example.org", hops as unknown as Hop, ...applications);
  deployment.subscribe((event) => console.log(JSON.stringify(event)));
  console.log(JSON.stringify({ report: await deployment }));
  await session.close();
}

if (require.main === module) void main(JSON.parse(process.argv[2] ?? "") as Arguments);
