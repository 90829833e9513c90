/** Changes to a directory of configuration that its program judges as a whole before they are made. */
import { AbortedChange, type PosixTarget, shellQuote } from "consfigurator";

/** A change, and who judges it. */
export interface Draft {
  /** The directory with the configuration. */
  readonly directory: string;
  /** Shell text that makes the change in $COPY, a copy of the directory. */
  readonly change: string;
  /** Standard input of `change`. */
  readonly input?: Buffer;
  /** Shell text that ends with another exit code than 0 when the program does not accept the configuration in $COPY. */
  readonly judge: string;
  /** What refuses what, for messages, such as "Apache refuses its configuration with the site shop". */
  readonly refused: string;
  /** What is then not done, such as "enabled". */
  readonly done: string;
}

/**
 * Throws `AbortedChange` when the program does not accept the configuration with the change. Nothing outside the copy is
 * touched.
 */
export const refuseUnlessAccepted = (target: PosixTarget, draft: Draft): Promise<void> =>
  target.withTemporaryDirectory(async (copy) => {
    const { directory, change, input, judge, refused, done } = draft;
    const command = `export COPY=${shellQuote(copy)}\ncp -a ${shellQuote(directory)}/. "$COPY" && ${change} && ${judge}`;
    const { exit, stderr, stdout } = await target.run(command, {
      mayFail: true,
      excerpt: true,
      ...(input && { input }),
      predict: (model) => {
        model.mayFail();
        return undefined;
      },
    });
    if (exit === 0) return;
    const said = `${stdout}${stderr}`.replaceAll(copy, directory).trim() || `exit code ${exit}`;
    throw new AbortedChange(`${refused}, so it was not ${done}; correct it:\n${said}`);
  });
