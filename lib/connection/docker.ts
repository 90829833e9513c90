import { defhop } from "../model/hop";
import { containerArgs, containerCall, intoContainer } from "./_engine";

/** Into the running Docker container `name`, as the user of its image, or as `user`. It needs a /bin/sh inside. */
export const docker = defhop({
  name: "docker",
  args: containerArgs,
  call: containerCall,
  open: (args, { parent }) => intoContainer("docker", parent, args),
});
