import { defhop } from "../model/hop";
import { containerArgs, containerCall, intoContainer } from "./_engine";

/**
 * Into the running Podman container `name`, as the user of its image, or as `user`. It needs a /bin/sh inside. The
 * containers are those of the user before it: `via.as("alice"), via.podman("box")` for a rootless one of alice.
 */
export const podman = defhop({
  name: "podman",
  args: containerArgs,
  call: containerCall,
  open: (args, { parent }) => intoContainer("podman", parent, args),
});
