/** The versions of a daemon that a host keeps: the last healthy one, and the last broken one. */

import { createHash } from "node:crypto";
import path from "node:path";
import { type AgentTarget, sharedRuntime } from "consfigurator";
import type { Health } from "./_health";

type Kind = "healthy" | "broken";

/** What is known of a kept version, stored next to its files. */
export interface KeptVersion extends Health {
  /** Identifies its executable. */
  readonly release: string;
  /** Identifies its executable and units. */
  readonly version?: string | undefined;
  /** Why it is broken. */
  readonly reason?: string | undefined;
}

const RECORD = "record.json";
/** Has the versions of each service: `<healthy|broken>/<name>`. */
const DIRECTORY = "/usr/local/lib/consfigurator";

/** The directory of units that the administrator keeps. */
export const UNITS = "/etc/systemd/system";

/** Identifies the content of a file. */
export const releaseOf = (content: Buffer): string =>
  createHash("sha256").update(content).digest("hex").slice(0, 32);

/**
 * Identifies what an executable was built from: two that `imageDumped` has built from the same sources are not equal,
 * since they contain compiled code.
 */
export const sourceOf = (content: Buffer): string => {
  const [, line = ""] = content.toString("latin1", 0, 4096).split("\n", 2);
  return /^\/\/ consfigurator executable ([0-9a-f]+) /.exec(line)?.[1] ?? releaseOf(content);
};

/** The versions of the daemon `name`, whose units are `units`. */
export class DaemonVersions {
  constructor(
    private readonly target: AgentTarget,
    private readonly name: string,
    private readonly executable: string,
    private readonly units: readonly string[],
  ) {}

  /** Undefined when no such version is kept. */
  async find(kind: Kind): Promise<KeptVersion | undefined> {
    const text = await this.target.readBytes(`${this.#directoryOf(kind)}/${RECORD}`);
    return text && (JSON.parse(text.toString("utf8")) as KeptVersion);
  }

  /** Keeps the present executable, which is small since it shares its runtime, and `units` by name. */
  async keep(
    kind: Kind,
    record: KeptVersion,
    units: Readonly<Record<string, string | undefined>>,
  ): Promise<void> {
    const directory = this.#directoryOf(kind);
    await this.target.makeDirectory(directory, { mode: 0o755 });
    const content = await this.target.readBytes(this.executable);
    if (content) await this.target.ensureContent(this.executableOf(kind), content, { mode: 0o755 });
    for (const unit of this.units) {
      const text = units[unit];
      if (text !== undefined) await this.target.ensureContent(`${directory}/${unit}`, text, { mode: 0o644 });
      else await this.target.remove(`${directory}/${unit}`);
    }
    await this.target.ensureContent(`${directory}/${RECORD}`, JSON.stringify(record), { mode: 0o644 });
    (await sharedRuntime(this.target)).remember(this.executableOf(kind));
  }

  /** Puts the last healthy executable back into its place. */
  async restoreExecutable(): Promise<void> {
    const kept = await this.target.readBytes(this.executableOf("healthy"));
    if (kept) await this.target.ensureContent(this.executable, kept, { mode: 0o755 });
  }

  /** The text of a unit of the last healthy version. */
  async healthyUnit(unit: string): Promise<string | undefined> {
    return (await this.target.readBytes(`${this.#directoryOf("healthy")}/${unit}`))?.toString("utf8");
  }

  async forget(kind: Kind): Promise<void> {
    await this.target.remove(this.#directoryOf(kind), { recursive: true });
    (await sharedRuntime(this.target)).forget(this.executableOf(kind));
  }

  executableOf(kind: Kind): string {
    return `${this.#directoryOf(kind)}/${path.posix.basename(this.executable)}`;
  }

  #directoryOf(kind: Kind): string {
    return `${DIRECTORY}/${kind}/${this.name}`;
  }
}
