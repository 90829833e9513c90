import type { Connection } from "../model/connection";
import type { CommandWrapper } from "./_command-wrapper";
import { wrapConnection, wrapperFailure } from "./_wrapped-connection";
import { resultOf } from "./command-result";

export type { CommandWrapper } from "./_command-wrapper";

/**
 * For hops that run commands through another command: a connection that runs each command over `parent` through
 * `wrapper`, once `proof` has exited there with code 0. Throws `ConnectionFailed` when it does not, with `hop`, the
 * command, its output and the remedy.
 */
export async function wrapped(
  parent: Connection,
  hop: string,
  { proof = "true", ...wrapper }: CommandWrapper & { readonly proof?: string },
): Promise<Connection> {
  const connection = wrapConnection(parent, hop, wrapper);
  const outcome = await resultOf(connection, proof);
  if (outcome.exit !== 0) throw wrapperFailure(hop, wrapper, outcome);
  return connection;
}
