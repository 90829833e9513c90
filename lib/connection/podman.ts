import { defhop } from "../model/hop";
import { containerArgs, containerCall, intoContainer } from "./_engine";

/**
 * Enters the running Podman container `name`, as its image's user or as `user`. Needs /bin/sh inside. The containers
 * are those of the user before it: `via.as("alice"), via.podman("box")` enters a rootless container of alice.
 */
export const podman = defhop({
  name: "podman",
  args: containerArgs,
  call: containerCall,
  open: (args, { parent }) => intoContainer("podman", parent, args),
});
