import { forgetPasswords } from "../connection/passwords";
import { forgetData } from "../data/lookup";
import { terminalOf } from "../model/asker";
import { ConsfigError } from "../model/errors";
import { session } from "./session";

/** How much was forgotten. */
export interface Forgotten {
  readonly passwords: number;
  readonly data: number;
}

/**
 * Forgets the passwords that were typed and the data that was fetched in this session, and closes its connections, which use
 * them. The next deployment asks and fetches again. Agents stay on their hosts; they know none of it. Throws `ConsfigError`
 * while something is deployed. A source of your own may remember more.
 */
export async function forgetSecrets(): Promise<Forgotten> {
  const running = [...session.deployments].filter(({ over }) => !over).flatMap(({ hosts }) => hosts);
  if (running.length > 0)
    throw new ConsfigError(
      `nothing was forgotten: ${running.join(", ")} ${running.length === 1 ? "is" : "are"} being deployed; wait for the end, or cancel`,
    );
  await session.connections.close();
  const { ask } = session;
  return { passwords: ask ? forgetPasswords(terminalOf(ask)) : 0, data: forgetData() };
}
