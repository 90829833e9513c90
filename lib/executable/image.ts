import { createHash, randomBytes } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { ownTree, programIn } from "../agent/shared/tree";
import { ARTIFACTS_MOUNT } from "../model/agent-artifacts";
import { AbortedChange, FailedChange, WrongExecutionContextForImageDump } from "../model/errors";
import type { Change, Nested } from "../model/property";
import type { AgentTarget } from "../model/target";
import { WORK } from "../target/memory";
import { tryOrUndefined } from "../util/attempt";
import { BOOT, JOB, LATEST_IMAGE, sharedRuntime } from "./places";

const IMAGE_HEADER = "// consfigurator image";
/** The one that runs, perhaps, and the one that comes. */
const KEPT = 2;

/** An executable that applies this very deployment again, without a controller. */
export class DeploymentImage {
  readonly #target: AgentTarget;
  readonly #file: string;
  /** Closed to others: what is applied is nobody else's business. */
  readonly #directory: string;

  static async at(target: AgentTarget, file: string | undefined): Promise<DeploymentImage> {
    const { home } = await target.identity();
    return new DeploymentImage(target, file, path.join(home, path.dirname(LATEST_IMAGE)));
  }

  private constructor(target: AgentTarget, file: string | undefined, directory: string) {
    this.#target = target;
    this.#directory = directory;
    this.#file = file ?? path.join(directory, path.basename(LATEST_IMAGE));
  }

  async apply(): Promise<Change> {
    const tree = ownTree();
    if (tree.startsWith(ARTIFACTS_MOUNT)) {
      throw new WrongExecutionContextForImageDump(
        "imageDumped() makes an image of a deployment to a host by itself, and here is a part of one, behind further hops",
      );
    }
    const { host, application } = this.#work();
    const job = JSON.stringify({ host, application });
    const boot = bootFile();
    const runtime = await sharedRuntime(this.#target);
    const id = idOf(
      path.basename(tree),
      readFileSync(boot),
      JSON.stringify({ host, application }, withoutSites),
      runtime.file,
    );
    const image = path.join(this.#directory, id);
    const launcher = `#!${runtime.file} --disable-warning=ExperimentalWarning\n${IMAGE_HEADER} ${id}\nrequire(${JSON.stringify(
      programIn(image, "image"),
    )}).again(${JSON.stringify(image)});\n`;
    const isThere = existsSync(path.join(image, JOB)) && runtime.isThere;
    if (isThere) await this.#target.ensureContent(path.join(image, JOB), job);
    if (isThere && tryOrUndefined(() => readFileSync(this.#file, "utf8")) === launcher) return "unchanged";
    runtime.install();
    if (!isThere) this.#build(image, { tree, job, boot });
    await this.#target.ensureContent(this.#file, launcher, { mode: 0o700 });
    runtime.remember(this.#file);
    this.#prune(id);
    return "changed";
  }

  async unapply(): Promise<Change> {
    const text = tryOrUndefined(() => readFileSync(this.#file, "utf8"));
    const [, id] = new RegExp(`^${IMAGE_HEADER} ([0-9a-f]+)$`, "m").exec(text ?? "") ?? [];
    if (id === undefined) return "unchanged";
    await this.#target.remove(this.#file);
    rmSync(path.join(this.#directory, id), { recursive: true, force: true });
    (await sharedRuntime(this.#target)).forget(this.#file);
    return "changed";
  }

  #work(): Nested {
    const work = this.#target.memory.get(WORK) as Nested | undefined;
    if (work) return work;
    throw new AbortedChange("it is not known here what is being deployed");
  }

  /** The tree takes no space: its files are links. */
  #build(image: string, { tree, job, boot }: { tree: string; job: string; boot: string }): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const { mode } = statSync(this.#directory);
    if ((mode & 0o077) !== 0)
      throw new FailedChange(`${this.#directory} must have mode 0700; it can be read by others`);
    const building = `${image}.${randomBytes(6).toString("hex")}`;
    try {
      linkTree(tree, building);
      copyFileSync(boot, path.join(building, BOOT));
      writeFileSync(path.join(building, JOB), job, { mode: 0o600 });
      rmSync(image, { recursive: true, force: true });
      renameSync(building, image);
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  }

  #prune(current: string): void {
    const age = (name: string) => statSync(path.join(this.#directory, name)).mtimeMs;
    const others = readdirSync(this.#directory)
      .filter((name) => /^[0-9a-f]{32}$/.test(name) && name !== current)
      .sort((one, other) => age(other) - age(one));
    for (const old of others.slice(KEPT - 1))
      rmSync(path.join(this.#directory, old), { recursive: true, force: true });
  }
}

/** Applies again what the image in `directory` holds. Ends the process. */
export async function again(directory: string): Promise<void> {
  const { reapply } = await import("./_reapply.js");
  process.exit(await reapply(directory));
}

/** Where something was said makes no difference to what is done. */
const withoutSites = (_key: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || !("property" in value && "args" in value)) return value;
  return { ...value, site: "" };
};

const idOf = (...parts: readonly (string | Buffer)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 32);
};

/** The file that the agent around this worker was started from. */
function bootFile(): string {
  const file = process.argv.find((word) => /\/boot\/[0-9a-f]+\.js$/.test(word));
  if (file !== undefined) return file;
  throw new FailedChange("this process was not started by an agent, so no image of it can be made");
}

function linkTree(from: string, to: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const place = path.join(to, path.relative(from, file));
    mkdirSync(path.dirname(place), { recursive: true });
    try {
      linkSync(file, place);
    } catch {
      cpSync(file, place);
    }
  }
}
