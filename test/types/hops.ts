/** Type tests of the order of hops. This file is only compiled, never run. */
import { as, defhop, defhost, deploy, deployThese, type Hop, schema, via } from "../../lib";

declare const dynamic: Hop[];
declare const one: Hop;
const athena = defhost("athena.example.com", { deploy: [via.ssh({ user: "root" }), via.agent()] }, as("ada"));
const property = as("ada");

// Allowed.
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

// Hops known only at run time are checked then.
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
// @ts-expect-error: via.local() must be the first hop
deploy(athena, via.ssh(), via.local());
// @ts-expect-error: via.sandbox() must be the first hop
defhost("ares.example.com", { deploy: [via.agent(), via.sandbox()] });
// @ts-expect-error: several hosts, via.local() must be the first hop
deploy([athena], via.ssh(), via.local(), property);

// Custom hops.
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
// @ts-expect-error: a hop defined with `first` must be the first hop
deploy(athena, telnet(), here());
