/** What the compiler says of the order of hops. Nothing here runs: `tsc` reads it. */
import { as, defhop, defhost, deploy, deployThese, type Hop, schema, via } from "../../lib";

declare const dynamic: Hop[];
declare const one: Hop;
const athena = defhost("athena.example.com", { deploy: [via.ssh({ user: "root" }), via.agent()] }, as("ada"));
const property = as("ada");

// What can be.
deploy(athena);
deploy(athena, property, null, false && property);
deploy(athena, via.ssh({ user: "root" }), via.sudo(), via.agent(), via.chroot("/srv/c"), property);
deploy(athena, via.local(), via.agent());
deploy(athena, via.sandbox(), property);
deploy(athena, via.ssh(), via.agent(), via.ssh(), via.agent());
deploy([athena, athena], via.ssh(), via.agent(), property);
deployThese("ares.example.com", via.ssh(), property);
defhost("ares.example.com", { desc: "of war" }, property);
defhost("ares.example.com", property);

// What is known only later is looked at later.
deploy(athena, ...dynamic, property);
deploy(athena, dynamic, property);
deploy(athena, one, one);
defhost("ares.example.com", { deploy: dynamic });
defhost("ares.example.com", { deploy: [via.ssh(), ...dynamic] });

// @ts-expect-error: two agents in a row
deploy(athena, via.ssh(), via.agent(), via.agent());
// @ts-expect-error: two agents in a row, with something else between
deployThese("ares.example.com", via.ssh(), via.agent(), property, via.agent());
// @ts-expect-error: two agents in a row
defhost("ares.example.com", { deploy: [via.ssh(), via.agent(), via.agent()] });
// @ts-expect-error: this machine is no further one
deploy(athena, via.ssh(), via.local());
// @ts-expect-error: nor is its clone
defhost("ares.example.com", { deploy: [via.agent(), via.sandbox()] });
// @ts-expect-error: many hosts, and one mistake
deploy([athena], via.ssh(), via.local(), property);

// Hops of a consfig's own.
const telnet = defhop({
  name: "types.telnet",
  args: schema.object({}),
  open: async (_args, { parent }) => parent,
});
const here = defhop({
  name: "types.here",
  args: schema.object({}),
  first: true,
  open: async (_args, { parent }) => parent,
});
deploy(athena, here(), telnet(), via.agent());
// @ts-expect-error: it said that it stands first
deploy(athena, telnet(), here());
