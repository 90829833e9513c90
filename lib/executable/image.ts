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
import { newestFirst } from "../util/newest-first";
import { BOOT, JOB, LATEST_IMAGE, sharedRuntime } from "./places";

const IMAGE_HEADER = "// consfigurator image";
/** Number of images kept: the new one, and one that may be running. */
const MAX_IMAGES = 2;

/** An executable that reapplies this deployment without a controller. */
export class DeploymentImage {
  readonly #target: AgentTarget;
  readonly #file: string;
  /** Private to the user: the job may be confidential. */
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

  /** The image is made when all steps are done, so that a deployment that failed does not repeat itself. */
  async apply(): Promise<Change> {
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
    const exists = existsSync(path.join(image, JOB)) && runtime.isInstalled;
    if (exists) await this.#target.ensureContent(path.join(image, JOB), job);
    if (exists && tryOrUndefined(() => readFileSync(this.#file, "utf8")) === launcher) return "unchanged";
    this.#target.atEnd(`image of this deployment: ${this.#file}`, async (target, _result, failed) => {
      if (failed) {
        target.inform(`this deployment failed, so it does not become ${this.#file}\n`);
        return "unchanged";
      }
      runtime.install();
      if (!existsSync(path.join(image, JOB))) this.#build(image, { tree, job, boot });
      await target.ensureContent(this.#file, launcher, { mode: 0o700 });
      runtime.remember(this.#file);
      this.#prune(id);
      return "changed";
    });
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

  #running(): Nested {
    const running = this.#target.memory.get(WORK) as Nested | undefined;
    if (running) return running;
    throw new AbortedChange("cannot determine the running deployment");
  }

  /** The tree takes no extra space: its files are hard links. */
  #build(image: string, { tree, job, boot }: { tree: string; job: string; boot: string }): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const { mode } = statSync(this.#directory);
    if ((mode & 0o077) !== 0)
      throw new FailedChange(`${this.#directory} must have mode 0700; other users can read it`);
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
    const others = readdirSync(this.#directory)
      .filter((name) => /^[0-9a-f]{32}$/.test(name) && name !== current)
      .map((name) => path.join(this.#directory, name));
    for (const old of newestFirst(others).slice(MAX_IMAGES - 1))
      rmSync(old, { recursive: true, force: true });
  }
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
