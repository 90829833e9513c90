import { bootBundle } from "../agent/client/boot-bundle";
import { runtimeFor } from "../agent/client/runtime";
import type { AgentArtifacts } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";
import { session } from "./session";

/** The controller's artifacts: the boot file built from this package's sources, Node from npm, and the live consfig. */
export const controllerArtifacts: AgentArtifacts = {
  boot: bootBundle,
  runtime: runtimeFor,
  sources: (properties, hops, modules) => {
    const { consfig } = session;
    if (!consfig) {
      throw new ConsfigError(
        "there is no consfig to send to the agent; open one with openConsfig, or deploy without via.agent()",
      );
    }
    return consfig.sources(properties, hops, modules);
  },
};
