import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import path from "node:path";
import type { Datum } from "../model/data-names";
import { FailedChange, MissingData } from "../model/errors";
import { type DataLookup, type LargeDatum, PIECE_BYTES } from "../model/questions";
import { Secret } from "../model/secret";
import type { SecretStream } from "../model/secret-stream";
import type { PosixTarget } from "../model/target";
import { tryOrUndefined } from "../util/attempt";
import { fileDigest } from "../util/file-digest";

/** A file that does not have the datum that it should have. */
interface Stale {
  readonly file: string;
  readonly content: Secret | SecretStream;
}

/**
 * The prerequisite data that a host keeps, so that it can repeat a deployment by itself: a directory that nobody else can
 * enter, with a file for each datum, of which nobody else can read a byte at any time.
 */
export class KeptData {
  constructor(private readonly directory: string) {}

  /** What of `data` is not kept as it is now, which is fetched. */
  async stale(data: readonly Datum[], target: PosixTarget): Promise<Stale[]> {
    const found: Stale[] = [];
    for (const [iden1, iden2] of data) {
      const file = this.#fileOf([iden1, iden2]);
      const content = await target.dataStream(iden1, iden2);
      if (!(await hasContent(file, content))) found.push({ file, content });
    }
    return found;
  }

  async write(stale: readonly Stale[], target: PosixTarget): Promise<void> {
    if (stale.length === 0) return;
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    const { mode, uid } = lstatSync(this.directory);
    if ((mode & 0o170077) !== 0o040000 || uid !== process.getuid?.())
      throw new FailedChange(
        `${this.directory} must be a directory with mode 0700 of the user who deploys; other users can read what is in it: remove it, and deploy again`,
      );
    for (const { file, content } of stale) await target.ensureContent(file, content, { mode: 0o600 });
  }

  /** Removes all data but `data`. Returns whether there was any. */
  prune(data: readonly Datum[]): boolean {
    const needed = new Set(data.map((each) => this.#fileOf(each)));
    const names = tryOrUndefined(() => readdirSync(this.directory)) ?? [];
    const files = names.map((name) => path.join(this.directory, name)).filter((file) => !needed.has(file));
    for (const file of files) rmSync(file, { recursive: true, force: true });
    if (needed.size === 0) tryOrUndefined(() => rmdirSync(this.directory));
    return files.length > 0;
  }

  /** Gets what is kept. */
  readonly lookup: DataLookup = async (iden1, iden2) => {
    const file = this.#fileOf([iden1, iden2]);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat)
      throw new MissingData(
        `this host, which repeats its deployment by itself, does not keep (${iden1}, ${iden2}); it is left out with { without: … }, or was not yet needed when this host was last deployed`,
      );
    return stat.size > PIECE_BYTES ? inPieces(file, stat.size) : readFile(file);
  };

  #fileOf(datum: Datum): string {
    const name = createHash("sha256").update(JSON.stringify(datum)).digest("hex").slice(0, 32);
    return path.join(this.directory, name);
  }
}

async function hasContent(file: string, content: Secret | SecretStream): Promise<boolean> {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile() || stat.size !== content.size || (stat.mode & 0o7777) !== 0o600) return false;
  if (content instanceof Secret) return (await readFile(file)).equals(content.reveal());
  return (await fileDigest(file)) === content.sha256;
}

/** No deployment replaces the file meanwhile: the one that reads it holds the host. */
async function inPieces(file: string, size: number): Promise<LargeDatum> {
  const piece: LargeDatum["piece"] = async (at, into = () => Buffer.allocUnsafe(PIECE_BYTES)) => {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read({ buffer: into(), position: at });
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  };
  return { size, sha256: await fileDigest(file), piece };
}
