import type { Readable } from "node:stream";
import { ConnectionFailed } from "../../model/errors";
import { GUARD, GUARD_EXIT } from "../_stderr-markers";
import type { SshConfig } from "./_config";
import type { ConnectOptions } from "./_endpoints";

/** Bytes kept of what the login shell prints before a command starts. */
const MAX_PRINTED = 2000;

/** The start of one command: seen when its begin marker arrives, and failed when it has not arrived in time. */
export class CommandStart {
  /** True once the begin marker was seen. */
  seen = false;
  /** Resolves when the command has not started in time. */
  readonly late: Promise<void>;
  #printed = "";
  readonly #timer: NodeJS.Timeout;
  readonly #seconds: number;

  constructor(
    private readonly options: Pick<ConnectOptions, "hop" | "connectTimeoutSeconds">,
    /** The account and the host, when known. */
    private readonly login: Pick<SshConfig, "user" | "address"> | undefined,
    outputs: readonly Readable[],
  ) {
    this.#seconds = options.connectTimeoutSeconds;
    const late = Promise.withResolvers<void>();
    this.late = late.promise;
    this.#timer = setTimeout(late.resolve, this.#seconds * 1000);
    for (const output of outputs) {
      const add = (chunk: Buffer) => {
        if (this.seen) output.off("data", add);
        else this.#printed = (this.#printed + chunk.toString("utf8")).slice(0, MAX_PRINTED);
      };
      output.on("data", add);
    }
  }

  /** Call when the begin marker was seen. */
  begin(): void {
    this.seen = true;
    this.end();
  }

  /** Stops waiting. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /** The last lines printed before the command started. */
  get printed(): string {
    const printed = this.#printed.replaceAll(`${GUARD}\n`, "").trim();
    return printed.split(/\r?\n/).slice(-3).join(" ").trim();
  }

  /** The error of a command that did not start. `exit` is undefined when the login shell has not ended. */
  failure(exit: number | undefined): ConnectionFailed {
    const happened =
      exit === undefined
        ? `it did not start it within ${this.#seconds} s`
        : exit === GUARD_EXIT
          ? "another program read the command's input"
          : `it ended with exit code ${exit}`;
    const words = this.printed === "" ? "printed nothing" : `printed: ${this.printed}`;
    const account = this.login ? `${this.login.user} on ${this.login.address}` : "this account";
    return new ConnectionFailed(
      this.options.hop,
      `the login shell did not run our command: ${happened}, and ${words}; for ${account}, check the login shell in /etc/passwd, commands such as exit, exec and read in its startup files (.bashrc), and forced commands (command="…" in authorized_keys, ForceCommand in sshd_config)`,
    );
  }
}
