/** Bounded, constant load on an HTTP server: each visitor has one request, or one batch of them, at a time. */
import path from "node:path";
import { Worker } from "node:worker_threads";
import { root } from "../../lib/util/package";

export interface Visitors {
  /** Visitors with a new connection for each GET. */
  readonly fresh?: number;
  /** Visitors with kept connections, which GET and POST by turns. */
  readonly kept?: number;
  /** Visitors with kept connections, which send POSTs without waiting for the answers (pipelining). */
  readonly pipelining?: number;
}

/** What the thread of the visitors is given. */
export interface LoadData {
  readonly url: string;
  readonly visitors: Visitors;
  /** Its only element counts the requests. */
  readonly done: Int32Array;
}

export interface LoadEnd {
  readonly done: number;
  readonly lost: readonly string[];
}

const REGISTER = path.join(root, "lib/source/register.js");
const VISITS = path.join(__dirname, "_visits.ts");

/** Visitors have a thread of their own: the one that deploys is busy for seconds, and connections are not kept as long. */
export class Load {
  readonly #done = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker;
  #end: Promise<LoadEnd> | undefined;

  constructor(url: string, visitors: Visitors) {
    const workerData: LoadData = { url, visitors, done: this.#done };
    const program = `require(${JSON.stringify(REGISTER)}); require(${JSON.stringify(VISITS)});`;
    this.#thread = new Worker(program, { eval: true, workerData });
    // A test that has failed is not waited for.
    this.#thread.unref();
  }

  /** Requests so far. */
  get done(): number {
    return Atomics.load(this.#done, 0);
  }

  /** Ends the load; every request that was sent is waited for. */
  end(): Promise<LoadEnd> {
    this.#end ??= this.#ended();
    return this.#end;
  }

  async #ended(): Promise<LoadEnd> {
    this.#thread.ref();
    const ended = new Promise<LoadEnd>((resolve, reject) => {
      this.#thread.once("message", resolve).once("error", reject);
    });
    this.#thread.postMessage("end");
    const end = await ended;
    await this.#thread.terminate();
    return end;
  }
}
