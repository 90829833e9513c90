import { checkTypes, type Diagnostic } from "../lib/source/check";
import { colour } from "./_colour";
import { columns, cut } from "./_layout";

/** Several files are often saved together. */
const SETTLE_MS = 400;
/** At most this many errors are shown in the background. */
const MAX_SHOWN = 5;

/** Type errors of the consfig: on request, or once after a save while no deployment is running. */
export class Diagnostics {
  /** False: do not check after a save. */
  background = true;
  readonly #reported = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running: AbortController | undefined;

  /** `isBusy`: whether something is running that must not be slowed down. */
  constructor(
    private readonly root: string,
    private readonly print: (text: string) => void,
    private readonly isBusy: () => boolean,
  ) {}

  /** Schedules a check of saved files for when nothing else is running. */
  saved(wait = SETTLE_MS): void {
    this.close();
    if (!this.background) return;
    this.#timer = setTimeout(() => {
      if (this.isBusy()) return this.saved();
      const running = new AbortController();
      this.#running = running;
      checkTypes(this.root, { signal: running.signal, background: true }).then(
        (found) => {
          if (!running.signal.aborted) this.#report(found);
        },
        () => {}, // aborted by a newer save; `.check` reports other errors
      );
    }, wait);
    this.#timer.unref();
  }

  /** Checks now, and returns every error. */
  async check(): Promise<readonly Diagnostic[]> {
    const found = await checkTypes(this.root);
    this.#remember(found);
    return found;
  }

  /** Aborts the running check. */
  close(): void {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
  }

  /** Prints new errors, or that all earlier ones are fixed. */
  #report(found: readonly Diagnostic[]): void {
    const fresh = found.filter((each) => !this.#reported.has(keyOf(each)));
    const hadSome = this.#reported.size > 0;
    this.#remember(found);
    if (found.length === 0 && hadSome) return this.print(colour.dim("types OK again"));
    if (fresh.length === 0) return;
    const lines = fresh.slice(0, MAX_SHOWN).map((each) => cut(oneLine(each), columns() - 1));
    if (fresh.length > MAX_SHOWN) lines.push(`and ${fresh.length - MAX_SHOWN} more`);
    this.print(
      `${lines.map((line) => colour.yellow(line)).join("\n")}\n${colour.dim("type errors do not block deployments; .check shows all")}`,
    );
  }

  #remember(found: readonly Diagnostic[]): void {
    this.#reported.clear();
    for (const each of found) this.#reported.add(keyOf(each));
  }
}

const keyOf = ({ file, message, source }: Diagnostic): string => `${file}\0${message}\0${source}`;

/** One line: of TypeScript's chain of reasons, the last is the specific one. */
function oneLine({ file, line, column, message }: Diagnostic): string {
  const [first = "", ...reasons] = message.split("\n");
  const reason = reasons.at(-1)?.trim();
  return `${file}:${line}:${column}: ${reason ? `${first} ${reason}` : first}`;
}

/** An error in full, with its source line. */
export function diagnosticText({ file, line, column, message, source }: Diagnostic): string {
  const gutter = `  ${line} | `;
  const shown = source.trim()
    ? [
        colour.dim(`${gutter}${source.replaceAll("\t", " ")}`),
        colour.dim(`${" ".repeat(gutter.length - 2)}| ${" ".repeat(column - 1)}^`),
      ]
    : [];
  return [`${file}:${line}:${column}: ${colour.red(message)}`, ...shown].join("\n");
}
