import { checkTypes, type Diagnostic } from "../lib/source/check";
import { colour } from "./_colour";
import { columns, cut } from "./_layout";

/** After a save, other files are often saved too. */
const SETTLE_MS = 400;
/** How many complaints are told without being asked for. */
const TOLD = 5;

/** What the type checker says of the consfig: asked for, or told once after a save, when nothing else is going on. */
export class Diagnostics {
  /** False: saves are not looked at. */
  background = true;
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #running: AbortController | undefined;

  /** `isBusy`: whether something goes on that must not be slowed down. */
  constructor(
    private readonly root: string,
    private readonly say: (text: string) => void,
    private readonly isBusy: () => boolean,
  ) {}

  /** Files were saved: they will be checked when nothing else is going on. */
  saved(wait = SETTLE_MS): void {
    this.close();
    if (!this.background) return;
    this.#timer = setTimeout(() => {
      if (this.isBusy()) return this.saved();
      const running = new AbortController();
      this.#running = running;
      checkTypes(this.root, { signal: running.signal, background: true }).then(
        (found) => {
          if (!running.signal.aborted) this.#tell(found);
        },
        () => {}, // given up for a newer save; what else is wrong, `.check` tells
      );
    }, wait);
    this.#timer.unref();
  }

  /** Every complaint there is, found now. */
  async check(): Promise<readonly Diagnostic[]> {
    const found = await checkTypes(this.root);
    this.#remember(found);
    return found;
  }

  /** Gives up what is under way. */
  close(): void {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
  }

  /** What is new; what was told before and is gone is told as well, when that was all. */
  #tell(found: readonly Diagnostic[]): void {
    const fresh = found.filter((each) => !this.#told.has(keyOf(each)));
    const hadSome = this.#told.size > 0;
    this.#remember(found);
    if (found.length === 0 && hadSome) return this.say(colour.dim("types fit again"));
    if (fresh.length === 0) return;
    const lines = fresh.slice(0, TOLD).map((each) => cut(briefly(each), columns() - 1));
    if (fresh.length > TOLD) lines.push(`and ${fresh.length - TOLD} more`);
    this.say(
      `${lines.map((line) => colour.yellow(line)).join("\n")}\n${colour.dim("types only, nothing is held up by it; .check shows all")}`,
    );
  }

  #remember(found: readonly Diagnostic[]): void {
    this.#told.clear();
    for (const each of found) this.#told.add(keyOf(each));
  }
}

const keyOf = ({ file, message, source }: Diagnostic): string => `${file}\0${message}\0${source}`;

/** In a line. Of several reasons the last is the one that tells. */
function briefly({ file, line, column, message }: Diagnostic): string {
  const [first = "", ...reasons] = message.split("\n");
  const reason = reasons.at(-1)?.trim();
  return `${file}:${line}:${column}: ${reason ? `${first} ${reason}` : first}`;
}

/** A complaint in full, with its line. */
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
