import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { hostname, userInfo } from "node:os";
import path from "node:path";
import { ConnectionFailed } from "../../model/errors";

/** Where to connect, as written in a consfig; the user's OpenSSH configuration supplies the rest. */
export interface Destination {
  /** The name to look up in the configuration. */
  readonly name: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  /** The address to connect to instead of `name`. */
  readonly hop?: string | undefined;
  /** The only key file to log in with. */
  readonly identity?: string | undefined;
  /** The configuration file to read instead of the user's and the system's. */
  readonly config?: string | undefined;
}

/** The OpenSSH configuration for a destination. */
export class SshConfig {
  /** The address to connect to. */
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(
    readonly destination: Destination,
    values: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#values = values;
    this.address = this.value("hostname") ?? destination.name;
    this.port = Number(this.value("port") ?? 22);
    this.user = this.value("user") ?? userInfo().username;
  }

  /** The value of a keyword, given in lower case; undefined when it is not set or set to `none`. */
  value(keyword: string): string | undefined {
    const value = this.#values.get(keyword)?.[0];
    return value === undefined || value === "" || value === "none" ? undefined : value;
  }

  isOn(keyword: string): boolean {
    return ["yes", "true"].includes(this.value(keyword) ?? "");
  }

  /** The items of a comma-separated value. */
  list(keyword: string): string[] {
    return this.value(keyword)?.split(",") ?? [];
  }

  /** The files of a keyword that may occur several times. */
  files(keyword: string): string[] {
    const { identity } = this.destination;
    const files =
      keyword === "identityfile" && identity !== undefined ? [identity] : (this.#values.get(keyword) ?? []);
    return files.filter((file) => file !== "none").map((file) => this.expand(file));
  }

  /** The files of a known hosts keyword, which holds several in one line. `ssh -G` prints names with spaces unquoted. */
  knownHostsFiles(keyword: "userknownhostsfile" | "globalknownhostsfile"): string[] {
    const files: string[] = [];
    for (const word of this.value(keyword)?.split(" ") ?? []) {
      if (files.length > 0 && !/^[/~%$]/.test(word)) files.push(`${files.pop()} ${word}`);
      else files.push(word);
    }
    return files.map((file) => this.expand(file));
  }

  /** The socket of the agent to ask, if any. */
  get agentSocket(): string | undefined {
    const agent = this.#values.get("identityagent")?.[0] ?? "SSH_AUTH_SOCK";
    if (agent === "none") return undefined;
    if (agent === "SSH_AUTH_SOCK") return process.env["SSH_AUTH_SOCK"] || undefined;
    if (agent.startsWith("$") && !agent.startsWith("${")) return process.env[agent.slice(1)] || undefined;
    return this.expand(agent);
  }

  /** The name under which host keys are kept, when it is another than the address. */
  get hostKeyAlias(): string | undefined {
    return this.value("hostkeyalias");
  }

  /** Expands `~`, tokens such as `%h`, and `${VARIABLE}` in file names, as described in ssh_config(5). */
  private expand(text: string): string {
    const home = userInfo().homedir;
    const local = hostname();
    const jump = this.value("proxyjump") ?? "";
    const tokens: Record<string, string> = {
      "%": "%",
      d: home,
      h: this.address,
      i: String(userInfo().uid),
      j: jump,
      k: this.hostKeyAlias ?? this.destination.name,
      L: local.split(".")[0] ?? local,
      l: local,
      n: this.destination.name,
      p: String(this.port),
      r: this.user,
      u: userInfo().username,
      C: createHash("sha1").update(`${local}${this.address}${this.port}${this.user}${jump}`).digest("hex"),
    };
    const expanded = text
      .replace(/^~(?=\/|$)/, home)
      .replace(/%(.)/g, (whole, token: string) => tokens[token] ?? whole)
      .replace(/\$\{(\w+)\}/g, (_, name: string) => process.env[name] ?? "");
    return path.resolve(home, expanded);
  }
}

/** Asks OpenSSH itself, so that Match, Include and the rest are read exactly. Throws `ConnectionFailed`. */
export async function sshConfig(
  destination: Destination,
  hop: string,
  signal: AbortSignal,
): Promise<SshConfig> {
  const printed = await run("ssh", ["-G", ...destinationWords(destination)], signal).catch(
    (error: ToolError) => {
      throw new ConnectionFailed(
        hop,
        error.code === "ENOENT"
          ? "the OpenSSH client is not installed on this machine: apt-get install openssh-client"
          : `OpenSSH cannot read its configuration: ${error.stderr.trim() || error.message}`,
        { cause: error },
      );
    },
  );
  const values = new Map<string, string[]>();
  for (const line of printed.split("\n")) {
    const [, keyword, value] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (keyword !== undefined && value !== undefined) {
      values.set(keyword.toLowerCase(), [...(values.get(keyword.toLowerCase()) ?? []), value]);
    }
  }
  return new SshConfig(destination, values);
}

/** The arguments of `ssh` for the destination, to be followed by the command. */
export function destinationWords({ name, user, port, hop, identity, config }: Destination): string[] {
  return [
    ...(config === undefined ? [] : ["-F", config]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(hop === undefined ? [] : ["-o", `HostName=${hop.replaceAll("%", "%%")}`]),
    ...(identity === undefined ? [] : ["-o", "IdentitiesOnly=yes", "-i", identity]),
    "--",
    name,
  ];
}

export type ToolError = Error & {
  readonly code?: string | number;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs one of OpenSSH's tools and returns its standard output. Rejects with a `ToolError`. */
export const run = (
  file: string,
  args: readonly string[],
  signal?: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(
      file,
      args,
      { signal, env, encoding: "utf8", maxBuffer: 16 << 20 },
      (error, stdout, stderr) => (error ? reject(Object.assign(error, { stdout, stderr })) : resolve(stdout)),
    );
    child.stdin?.end();
  });
