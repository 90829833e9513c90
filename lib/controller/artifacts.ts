import { bootBundle } from "../agent/client/boot-bundle";
import { runtimeFor } from "../agent/client/runtime";
import type { AgentArtifacts } from "../model/agent-artifacts";
import { ConsfigError } from "../model/errors";
import { session } from "./session";

/** What the controller starts agents with: the boot file made from our own sources, Node from npm, the live consfig. */
export const controllerArtifacts: AgentArtifacts = {
  boot: bootBundle,
  runtime: runtimeFor,
  sources: (properties, hops, modules) => {
    const { consfig } = session;
    if (!consfig) {
      throw new ConsfigError(
        "there is no consfig to send to the agent; open one with openConsfig, or leave out via.agent()",
      );
    }
    return { manifest: consfig.manifest(properties, hops, modules), blob: (hash) => consfig.blob(hash) };
  },
};
