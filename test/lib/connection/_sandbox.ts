import assert from "node:assert/strict";
import { localConnection } from "../../../lib/connection/local";
import { controllerArtifacts } from "../../../lib/controller/artifacts";
import type { Connection } from "../../../lib/model/connection";
import type { Progress } from "../../../lib/model/events";
import { hops } from "../../../lib/model/hop";
import { HostModel } from "../../../lib/model/host";

/** Opens `via.sandbox(name)` from this machine. */
export async function openSandbox(
  name: string,
  progress: (event: Progress) => void = () => {},
): Promise<Connection> {
  const definition = hops.get("sandbox");
  assert.ok(definition);
  return definition.open(
    { name },
    {
      parent: localConnection(),
      artifacts: controllerArtifacts,
      host: HostModel.named("sandbox"),
      ask: undefined,
      signal: new AbortController().signal,
      progress,
    },
  );
}
