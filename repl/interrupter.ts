import path from "node:path";
import { Worker } from "node:worker_threads";

/** The turns of the main thread, and the Ctrl-C that it has taken itself. */
const [TURNS, TAKEN] = [0, 1];
const TURN_MS = 100;

/**
 * Ends, at the second Ctrl-C, what keeps the process busy without a pause: while deployments are applied in it, a thread
 * takes the keys that the process does not.
 */
export class Interrupter {
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  #holds = 0;
  #thread: Worker | undefined;
  #turning: NodeJS.Timeout | undefined;

  /** `take` gets the keys that were typed meanwhile, each Ctrl-C by itself. */
  constructor(private readonly take: (keys: Buffer) => void) {}

  /** Until the returned function is called. */
  hold(): () => void {
    this.#holds += 1;
    if (this.#holds === 1) this.#start();
    return () => {
      this.#holds -= 1;
      if (this.#holds === 0) this.#end();
    };
  }

  /** To be called for each Ctrl-C that was taken as usual. */
  taken(): void {
    Atomics.add(this.#state, TAKEN, 1);
  }

  #start(): void {
    Atomics.store(this.#state, TAKEN, 0);
    const turn = () => void Atomics.add(this.#state, TURNS, 1);
    this.#turning = setInterval(turn, TURN_MS).unref();
    this.#thread = new Worker(path.join(__dirname, "_interrupter-thread.js"), {
      workerData: { state: this.#state, terminal: "/dev/tty" },
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
    });
    this.#thread.unref();
    this.#thread.on("message", (keys: string) => {
      for (const part of keys.split(/(\u0003)/)) if (part !== "") this.take(Buffer.from(part, "latin1"));
    });
    // Without it, Ctrl-C waits until the process has time.
    this.#thread.on("error", () => {});
  }

  #end(): void {
    clearInterval(this.#turning);
    void this.#thread?.terminate();
    this.#thread = undefined;
  }
}
