import {
  AbortedChange,
  type Change,
  defprop,
  FailedChange,
  InapplicableProperty,
  type PosixTarget,
  schema,
  shellWords,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { sha256Of } from "./_fileDownloaded";
import { nameOf, parentOf } from "./_paths";

const { integer, object, optional, path } = schema;

const extractedArgs = object({
  archive: path(),
  into: path(),
  strip: optional(
    integer({ minimum: 0, maximum: 20, description: "a number of leading directories, such as 1" }),
  ),
});
type ExtractedArgs = schema.Infer<typeof extractedArgs>;

/**
 * The directory `into` is what the archive `archive` on the host has in it: a tar, compressed or not, or a zip. `strip` is the
 * number of leading directories that are left out of its names. When the archive changes, the directory is replaced as a
 * whole, with everything that others have put there; the new one is complete before the old one goes. Refused for a directory
 * that is not empty, and that this property has not made. What was extracted is remembered beside it, in a file
 * `.NAME.extracted`. Unapplying it deletes both.
 *
 * @example file.extracted("/usr/local/src/shop-1.2.tar.gz", "/opt/shop", { strip: 1 })
 */
export const extracted = defprop({
  name: "file.extracted",
  kind: "posix",
  args: extractedArgs,
  call: (archive: string, into: string, options: { readonly strip?: number } = {}) => ({
    archive,
    into,
    ...options,
  }),
  desc: ({ archive, into }) => `${into} extracted from ${archive}`,
  hostattrs: ({ archive, strip }) => {
    if (isZip(archive) && strip !== undefined)
      throw new InapplicableProperty(
        "unzip cannot leave out leading directories; leave out strip, or use a tar",
      );
  },
  apply: async (args, target) => {
    const { archive, into } = args;
    const wanted = await stampText(args, target);
    if (wanted === undefined)
      throw new AbortedChange(
        `there is no file ${archive} on ${target.host.name}; put what brings it, such as file.downloaded, before this property`,
      );
    const [present, stamp] = await Promise.all([target.list(into), target.readBytes(stampOf(args))]);
    if (present && stamp?.toString() === wanted) return "unchanged";
    if (present !== undefined && present.length > 0 && !stamp)
      throw new AbortedChange(
        `${into} is not empty, and this property has not made it, so it is not replaced; give another directory, or delete it with file.directoryDoesNotExist`,
      );
    if (present === undefined && (await target.lstat(into)))
      throw new AbortedChange(
        `${into} is not a directory, so nothing can be extracted there; give another name`,
      );
    await withCreatedNoted(target, parentOf(into), () => target.makeDirectory(parentOf(into)));
    return target.withTemporaryDirectory<Change>(
      async (draft) => {
        const fresh = `${draft}/new`;
        await target.makeDirectory(fresh);
        await extract(args, fresh, target);
        // Without the stamp the directory would not be replaced if this is interrupted.
        if (present) await target.ensureContent(stampOf(args), "incomplete\n", { mode: 0o644 });
        if (present) await target.rename(into, `${draft}/old`);
        await target.rename(fresh, into);
        await target.ensureContent(stampOf(args), wanted, { mode: 0o644 });
        return "changed";
      },
      { directory: parentOf(into) },
    );
  },
  unapply: async (args, target) => {
    if (!(await target.stat(stampOf(args)))) return "unchanged";
    return withCreatedRemoved(target, args.into, async () => {
      await target.remove(args.into, { recursive: true });
      return target.remove(stampOf(args));
    });
  },
});

const stampOf = ({ into }: ExtractedArgs): string => {
  const parent = parentOf(into);
  return `${parent === "/" ? "" : parent}/.${nameOf(into)}.extracted`;
};

/** What is remembered of an extraction; undefined when there is no archive. */
async function stampText(
  { archive, strip = 0 }: ExtractedArgs,
  target: PosixTarget,
): Promise<string | undefined> {
  const sha256 = await sha256Of(target, archive);
  return sha256 && `${sha256} ${strip} ${archive}\n`;
}

const isZip = (archive: string): boolean => /\.(zip|jar|war)$/i.test(archive);

async function extract(
  { archive, into, strip = 0 }: ExtractedArgs,
  fresh: string,
  target: PosixTarget,
): Promise<void> {
  const file = (await target.realPath(archive)) ?? archive;
  const words = isZip(archive)
    ? ["unzip", "-q", file, "-d", fresh]
    : ["tar", "-x", "-f", file, "-C", fresh, "--no-same-owner", `--strip-components=${strip}`];
  const [program = ""] = words;
  if (!(await target.hasCommand(program)))
    throw new AbortedChange(
      `${target.host.name} has no ${program}, which extracts ${archive}; put apt.installed("${program}"), or what provides it there, before this property`,
    );
  const { exit, stderr } = await target.run(words, { mayFail: true, touches: { paths: [into, fresh] } });
  if (exit === 0) return;
  throw new FailedChange(
    `cannot extract ${archive}: ${stderr.trim() || `\`${shellWords(words)}\` ended with exit code ${exit}`}`,
  );
}
