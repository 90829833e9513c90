/** Plain data that is declared in a consfig, sent to hosts and stored there. */

/** The result of applying a property. A failure is thrown instead. */
export type Change = "changed" | "unchanged";

/** The requirement of a property: `posix` needs only a POSIX shell on the host, `agent` needs an agent there. */
export type Kind = "posix" | "agent";

/** A property applied to its arguments: plain data that can be printed, compared, sent and stored. */
export interface PropApp {
  readonly property: string;
  readonly args: unknown;
  /** The location of the call: `file:line:column` in the user's sources. */
  readonly site: string;
  /** Set by preparation, for a property made of others: those others. */
  readonly parts?: readonly PropApp[];
  /** Set by preparation, for a property that makes a nested deployment: that deployment. */
  readonly nested?: Nested;
}

/** A deployment that starts where a property is applied: further hops, and the application behind them. */
export interface Nested {
  readonly hops: readonly Hop[];
  readonly host: HostState;
  readonly application: PropApp;
  /** Names of the error classes that a combinator around it expects: they do not count as failures. */
  readonly expected?: readonly string[];
}

/** An application, or an empty value that is ignored, so that `cond && prop()` can be written. */
export type MaybePropApp = PropApp | null | undefined | false;

/** Drops `null`, `undefined` and `false`. Other values that are not applications stay, so that they are refused later. */
export const withoutEmpty = (applications: readonly MaybePropApp[]): PropApp[] =>
  applications.filter((each) => each !== null && each !== undefined && each !== false);

export type Direction = "apply" | "unapply";

/** True when `value` is an application, made in this process or received from another. */
export const isApplication = (value: unknown): value is PropApp =>
  typeof value === "object" && value !== null && "property" in value && "args" in value;

/** One step of a connection, as written in a consfig: plain data. */
export interface Hop {
  readonly hop: string;
  readonly args: unknown;
  readonly site: string;
  /** The call as written, for messages about a hop received from another process. */
  readonly code?: string;
}

/** Facts by key, newest value first. */
export type Hostattrs = Readonly<Record<string, readonly unknown[]>>;

/** The facts of a host, as stored and sent. */
export interface HostState {
  readonly name: string;
  readonly attributes: Readonly<Record<string, readonly unknown[]>>;
  readonly parent?: HostState;
}

/** A failure as data, as it is sent between processes and appears in a report. */
export interface Failure {
  /** The class of the error, such as "FailedChange". */
  readonly name: string;
  readonly message: string;
  /** The stack, innermost frame first, mapped to the user's source lines. */
  readonly stack?: string;
  /** The command that failed, if one did, with its output; of long output only the beginning and the end. */
  readonly command?: CommandResult & { readonly command: string };
}

/** The result of a command. `exit` is the exit code; 128 + number for a command ended by a signal. */
export interface CommandResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}
