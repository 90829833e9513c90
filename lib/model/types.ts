/** What is said in a consfig, sent to hosts and stored there: plain data. */

/** What applying came to. There is no third answer: a failure is thrown. */
export type Change = "changed" | "unchanged";

/** `posix` needs only a POSIX shell on the far side; `agent` needs our own process there. */
export type Kind = "posix" | "agent";

/** A property said of a host: plain data, so it can be printed, compared, sent and stored. */
export interface PropApp {
  readonly property: string;
  readonly args: unknown;
  /** Where it was said: `file:line:column` in the user's sources. */
  readonly site: string;
  /** Of a property made of others, once prepared: what it is made of. */
  readonly parts?: readonly PropApp[];
  /** Of a property that makes a deployment from where it is applied, once prepared: that deployment. */
  readonly nested?: Nested;
}

/** A deployment made from where a property is applied: further hops, and what is applied behind them. */
export interface Nested {
  readonly hops: readonly Hop[];
  readonly host: HostState;
  readonly application: PropApp;
  /** Names of classes of errors that are no failure in it: somebody around it looks out for them. */
  readonly expected?: readonly string[];
}

/** What may stand where an application is expected: nothing is a legal no-op, so that `cond && prop()` can be written. */
export type MaybePropApp = PropApp | null | undefined | false;

/** Without the nothings that a condition leaves; what is no application stays, to be complained about. */
export const withoutEmpty = (said: readonly MaybePropApp[]): PropApp[] =>
  said.filter((each) => each !== null && each !== undefined && each !== false);

export type Direction = "apply" | "unapply";

/** Whether `value` is an application, made here or arrived from elsewhere. */
export const isApplication = (value: unknown): value is PropApp =>
  typeof value === "object" && value !== null && "property" in value && "args" in value;

/** One step of a connection, as said in a consfig: plain data. */
export interface Hop {
  readonly hop: string;
  readonly args: unknown;
  readonly site: string;
  /** As it was typed: for messages, where the hop has arrived from elsewhere. */
  readonly code?: string;
}

/** Facts by their keys, the newest value first. */
export type Hostattrs = Readonly<Record<string, readonly unknown[]>>;

/** The facts of a host, as stored and sent. */
export interface HostState {
  readonly name: string;
  readonly attributes: Readonly<Record<string, readonly unknown[]>>;
  readonly parent?: HostState;
}

/** What went wrong, as data: how a failure crosses the wire and stands in a report. */
export interface Failure {
  /** The class of the error, such as "FailedChange". */
  readonly name: string;
  readonly message: string;
  /** Where the failing code stands, innermost frame first, mapped to the user's own lines. */
  readonly stack?: string;
  /** Output of the command that failed, when it was one; of long output the beginning and the end. */
  readonly command?: CommandResult & { readonly command: string };
}

/** What a command came to. `exit` is its exit code; a command ended by a signal has 128 + its number. */
export interface CommandResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}
