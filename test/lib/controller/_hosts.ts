/** What tests of deployments share: a host, a property that is refused, a hop that leads nowhere. */
import { local } from "../../../lib/connection/local";
import { ConnectionFailed, InapplicableProperty } from "../../../lib/model/errors";
import { defhop } from "../../../lib/model/hop";
import { defhost, type Host } from "../../../lib/model/host";
import { defprop, type PropApp } from "../../../lib/model/property";
import { object } from "../../../lib/model/schema";

/** A property that refuses its host. */
export const refuses = defprop({
  name: "test.refuses",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  hostattrs: () => {
    throw new InapplicableProperty("it does not fit");
  },
});

/** A hop that cannot be opened. */
export const nowhere = defhop({
  name: "nowhere",
  args: object({}),
  open: async () => {
    throw new ConnectionFailed("via.nowhere()", "there is no way");
  },
});

/** Deploys here, with these properties. */
export const host = (...applications: (PropApp | false)[]): Host =>
  defhost("web1.example.org", { deploy: [local()] }, ...applications);
