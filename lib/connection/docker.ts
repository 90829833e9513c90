import { defhop } from "../model/hop";
import { containerArgs, containerCall, intoContainer } from "./_engine";

/** Enters the running Docker container `name`, as its image's user or as `user`. Needs /bin/sh inside. */
export const docker = defhop({
  name: "docker",
  args: containerArgs,
  call: containerCall,
  open: (args, { parent }) => intoContainer("docker", parent, args),
});
