import type { Connection } from "../model/connection";
import { inside, notInside } from "./_inside";
import type { CommandWrapper } from "./_passage";
import { resultOf } from "./command-result";

export type { CommandWrapper } from "./_passage";

/**
 * For hops that are a command around commands: a connection whose every command goes over `parent` by `passage`, once
 * `proof` has ended there with exit code 0. Throws `ConnectionFailed`, naming `hop`, when it does not: with the command,
 * what was said to it, and the remedy.
 */
export async function wrapped(
  parent: Connection,
  hop: string,
  { proof = "true", ...passage }: CommandWrapper & { readonly proof?: string },
): Promise<Connection> {
  const connection = inside(parent, hop, passage);
  const outcome = await resultOf(connection, proof);
  if (outcome.exit !== 0) throw notInside(hop, passage, outcome);
  return connection;
}
