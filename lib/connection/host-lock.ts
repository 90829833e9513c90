import { constants } from "node:os";
import { Readable, Writable } from "node:stream";
import type { Cancellation } from "../model/cancellation";
import type { Channel, Connection, ExecOptions } from "../model/connection";
import { Cancelled } from "../model/errors";
import type { Progress } from "../model/events";
import { waitsFor } from "../model/host-lock";
import { CANCELLED } from "../model/job";
import { ownHost } from "../util/own-host";
import { linkSilence, lockScript, oneLine, type Report } from "./_lock-script";
import { lastLine, notLocked, waitReason } from "./_lock-words";
import { StderrMarkers } from "./_stderr-markers";
import { drained } from "./_streams";

/** A wait for another deployment of this process is reported when it has lasted this long. */
const PATIENCE_MS = 300;

export interface HostLockOptions {
  readonly deployment: string;
  readonly by: string;
  /** The hosts that deployments around this one hold. */
  readonly held: readonly string[];
  readonly cancellation: Cancellation;
  emit(event: Progress): void;
  /** Shell text of a file: while it exists, the host is held although the link is lost. */
  readonly successor?: string | undefined;
  /** A holder that waits to be told for whom. */
  readonly holder?: PreparedHolder | undefined;
}

/** A process that is ready to hold the host. */
export interface PreparedHolder {
  readonly channel: Channel;
  readonly markers: StderrMarkers;
  readonly leftovers: string;
}

/**
 * Starts a holder at the end of `connection` before it is known for whom: holding the host then takes less time. While the
 * file `leftovers` exists on the host, commands of a deployment that was killed still run.
 */
export async function prepareHolder(connection: Connection, leftovers: string): Promise<PreparedHolder> {
  const markers = new StderrMarkers();
  const channel = await connection.exec(lockScript({ held: [], leftovers }, markers), { lasting: true });
  channel.stdin.on("error", () => {});
  return { channel, markers, leftovers };
}

/** In the message of a connection that cannot start a further command. */
const REFUSED = /: the host refused to start the command/;

/** The newest lock over each connection. A host limits the sessions of one, so only one lock waits on the host itself. */
const newest = new WeakMap<Connection, HostLock>();

/**
 * The lock of the host at the end of a connection, for one deployment. It is taken by the first command, or by `held`. A
 * process on the host holds it, and ends with the link.
 */
export class HostLock {
  /** Its commands start when the host is held. The first one that only looks brings the lock along: one round trip. */
  readonly connection: Connection;
  /** The hosts that this deployment holds, with those of the deployments around it. */
  hosts: readonly string[];
  #taking: Promise<void> | undefined;
  #channel: Channel | undefined;
  #prepared: PreparedHolder | undefined;
  #heldSince = Number.POSITIVE_INFINITY;
  #since = "";
  #beat: NodeJS.Timeout | undefined;
  /** Rejects when the wait is to end. */
  readonly #stopped = Promise.withResolvers<never>();
  readonly #over = Promise.withResolvers<void>();
  #released = false;
  #told: string | undefined;
  /** True: there is nothing to hold. */
  #nothing = false;

  constructor(
    private readonly inner: Connection,
    private readonly options: HostLockOptions,
  ) {
    this.hosts = options.held;
    this.#prepared = options.holder;
    this.#stopped.promise.catch(() => {});
    this.connection = {
      description: inner.description,
      get alive() {
        return inner.alive;
      },
      closed: inner.closed,
      local: inner.local === true,
      locked: true,
      exec: async (command, how) => {
        // What only looks, and begins together with it, brings the lock along.
        await new Promise((turn) => setImmediate(turn));
        await this.held();
        return this.#exec(command, how);
      },
      look: (command) => this.#look(command),
      close: () => inner.close(),
    };
    // A hop that spreads this connection into its own may lead elsewhere: it gets neither.
    for (const name of ["look", "locked"])
      Object.defineProperty(this.connection, name, { enumerable: false });
  }

  /** Resolves when the host is held. Rejects with `Cancelled` when the deployment is stopped before. */
  held(): Promise<void> {
    this.#taking ??= this.#take();
    return this.#taking;
  }

  /** When the host was held, as `performance.now()`; `Infinity` while it is waited for, 0 before. */
  get heldSince(): number {
    return this.#taking === undefined ? 0 : this.#heldSince;
  }

  /** Lets go of the host. The process there ends a moment later; the next deployment waits for that on the host. */
  release(): void {
    this.#released = true;
    clearInterval(this.#beat);
    // A reader that was left behind while it waited may take the first line.
    this.#channel?.stdin.end("end\nend\n");
    this.#over.resolve();
  }

  get #isSettled(): boolean {
    return this.#heldSince < Number.POSITIVE_INFINITY;
  }

  async #look(command: string): Promise<Channel> {
    if (this.#taking) return this.connection.exec(command, { startsAtOnce: true });
    const answer = new Answer();
    this.#taking = this.#take(command, answer);
    await this.#taking;
    return answer.channel ?? this.inner.exec(command, { startsAtOnce: true });
  }

  /** Where the host allows one session only, the commands need the one of the lock. */
  async #exec(command: string, how?: ExecOptions): Promise<Channel> {
    try {
      return await this.inner.exec(command, how);
    } catch (error) {
      const channel = this.#channel;
      if (!channel || !REFUSED.test((error as Error).message)) throw error;
      this.release();
      await channel.exit;
      const why = "it allows one session at a time (MaxSessions of its sshd)";
      this.options.emit({ kind: "notice", text: notLocked(why) });
      return this.inner.exec(command, how);
    }
  }

  async #take(question?: string, answer?: Answer): Promise<void> {
    const { cancellation, held } = this.options;
    if (cancellation.signal.aborted) throw new Cancelled(cancellation.reason ?? CANCELLED);
    if (this.inner.local && held.includes(ownHost())) {
      this.#heldSince = performance.now();
      return;
    }
    try {
      await cancellation.forwarding(
        (signal) => this.#stop(signal === "cancel"),
        async () => {
          const former = newest.get(this.inner);
          newest.set(this.inner, this);
          if (former) await Promise.race([this.#after(former), this.#stopped.promise]);
          await Promise.race([this.#hold(question, answer), this.#stopped.promise]);
        },
      );
      this.#heldSince = performance.now();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Ends a wait for another deployment; `now`: also a step that has begun. */
  #stop(now: boolean): void {
    const { reason } = this.options.cancellation;
    if (reason !== undefined && (now || this.#told !== undefined))
      this.#stopped.reject(new Cancelled(reason));
  }

  /** Resolves when `former`, another deployment of this process, has let go of the host. */
  async #after(former: HostLock): Promise<void> {
    const { deployment, by } = former.options;
    const tell = () => {
      if (former.#isSettled) this.#tell(waitsFor({ deployment, by, since: former.#since }));
      else this.#tell(`deployment ${deployment} by ${by} waits for the host, too; waiting for it to finish`);
    };
    const timer = setTimeout(tell, PATIENCE_MS);
    await former.#over.promise.finally(() => clearTimeout(timer));
  }

  async #hold(question: string | undefined, answer: Answer | undefined): Promise<void> {
    const { channel, markers } = await this.#holder(question);
    this.#channel = channel;
    // The deployment was stopped meanwhile.
    if (this.#released) return this.release();
    this.#beat = setInterval(() => channel.stdin.write("\n"), (linkSilence() * 1000) / 4);
    this.#beat.unref();
    const stdout = markers.before(channel.stdout);
    // True: the host is held, or cannot be.
    const settled = Promise.withResolvers<boolean>();
    const exit = Promise.withResolvers<number>();
    const errors: Buffer[] = [];
    const stderr = markers.filter(channel.stderr, (text) => {
      const [report = "", ...lines] = Buffer.from(text, "latin1").toString("utf8").split("\n");
      if (report.startsWith("exit ")) return exit.resolve(Number(report.slice(5)));
      this.#report(report as Report, lines);
      if (report === "busy") return;
      if (question !== undefined) answer?.is(stdout, exit.promise);
      settled.resolve(true);
    });
    stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    if (question === undefined) stdout.resume();
    channel.exit.then(
      (code) => {
        clearInterval(this.#beat);
        this.#channel = undefined;
        const replaced = !this.#isSettled && this.#prepared !== undefined;
        if (!replaced) this.#ended(`exit code ${code}${lastLine(Buffer.concat(errors).toString("utf8"))}`);
        settled.resolve(!replaced);
        exit.reject(new Error("the holder of the lock has ended"));
      },
      (error: Error) => {
        settled.reject(error);
        exit.reject(error);
      },
    );
    exit.promise.catch(() => {});
    if (await settled.promise) return;
    // Somebody has ended it before it was needed.
    this.#prepared = undefined;
    if (!this.#released) await this.#hold(question, answer);
  }

  async #holder(question: string | undefined): Promise<Omit<PreparedHolder, "leftovers">> {
    const { deployment, by, held, holder, successor } = this.options;
    if (this.#prepared) {
      this.#prepared.channel.stdin.write(`${oneLine(deployment)}\n${oneLine(by)}\n`);
      return this.#prepared;
    }
    const markers = new StderrMarkers();
    const script = lockScript(
      { owner: { deployment, by }, held, question, leftovers: holder?.leftovers, successor },
      markers,
    );
    // Another program that takes its input only ends it sooner.
    const channel = await this.inner.exec(script, { lasting: true, startsAtOnce: true });
    channel.stdin.on("error", () => {});
    return { channel, markers };
  }

  #report(report: Report, [first = "", ...more]: readonly string[]): void {
    switch (report) {
      case "held":
        this.hosts = [...this.hosts, first];
        this.#since = new Date().toISOString();
        return;
      case "ours":
        this.#nothing = true;
        return;
      case "none":
        this.#nothing = true;
        return this.options.emit({ kind: "notice", text: notLocked(first) });
      case "busy":
        return this.#tell(waitReason(first, more));
      case "exit":
    }
  }

  /** The holder has ended. It should not, before we let go of the host, unless there was nothing to hold. */
  #ended(how: string): void {
    if (this.#released || this.#nothing) return;
    const text = this.#isSettled
      ? `the process that held this host for the deployment has ended (${how}); another deployment may run beside this one now`
      : notLocked(`the process that holds it has ended (${how})`);
    this.options.emit({ kind: "notice", text });
  }

  #tell(reason: string): void {
    if (reason === this.#told || this.#released) return;
    this.#told = reason;
    this.options.emit({ kind: "waiting", reason });
    this.#stop(false);
  }
}

/** What the holder answers to the question that it brought along. */
class Answer {
  channel: Channel | undefined;

  is(stdout: Readable, exit: Promise<number>): void {
    const ended = Promise.withResolvers<number>();
    const answered = (async () => {
      const code = await exit;
      await drained(stdout);
      return code;
    })();
    answered.catch(() => {});
    this.channel = {
      stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
      stdout,
      stderr: Readable.from([]),
      exit: Promise.race([answered, ended.promise]),
      // The holder goes on; nobody waits for the answer.
      kill: (signal = "SIGTERM") => ended.resolve(128 + constants.signals[signal]),
    };
  }
}
