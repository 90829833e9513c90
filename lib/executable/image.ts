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
import { type Datum, isAmong } from "../model/data-names";
import { AbortedChange, FailedChange, WrongExecutionContextForImageDump } from "../model/errors";
import { shared } from "../model/host";
import type { Change, Nested } from "../model/property";
import type { AgentTarget } from "../model/target";
import { isUnattended, WORK } from "../target/memory";
import { tryOrUndefined } from "../util/attempt";
import { newestFirst } from "../util/newest-first";
import { KeptData } from "./_kept-data";
import type { SharedRuntime } from "./_runtime";
import { BOOT, DATA, JOB, KEPT, LATEST_IMAGE, sharedRuntime } from "./places";

const IMAGE_HEADER = "// consfigurator image";
/** Number of images kept: the new one, and one that may be running. */
const MAX_IMAGES = 2;

/** An executable that reapplies this deployment without a controller. */
export class DeploymentImage {
  readonly #target: AgentTarget;
  readonly #file: string;
  /** Private to the user: the job may be confidential. */
  readonly #directory: string;
  readonly #kept: KeptData;

  static async at(target: AgentTarget, file: string | undefined): Promise<DeploymentImage> {
    const { home } = await target.identity();
    return new DeploymentImage(target, file, path.join(home, path.dirname(LATEST_IMAGE)));
  }

  private constructor(target: AgentTarget, file: string | undefined, directory: string) {
    this.#target = target;
    this.#directory = directory;
    this.#file = file ?? path.join(directory, path.basename(LATEST_IMAGE));
    this.#kept = new KeptData(path.join(directory, DATA));
  }

  /**
   * The image is made when all steps are done, so that a deployment that failed does not repeat itself. The host then
   * keeps the data that the deployment needs, but that of `without`.
   */
  async apply(without: readonly Datum[]): Promise<Change> {
    const tree = ownTree();
    if (tree.startsWith(ARTIFACTS_MOUNT)) {
      throw new WrongExecutionContextForImageDump(
        "imageDumped() without a call saves the deployment of a whole host, so it does not work inside further hops; apply it directly to the host",
      );
    }
    const { host, application } = this.#running();
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
    )}).start(${JSON.stringify(image)});\n`;
    const data = this.#target.host.all(shared.data).filter((datum) => !isAmong(datum, without));
    // The deployment that the image repeats has nothing newer.
    const stale = isUnattended(this.#target) ? [] : await this.#kept.stale(data, this.#target);
    const exists = existsSync(path.join(image, JOB)) && runtime.isInstalled;
    if (exists) await this.#target.ensureContent(path.join(image, JOB), job);
    const isCurrent = exists && tryOrUndefined(() => readFileSync(this.#file, "utf8")) === launcher;
    if (isCurrent && stale.length === 0) return "unchanged";
    this.#target.atEnd(`image of this deployment: ${this.#file}`, async (target, _result, failed) => {
      if (failed) {
        target.inform(`this deployment failed, so it does not become ${this.#file}\n`);
        return "unchanged";
      }
      runtime.install();
      this.#refuseReaders();
      await this.#kept.write(stale, target);
      if (!existsSync(path.join(image, JOB))) this.#build(image, { tree, job, boot, data });
      await target.ensureContent(this.#file, launcher, { mode: 0o700 });
      runtime.remember(this.#file);
      this.#prune(id);
      this.#pruneData(runtime);
      return "changed";
    });
    return "changed";
  }

  /** Unless this deployment is repeated with it after all. The data goes with the last image that needs it. */
  async unapply(path_: string | undefined): Promise<Change> {
    if (this.#target.host.all(shared.repetitions).some(({ path }) => path === path_)) return "unchanged";
    const runtime = await sharedRuntime(this.#target);
    const id = imageIn(this.#file);
    if (id !== undefined) {
      await this.#target.remove(this.#file);
      rmSync(path.join(this.#directory, id), { recursive: true, force: true });
      runtime.forget(this.#file);
    }
    return this.#pruneData(runtime) || id !== undefined ? "changed" : "unchanged";
  }

  #running(): Nested {
    const running = this.#target.memory.get(WORK) as Nested | undefined;
    if (running) return running;
    throw new AbortedChange("cannot determine the running deployment");
  }

  /** The tree takes no extra space: its files are hard links. */
  #build(image: string, { tree, job, boot, data }: ImageParts): void {
    const building = `${image}.${randomBytes(6).toString("hex")}`;
    try {
      linkTree(tree, building);
      copyFileSync(boot, path.join(building, BOOT));
      writeFileSync(path.join(building, JOB), job, { mode: 0o600 });
      writeFileSync(path.join(building, KEPT), JSON.stringify(data), { mode: 0o600 });
      rmSync(image, { recursive: true, force: true });
      renameSync(building, image);
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  }

  #refuseReaders(): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const { mode } = statSync(this.#directory);
    if ((mode & 0o077) !== 0)
      throw new FailedChange(`${this.#directory} must have mode 0700; other users can read it`);
  }

  /** Removes the data that no image needs which can be started. Returns whether there was any. */
  #pruneData(runtime: SharedRuntime): boolean {
    const images = runtime.executables().flatMap((file) => imageIn(file) ?? []);
    return this.#kept.prune(images.flatMap((id) => this.#keptFor(id)));
  }

  #keptFor(id: string): readonly Datum[] {
    const text = tryOrUndefined(() => readFileSync(path.join(this.#directory, id, KEPT), "utf8"));
    return text === undefined ? [] : (JSON.parse(text) as Datum[]);
  }

  #prune(current: string): void {
    const others = readdirSync(this.#directory)
      .filter((name) => /^[0-9a-f]{32}$/.test(name) && name !== current)
      .map((name) => path.join(this.#directory, name));
    for (const old of newestFirst(others).slice(MAX_IMAGES - 1))
      rmSync(old, { recursive: true, force: true });
  }
}

interface ImageParts {
  readonly tree: string;
  readonly job: string;
  readonly boot: string;
  readonly data: readonly Datum[];
}

/** The identity of the image that `file` starts; undefined when it is not such a file. */
function imageIn(file: string): string | undefined {
  const text = tryOrUndefined(() => readFileSync(file, "utf8"));
  return new RegExp(`^${IMAGE_HEADER} ([0-9a-f]+)$`, "m").exec(text ?? "")?.[1];
}

/** Reapplies the image in `directory` and exits. */
export async function start(directory: string): Promise<void> {
  const { reapply } = await import("./_reapply.js");
  process.exit(await reapply(directory));
}

/** The position in the consfig does not change what is applied. */
const withoutSites = (_key: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || !("property" in value && "args" in value)) return value;
  return { ...value, site: "" };
};

const idOf = (...parts: readonly (string | Buffer)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex").slice(0, 32);
};

/** The boot file of the agent that started this worker. */
function bootFile(): string {
  const file = process.argv.find((argument) => /\/boot\/[0-9a-f]+\.js$/.test(argument));
  if (file !== undefined) return file;
  throw new FailedChange("cannot save an image: this process was not started by an agent");
}

function linkTree(from: string, to: string): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    const copy = path.join(to, path.relative(from, file));
    mkdirSync(path.dirname(copy), { recursive: true });
    try {
      linkSync(file, copy);
    } catch {
      cpSync(file, copy);
    }
  }
}
