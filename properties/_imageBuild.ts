/** Builds images of disks as plain files. */
import { FailedChange, type PosixTarget, shellQuote } from "consfigurator";
import type { InImage } from "./_bootloaders";
import { fstabFor } from "./_imageFstab";
import { layoutOf } from "./_imageLayout";
import { imageScript, innerMountPoints, MADE } from "./_imageScript";
import { refuseInSharedDirectory } from "./_sharedDirectory";
import { isFilesystem, mebibytes, placed, plainPath, type Volume } from "./_volumes";

/** A directory, and what is built of it. */
export interface ImageSource {
  readonly image: Volume;
  readonly directory: string;
  readonly boot: readonly InImage[];
}

/** What the files of file systems need besides their blocks: tables, a journal, and room to work. */
const roomFor = (files: number, extra: number): number => Math.ceil(files * 1.1) + 32 + extra;

/** The MiB of file systems without a size of their own: what is in `directory` for them. */
export async function sizesOf(
  target: PosixTarget,
  image: Volume,
  directory: string,
): Promise<Map<Volume, number>> {
  const others = innerMountPoints(image);
  const unsized = placed([image])
    .map(({ volume }) => volume)
    .filter((each) => isFilesystem(each) && each.mountPoint && mebibytes(each.volumeSize) === undefined);
  const sizes = await Promise.all(
    unsized.map(async (volume) => {
      const path = plainPath(volume.mountPoint ?? "/");
      const below = others.filter(
        (each) => each !== path && each.startsWith(path === "/" ? "/" : `${path}/`),
      );
      const excluded = below.map((each) => `--exclude=${directory}${each}/*`);
      const from = path === "/" ? directory : `${directory}${path}`;
      const { stdout } = await target.query(["du", "-smx", ...excluded, from], {
        about: { paths: [directory] },
        // Where there is no such directory, it is made.
        mayFail: true,
      });
      const files = Number.parseInt(stdout, 10) || 0;
      const least = volume.kind === "fat32Filesystem" ? 33 : 1;
      return [volume, Math.max(least, roomFor(files, volume.extraSpace ?? 0))] as const;
    }),
  );
  return new Map(sizes);
}

/**
 * What stands for the state of `directory`: another state, another text. Files that were there for a while change the times of
 * their directories, which do not count.
 */
export async function stateOf(target: PosixTarget, { image, directory, boot }: ImageSource): Promise<string> {
  const { stdout } = await target.query(
    `find ${shellQuote(directory)} -xdev -printf '%P %y %m %U %G %l ' \\( -type d -o -printf '%s %T@ %C@' \\) -printf '\\0' | sort -z | sha256sum`,
    { about: { paths: [directory] } },
  );
  return `${stdout.split(" ")[0]} ${JSON.stringify([image, boot])}\n`;
}

/**
 * Builds `image` with the files of `directory`. It has its name when it is complete: what is killed leaves a draft, which the next
 * run replaces, and nothing else, as all mounts are in a namespace that ends with the command.
 */
export async function buildImage(
  target: PosixTarget,
  { image, directory, boot }: ImageSource,
): Promise<void> {
  const file = image.imageFile ?? "";
  const draft = `${file}.new`;
  const touches = { paths: [file, draft] };
  await refuseInSharedDirectory(target, file);
  try {
    await target.withTemporaryDirectory(async (own) => {
      const layout = layoutOf(image, await sizesOf(target, image, directory));
      const fstab = await fstabFor(target, layout, directory);
      if (fstab !== undefined) await target.writeFile(`${own}/fstab`, fstab);
      if (layout.table !== undefined) await target.writeFile(`${own}/table`, layout.table);
      const script = imageScript({ image, layout, directory, boot, draft, hasFstab: fstab !== undefined });
      await target.writeFile(`${own}/build`, script);
      const { exit, stdout, stderr } = await target.run(["unshare", "--mount", "sh", "-e", "build"], {
        cwd: own,
        mayFail: true,
        excerpt: true,
        env: { SOURCE_DATE_EPOCH: MADE, E2FSPROGS_FAKE_TIME: MADE },
        touches,
      });
      if (exit === 0) return;
      const said = `${stderr}${stdout}`.trim() || `exit code ${exit}`;
      throw new FailedChange(`${file} cannot be built: ${said}`);
    });
  } catch (error) {
    await target.remove(draft).catch(() => {});
    throw error;
  }
  await target.run(`sync ${shellQuote(draft)} && mv ${shellQuote(draft)} ${shellQuote(file)}`, { touches });
}
