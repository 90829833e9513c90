import { refuseArguments } from "./errors";
import { type Property, register } from "./property";
import type { Row } from "./rows";
import type { Schema } from "./schema";
import { callSite } from "./site";
import type { PosixTarget } from "./target";
import type { PropApp } from "./types";

/** The definition of a table. */
export interface TableDefinition<A, P extends unknown[], R extends Row> {
  /** Such as "queue.messages". Unique among properties and tables; sent to agents and shown in messages. */
  readonly name: string;
  readonly args: Schema<A>;
  /** Converts the parameters of a call to `args`. Default: the only parameter is `args`. */
  readonly call?: (...params: P) => NoInfer<A>;
  /** The rows, as the host is now. Must not change anything: an attempt to is an error. */
  readonly rows: (args: A, target: PosixTarget) => Promise<readonly R[]>;
}

/** A question to a host for the rows of a table. */
export interface Query<R extends Row> extends PropApp {
  /** Never there: the type of the rows. */
  readonly __row?: R;
}

/** A table as used at the prompt: a pure function that returns a question for `on(host).ask`. */
export interface Table<P extends unknown[], R extends Row> {
  (...params: P): Query<R>;
  readonly definition: Property<P>["definition"];
}

/**
 * Defines a table: a question that a host answers with rows. It travels to the host like a property, and is asked through
 * the agent or over a shell. Throws as `defprop`.
 *
 * @example
 * export const messages = deftable({
 *   name: "queue.messages",
 *   args: schema.object({}),
 *   call: () => ({}),
 *   rows: async (_args, target) =>
 *     (await target.list("/var/spool/queue"))?.map((name) => ({ name })) ?? [],
 * });
 */
export function deftable<A, P extends unknown[] = [args: A], R extends Row = Row>(
  definition: TableDefinition<A, P, R>,
): Table<P, R> {
  const { name, args, call, rows, ...unknown } = definition;
  const complaints = Object.keys(unknown).map(
    (slot) => `unknown slot ${slot}; the slots are name, args, call, rows`,
  );
  refuseArguments(`deftable of ${name}`, complaints, deftable);
  return register({ name, kind: "posix", args, ...(call && { call }), rows }, callSite(), deftable);
}
