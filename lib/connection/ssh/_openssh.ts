import { constants } from "node:os";
import type { Channel, Connection, ExecOptions } from "../../model/connection";
import { ConnectionFailed } from "../../model/errors";
import { shellQuote, shellWords } from "../../util/shell-quote";
import { RunningCommands } from "../_running-commands";
import { GUARD, StderrMarkers } from "../_stderr-markers";
import { drained, holdOutput, silentBefore } from "../_streams";
import { type Askpass, askpass } from "./_askpass";
import { CommandStart } from "./_commandStart";
import { type Destination, destinationWords } from "./_config";
import { Deadline } from "./_deadline";
import {
  type ConnectOptions,
  cancellation,
  MAX_MISSED_KEEPALIVES,
  type Route,
  type SshEndpoint,
} from "./_endpoints";
import { explainSshFailure, unansweredQuestion } from "./_failure";
import { loginCommand } from "./_login";
import { answers } from "./_reasons";
import { Sessions } from "./_sessions";

/**
 * Connects with the system's `ssh`. One `ssh` process holds the connection and shares it (ControlMaster) at a socket in a
 * private directory; each command is an `ssh` that uses the socket. The holder exits at the end of its input, and so with
 * this process, and removes the directory.
 */
export async function connectByOpenssh(route: Route, options: ConnectOptions): Promise<Connection> {
  const { parent, endpoint } = route;
  const ask = parent.local ? options.ask : undefined;
  const deadline = new Deadline(options.connectTimeoutSeconds, options.signal);
  const pausingAsk = deadline.pausing(ask);
  const prompter =
    pausingAsk && (await askpass(pausingAsk, (text) => options.progress({ kind: "notice", text })));
  const configured = endpoint?.config.value("controlpath");
  const shared = configured !== undefined && (await answers(configured)) ? configured : undefined;
  let holder: Channel | undefined;
  try {
    deadline.signal.throwIfAborted();
    const ready = new StderrMarkers();
    holder = await parent.exec(holderScript(route, options, prompter, shared, ready));
    const end = () => holder?.kill("SIGTERM");
    deadline.signal.addEventListener("abort", end);
    const ending = new ProcessEnd(holder);
    const socket = await new Promise<string | undefined>((resolve) => {
      let directory = shared ?? "";
      const stdout = ready.filter((holder as Channel).stdout, (text) => {
        if (text === "ready") resolve(directory);
        else directory = `${text}/socket`;
      });
      stdout.resume();
      void ending.exit.then(() => resolve(undefined));
    });
    deadline.signal.removeEventListener("abort", end);
    if (socket === undefined) {
      if (options.signal.aborted) throw cancellation(options);
      const address = addressOf(route);
      if (prompter?.hostGaveUp) throw new ConnectionFailed(options.hop, unansweredQuestion(address));
      const timeoutSeconds = deadline.passed ? options.connectTimeoutSeconds : undefined;
      throw new ConnectionFailed(
        options.hop,
        explainSshFailure(ending.text, { address, route, timeoutSeconds }),
      );
    }
    return new OpensshConnection(route, options, holder, ending, socket);
  } catch (error) {
    if (options.signal.aborted) throw cancellation(options);
    throw error;
  } finally {
    deadline.end();
    await prompter?.close();
  }
}

/** Shell text that holds the connection. It reports its directory, and then that the host is connected. */
function holderScript(
  { destination, endpoint }: Route,
  options: ConnectOptions,
  prompter: Askpass | undefined,
  shared: string | undefined,
  ready: StderrMarkers,
): string {
  const strict = endpoint?.config.value("stricthostkeychecking") ?? "ask";
  const lenient = ["no", "off", "false"].includes(strict);
  if (lenient) {
    const text = `StrictHostKeyChecking is off: accepting an unknown host key of ${destination.name} without verification`;
    options.progress({ kind: "notice", text });
  }
  const settings: Record<string, string | number | undefined> = {
    BatchMode: prompter ? "no" : "yes",
    ConnectTimeout: options.connectTimeoutSeconds,
    ControlMaster: shared === undefined ? "yes" : "no",
    ControlPersist: "no",
    ServerAliveInterval: options.keepaliveSeconds,
    ServerAliveCountMax: MAX_MISSED_KEEPALIVES,
    // `no` would accept changed keys too.
    StrictHostKeyChecking: lenient ? "accept-new" : undefined,
    HostKeyAlias: destination.hop === undefined ? undefined : hostKeyAlias(destination, endpoint),
    ...PLAIN_SESSION,
  };
  const sets = Object.entries(settings).flatMap(([name, value]) =>
    value === undefined ? [] : ["-o", `${name}=${value}`],
  );
  const env = Object.entries(prompter?.env ?? {}).map(([name, value]) => `${name}=${shellQuote(value)}`);
  const remote = loginCommand(`${ready.print("ready")}; exec cat >/dev/null`);
  const ssh = (socket: string) =>
    [
      ...env,
      "ssh",
      "-S",
      socket,
      ...[...sets, ...destinationWords(destination), remote].map(shellQuote),
    ].join(" ");
  if (shared !== undefined) return ssh(shellQuote(shared));
  return [
    "d=$(umask 077; mktemp -d /tmp/consfig-ssh.XXXXXX) || exit 1",
    "trap 'rm -rf \"$d\"' EXIT",
    "trap : HUP INT TERM",
    ready.print('"$d"'),
    ssh('"$d/socket"'),
  ].join("\n");
}

/** Overrides the user's configuration for sessions: ours only run commands. */
const PLAIN_SESSION = {
  ClearAllForwardings: "yes",
  ForkAfterAuthentication: "no",
  ForwardAgent: "no",
  ForwardX11: "no",
  PermitLocalCommand: "no",
  RemoteCommand: "none",
  RequestTTY: "no",
  SessionType: "default",
  StdinNull: "no",
  Tunnel: "no",
};

/** With a `hop`, the name that the host key is known under; see `KnownHost`. */
const hostKeyAlias = (destination: Destination, endpoint: SshEndpoint | undefined): string | undefined =>
  endpoint && !endpoint.known.hasAuthority ? endpoint.known.alias : destination.name;

/** The end of a process. */
class ProcessEnd {
  /** The last part of its stderr. */
  text = "";
  /** Resolves when it has ended, for any reason. */
  readonly exit: Promise<void>;

  constructor(channel: Channel) {
    channel.stderr.on("data", (data: Buffer) => {
      this.text = (this.text + data.toString()).slice(-4000);
    });
    this.exit = channel.exit.then(
      () => {},
      (error: Error) => {
        this.text += error.message;
      },
    );
  }
}

class OpensshConnection implements Connection {
  readonly closed: Promise<Error | undefined>;
  readonly #sessions = new Sessions();
  /** The `ssh` processes of the commands. */
  readonly #processes = new Set<Channel>();
  /** The commands on the remote host. */
  readonly #commands = new RunningCommands();
  #closing = false;
  #lost: Error | undefined;

  constructor(
    private readonly route: Route,
    private readonly options: ConnectOptions,
    private readonly holder: Channel,
    ending: ProcessEnd,
    private readonly socket: string,
  ) {
    this.closed = ending.exit.then(() => {
      if (this.#closing) return undefined;
      const last = ending.text.trim().split(/\r?\n/).at(-1);
      this.#lost = this.#failure(`the link to ${this.#address} was lost${last && `: ${last}`}`);
      return this.#lost;
    });
  }

  get description(): string {
    const { parent } = this.route;
    return parent.local ? this.options.hop : `${parent.description}, ${this.options.hop}`;
  }

  get alive(): boolean {
    return !this.#closing && this.#lost === undefined && this.route.parent.alive;
  }

  exec(command: string, options: ExecOptions = {}): Promise<Channel> {
    const isRefusal = (error: unknown) => /Session open refused by peer/.test((error as Error).message);
    return this.#sessions.start(() => this.#start(command, options), isRefusal, options.lasting);
  }

  async #start(command: string, { lasting, startsAtOnce }: ExecOptions): Promise<Channel> {
    this.#assertAlive();
    const markers = new StderrMarkers();
    const channel = await this.#ssh(loginCommand(command, markers.reportingExit(!startsAtOnce)));
    this.#processes.add(channel);
    if (!startsAtOnce) channel.stdin.write(`${GUARD}\n`);
    const start = new CommandStart(this.options, this.route.endpoint?.config, [
      channel.stdout,
      channel.stderr,
    ]);
    let code: number | undefined;
    let killed: NodeJS.Signals | undefined;
    let ids = "";
    const output = holdOutput(channel.stdout);
    const started = Promise.withResolvers<void>();
    const reported = Promise.withResolvers<number>();
    const stderr = markers.filter(channel.stderr, (text) => {
      if (ids === "") ids = text;
      else reported.resolve((code = Number(text)));
      start.begin();
      started.resolve();
    });
    const ended = channel.exit
      .catch(() => undefined)
      .then((status) => {
        this.#processes.delete(channel);
        return status;
      });
    const status = await Promise.race([started.promise, ended, start.late]);
    if (!start.seen) {
      start.end();
      channel.kill("SIGKILL");
      await this.#waitForLoss();
      this.#assertAlive();
      // ssh reports a refused session, or a lost one, with this code and a message.
      if (status === 255 && start.printed !== "")
        throw this.#failure(`the host refused to start the command: ${start.printed}`);
      throw start.failure(status ?? undefined);
    }
    const stdout = output();
    void ended.then(() => this.#sessions.ended(lasting));
    const exit = (async () => {
      // ssh exits only when its output has been read, so do not wait for that alone.
      await Promise.race([reported.promise, ended]);
      const read = Promise.all([drained(stdout), drained(stderr)]);
      if (await silentBefore(read, [channel.stdout, channel.stderr], [stdout, stderr])) channel.kill();
      await read;
      if (code !== undefined) return code;
      await this.#waitForLoss();
      this.#assertAlive("the command ended without an exit code: ");
      if (killed) return 128 + constants.signals[killed];
      throw this.#failure(
        "the command ended without an exit code: its shell was killed, or the session was closed",
      );
    })();
    exit.catch(() => {});
    const kill = (signal: NodeJS.Signals = "SIGTERM") => {
      killed = signal;
      void drained(stdout);
      void drained(stderr);
      return this.#signal(ids, signal);
    };
    return this.#commands.add({ stdin: channel.stdin, stdout, stderr, exit, kill });
  }

  /** Runs `ssh` through the holder's socket. Without the socket it must fail instead of connecting by itself. */
  #ssh(line: string): Promise<Channel> {
    const { parent, destination } = this.route;
    const options = ["-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "BatchMode=yes"];
    const words = ["ssh", "-F", "none", "-T", "-S", this.socket, ...options, "--", destination.name];
    return parent.exec(`exec ${shellWords([...words, line])}`);
  }

  async #signal(ids: string, signal: NodeJS.Signals): Promise<void> {
    try {
      const channel = await this.#ssh(loginCommand(StderrMarkers.kill(ids, signal)));
      channel.stdout.resume();
      channel.stderr.resume();
      await channel.exit;
    } catch {
      // The connection is lost, and with it the command's input and output.
    }
  }

  async close(): Promise<void> {
    if (this.alive) await this.#commands.end();
    if (!this.#closing && this.#lost === undefined) {
      this.#closing = true;
      for (const channel of this.#processes) channel.kill("SIGTERM");
      this.holder.stdin.end();
      const timer = setTimeout(() => this.holder.kill("SIGTERM"), 500);
      void this.closed.then(() => clearTimeout(timer));
    }
    await this.closed;
  }

  /** Commands notice a lost connection a moment before the holder does. */
  async #waitForLoss(): Promise<void> {
    await Promise.race([this.closed, new Promise((resolve) => setTimeout(resolve, 200))]);
  }

  #assertAlive(prefix = ""): void {
    if (this.#lost)
      throw prefix
        ? this.#failure(prefix + this.#lost.message.replace(`${this.options.hop}: `, ""))
        : this.#lost;
    if (!this.alive) throw this.#failure(`${prefix}the connection was closed`);
  }

  #failure(message: string): ConnectionFailed {
    return new ConnectionFailed(this.options.hop, message);
  }

  get #address(): string {
    return addressOf(this.route);
  }
}

const addressOf = ({ endpoint, destination }: Route): string =>
  endpoint
    ? `${endpoint.config.address} port ${endpoint.config.port}`
    : (destination.hop ?? destination.name);
