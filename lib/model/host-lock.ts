/** The name, as `$0`, of the shell that holds the lock of a host for a deployment; and of one that waits for it. */
export const HOLDS = "consfigurator-holds";
export const WAITS = "consfigurator-waits";

/** The deployment that holds a host. */
export interface HostHolder {
  readonly deployment: string;
  /** The user who started it, such as "ana@laptop". */
  readonly by: string;
  /** When it began to hold the host, in ISO 8601. */
  readonly since: string;
  /** The account that it acts as on the host, when known. */
  readonly as?: string;
}

/** What a deployment that waits for `holder` tells its user. */
export const waitsFor = ({ deployment, by, since, as }: HostHolder): string =>
  `deployment ${deployment} by ${by}${as ? `, as ${as},` : ""} has held the host since ${since}; waiting for it to finish`;
