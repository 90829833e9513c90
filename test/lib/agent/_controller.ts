/** A controller of its own: deploys as it is told, and writes each event as a line of JSON, the report last. */

import { deployThese } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { openConsfig } from "../../../lib/source/consfig";
import * as via from "../../../lib/via";
import { said } from "./_rig";

interface Order {
  readonly consfig: string;
  readonly ssh: Parameters<typeof via.ssh>[0];
  readonly properties: readonly (readonly [string, ...unknown[]])[];
}

async function main({ consfig, ssh, properties }: Order): Promise<void> {
  session.consfig = openConsfig(consfig);
  session.consfig.refresh();
  const applications = properties.map(([name, ...args]) => said(name, ...args));
  const deployment = deployThese("web1.example.org", via.ssh(ssh), via.agent(), ...applications);
  deployment.subscribe((event) => console.log(JSON.stringify(event)));
  console.log(JSON.stringify({ report: await deployment }));
  await session.close();
}

if (require.main === module) void main(JSON.parse(process.argv[2] ?? "") as Order);
