import type { Channel, Connection } from "../../model/connection";

/** Bytes sent at once while the shell is in use. */
const PIECE = 16 * 1024;
/** How much more is in flight than what the link just carries: what waits delays the shell. */
const MORE = 1.2;
/** How much is left, after each piece, of the most that the link was seen to carry: it may carry less now. */
const REMEMBERED = 0.995;
/**
 * Bytes in flight that are allowed for each second that the upload already takes, up to a limit. On busy processors the
 * link seems to carry little; the longer the deployment takes, the more it gains from the agent.
 */
const BYTES_PER_SECOND = 16 * 1024;
const ALLOWED = 128 * 1024;

/**
 * Lets an upload use what a shell over the same connection leaves of it: after each piece a byte is sent to a process that
 * sends it back, which tells how long a round trip takes at best, and how much the link carries. No more is in flight than
 * keeps it busy.
 */
export class Pace {
  #hurried = false;
  #echo: Channel | undefined;
  #quickest = Number.POSITIVE_INFINITY;
  /** Bytes in a millisecond. */
  #rate = 0;
  #delivered = 0;
  readonly #started = performance.now();
  #bytes = 0;
  readonly #inFlight: { readonly bytes: number; readonly at: number; readonly delivered: number }[] = [];
  #wake = () => {};

  constructor(private readonly connection: Connection) {}

  /** The most bytes to send at once; undefined: any number. */
  get piece(): number | undefined {
    return this.#hurried ? undefined : PIECE;
  }

  /** From now on, the upload is waited for. */
  hurry(): void {
    this.#hurried = true;
    this.end();
  }

  /** Begins to measure. Where no further process can be started, nothing is held back. */
  async begin(): Promise<void> {
    if (this.#hurried || this.#echo) return;
    const echo = await this.connection.exec("exec cat", { lasting: true }).catch(() => undefined);
    if (!echo || this.#hurried) {
      echo?.stdin.end();
      return this.hurry();
    }
    this.#echo = echo;
    echo.stdin.on("error", () => {});
    echo.stderr.resume();
    echo.stdout.on("data", (data: Buffer) => this.#returned(data.length));
    const over = () => this.hurry();
    echo.exit.then(over, over);
  }

  /** Resolves when the next piece may be sent. */
  async turn(): Promise<void> {
    while (this.#echo && !this.#hurried && this.#bytes > this.#most)
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
  }

  sent(bytes: number): void {
    if (this.#hurried || !this.#echo) return;
    this.#inFlight.push({ bytes, at: performance.now(), delivered: this.#delivered });
    this.#bytes += bytes;
    this.#echo.stdin.write(".");
  }

  end(): void {
    this.#echo?.stdin.end();
    this.#echo = undefined;
    this.#wake();
  }

  get #most(): number {
    const seconds = (performance.now() - this.#started) / 1000;
    const carried = this.#rate > 0 ? this.#rate * this.#quickest * MORE : 0;
    return Math.max(carried, Math.min(ALLOWED, seconds * BYTES_PER_SECOND));
  }

  #returned(count: number): void {
    for (const { bytes, at, delivered } of this.#inFlight.splice(0, count)) {
      const took = performance.now() - at;
      this.#bytes -= bytes;
      this.#delivered += bytes;
      this.#quickest = Math.min(this.#quickest, took);
      this.#rate = Math.max((this.#delivered - delivered) / took, this.#rate * REMEMBERED);
    }
    this.#wake();
  }
}
