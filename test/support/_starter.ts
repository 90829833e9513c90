/**
 * Starts commands in a test machine from a small process there, which forks in a fraction of the time that this process
 * takes to fork and nsenter to enter.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { drained, outputOf, silentBefore } from "../../lib/connection/_streams";
import type { Channel, Connection } from "../../lib/model/connection";
import { ConnectionFailed } from "../../lib/model/errors";
import type { Exit, RunOptions } from "./_run";

/** A command that has been started, with its streams. */
interface Started {
  readonly stdin: net.Socket;
  readonly stdout: net.Socket;
  readonly stderr: net.Socket;
  /** The exit code; 128 + number for a signal, 128 when the machine stopped. */
  readonly exit: Promise<number>;
  /** Sends the process group of the command a signal. */
  kill(signal: NodeJS.Signals): void;
}

export class Starter {
  readonly #process: ChildProcess;
  readonly #door = path.join(os.tmpdir(), `starter-${process.pid}-${next++}`);
  readonly #ready: Promise<unknown>;
  #commands = 0;

  /** `enter`: the beginning of a command that runs in the machine, in the environment of the commands. */
  constructor(enter: readonly string[]) {
    const args = ["-e", OPENS_DOOR, this.#door, ...enter, "perl", "-e", STARTS];
    this.#process = spawn("perl", args, { stdio: ["ignore", "pipe", "inherit", "pipe"] });
    this.#held.on("error", () => {});
    this.#ready = Promise.race([
      once(this.#process.stdout as NonNullable<ChildProcess["stdout"]>, "data"),
      once(this.#process, "close").then(() => Promise.reject(new Error("the machine cannot be entered"))),
    ]);
    const unref = () => {
      this.#process.unref();
      for (const stream of [this.#held, this.#process.stdout]) (stream as net.Socket).unref();
    };
    this.#ready.then(unref, () => {});
  }

  /** The process in the machine ends when this does. */
  get #held(): net.Socket {
    return this.#process.stdio[3] as net.Socket;
  }

  async start(argv: readonly string[]): Promise<Started> {
    await this.#ready;
    const id = String(this.#commands++).padStart(8, "0");
    const connected = (part: number, more = "") => {
      const socket = net.connect({ path: this.#door, allowHalfOpen: true });
      // The process may exit without reading its input.
      socket.on("error", () => {});
      socket.write(`${id}${part}${more}`);
      return socket;
    };
    const [stdin, stdout, stderr] = [connected(0), connected(1), connected(2)];
    stdin.resume();
    for (const output of [stdout, stderr]) output.once("end", () => output.end());
    const request = Buffer.from(argv.join("\0"));
    const control = connected(3, String(request.length).padStart(8, "0"));
    control.write(request);
    await Promise.all([stdin, stdout, stderr, control].map((each) => once(each, "connect"))).catch(
      (error) => {
        for (const each of [stdin, stdout, stderr, control]) each.destroy();
        throw error;
      },
    );
    let said = "";
    control.on("data", (data) => {
      said += data;
    });
    const exit = new Promise<number>((resolve) => {
      control.on("data", () => said.endsWith("\n") && resolve(Number(said)));
      control.once("close", () => resolve(128));
      control.once("end", () => control.destroy());
    });
    const ended = [stdout, stderr].map((each) => new Promise((resolve) => each.once("close", resolve)));
    // What outlives the command in its process group can be killed until its output has ended, too.
    void Promise.all([exit, ...ended]).then(() => {
      stdin.destroy();
      control.end();
    });
    return { stdin, stdout, stderr, exit, kill: (signal) => void control.write(`${signal.slice(3)}\n`) };
  }

  /** Starts no more commands. */
  end(): void {
    this.#held.destroy();
    rmSync(this.#door, { force: true });
  }
}

let next = 0;

/** Runs `argv` as `tryRun` does. */
export async function runBy(
  starter: Starter,
  argv: readonly string[],
  { input = "", timeout, signal }: RunOptions,
): Promise<Exit> {
  const { stdin, stdout, stderr, exit, kill } = await starter.start(argv);
  stdin.end(input);
  const limits = [signal, timeout === undefined ? undefined : AbortSignal.timeout(timeout)];
  const limit = AbortSignal.any(limits.filter((each) => each !== undefined));
  const end = () => {
    kill("SIGKILL");
    for (const output of [stdout, stderr]) output.destroy();
  };
  if (limit.aborted) end();
  limit.addEventListener("abort", end, { once: true });
  const [out, err, code] = await Promise.all([textOf(stdout), textOf(stderr), exit]);
  limit.removeEventListener("abort", end);
  return { stdout: out, stderr: err, exit: code };
}

function textOf(stream: net.Socket): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  return new Promise((resolve) => stream.once("close", () => resolve(String(Buffer.concat(chunks)))));
}

/** Shell commands in a machine, as a connection. `starter` may be another one after the machine has rebooted. */
export function connectionOf(
  description: string,
  starter: () => Promise<Starter>,
  as: readonly string[] = [],
): Connection {
  return {
    description,
    alive: true,
    closed: new Promise(() => {}),
    exec: async (command): Promise<Channel> => {
      const started = await (await starter()).start([...as, "/bin/sh", "-c", command]).catch((error) => {
        throw new ConnectionFailed(description, String(error));
      });
      const sources = [started.stdout, started.stderr];
      const [stdout, stderr] = [outputOf(started.stdout), outputOf(started.stderr)];
      const closed = Promise.all(
        sources.map((each) => new Promise((resolve) => each.once("close", resolve))),
      );
      const exit = started.exit.then(async (code) => {
        if (await silentBefore(closed, sources, [stdout, stderr])) for (const each of sources) each.destroy();
        await Promise.all([drained(stdout), drained(stderr)]);
        return code;
      });
      const { stdin, kill } = started;
      return { stdin, stdout, stderr, exit, kill: (signal = "SIGTERM") => kill(signal) };
    },
    close: async () => {},
  };
}

/** Listens at its first argument, and executes the others with the listening socket as file 4. */
const OPENS_DOOR = String.raw`
use strict; use Socket; use POSIX ();
my $door;
socket($door, AF_UNIX, SOCK_STREAM, 0) && bind($door, sockaddr_un(shift)) && listen($door, 4096) or die "$!\n";
POSIX::dup2(fileno $door, 4) if fileno $door != 4;
open(my $kept, "<&=", 4); fcntl($kept, 2, 0);
exec @ARGV or die "$!\n";`;

/**
 * A connection begins with the number of a command in eight digits, and a digit: 0 to 2 for its files, 3 for what controls
 * it. That one goes on with the length of its words in eight digits, and the words with NUL between them; then come lines
 * with the names of signals; what is sent back is the exit code. Ends when file 3 does.
 */
const STARTS = String.raw`
use strict; use POSIX ();
$0 = "nsenter";
my ($held, $door);
open($held, "<&=", 3) && open($door, "+<&=", 4) or die "$!\n";
fcntl($_, 2, 1) for $held, $door;
pipe(my $woken, my $wake);
$SIG{CHLD} = sub { syswrite $wake, "." }; $SIG{PIPE} = sub {};
my (%parts, %running);
sub more { for (;;) { my $count = sysread $_[0], $_[1], $_[2], length $_[1]; return $count if defined $count || $! != POSIX::EINTR() } }
sub taken { my ($from, $length, $all) = (@_, ""); while (length $all < $length) { more($from, $all, $length - length $all) or return } $all }
sub begin {
  my ($words, $in, $out, $err, $control) = @_;
  defined(my $pid = fork) or die "$!\n";
  if ($pid) { $running{$pid} = $control; return }
  $SIG{CHLD} = $SIG{PIPE} = "DEFAULT";
  POSIX::setsid();
  my $file = 0; POSIX::dup2(fileno $_, $file++) for $in, $out, $err;
  my @words = split /\0/, $words, -1;
  exec { $words[0] } @words or print STDERR "$words[0]: $!\n";
  POSIX::_exit(127);
}
# A child of process 1, which does not wait at a shutdown until somebody outside has waited for it.
POSIX::_exit(0) if fork;
POSIX::setsid();
syswrite STDOUT, "ready\n";
for (;;) {
  my $looked = "";
  vec($looked, fileno $_, 1) = 1 for $held, $door, $woken, values %running;
  select($looked, undef, undef, undef) > 0 or next;
  my $has = sub { vec($looked, fileno $_[0], 1) };
  if ($has->($woken)) {
    sysread $woken, my $dots, 512;
    while ((my $pid = waitpid -1, POSIX::WNOHANG()) > 0) {
      my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
      syswrite $running{$pid}, "$code\n" if $running{$pid};
    }
  }
  for my $pid (keys %running) {
    next unless $has->($running{$pid});
    my $names = "";
    if (more($running{$pid}, $names, 512)) { kill $_, -$pid for split /\n/, $names }
    else { delete $running{$pid} }
  }
  exit if $has->($held);
  next unless $has->($door) && accept(my $one, $door);
  my ($id, $part) = (taken($one, 9) // next) =~ /(.*)(.)/;
  $parts{$id}[$part] = $one;
  $parts{$id}[4] = taken($one, taken($one, 8)) if $part == 3;
  my @all = @{$parts{$id}};
  next if 5 != grep defined, @all;
  delete $parts{$id};
  begin(@all[4, 0 .. 3]);
}`;
