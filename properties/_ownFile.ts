/** Configuration files each of which one property has for itself. */
import {
  AbortedChange,
  attribute,
  type Change,
  type HostModel,
  InapplicableProperty,
  type PosixTarget,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { needsRoot } from "./_needs";

const { object, string } = schema;

/** What is the same for all files of a property. */
export interface OwnFile {
  readonly mode?: number;
  /** A program without which the file means nothing, and the package that has it. */
  readonly needs?: { readonly program: string; readonly package: string };
  /** Throws for content that must not be put in place. */
  readonly judge?: (target: PosixTarget, path: string, draft: Buffer) => Promise<void>;
}

/** `property`: the name of the one that has the file, as in a consfig. */
const fileArgs = object({ path: string(), text: string(), property: string() });
type FileArgs = schema.Infer<typeof fileArgs>;

const contents = attribute<string>("config/files");

/** Refuses a second content for a file that one property has for itself. */
export function refuseAnother(host: HostModel, path: string, text: string): void {
  const other = host
    .all(contents)
    .find((each) => each.startsWith(`${path}\n`) && each !== `${path}\n${text}`);
  if (other !== undefined)
    throw new InapplicableProperty(
      `an earlier property gives ${path} another content; put both into one property, or remove one`,
    );
  host.pushNew(contents, `${path}\n${text}`);
}

/** The slots of a property that writes such a file: the content is judged first. Unapplying it removes the file. */
export const ownFile = (own: OwnFile) => ({
  kind: "posix" as const,
  args: fileArgs,
  desc: ({ path }: FileArgs) => `content of ${path}`,
  hostattrs: ({ path, text }: FileArgs, host: HostModel): void => refuseAnother(host, path, text),
  apply: async ({ path, text, property }: FileArgs, target: PosixTarget): Promise<Change> => {
    await needsRoot(target, property);
    await needsProgram(target, own.needs);
    const { mode, judge } = own;
    return withCreatedNoted(target, path, () =>
      target.ensureContent(path, text, {
        ...(mode !== undefined && { mode }),
        ...(judge && { validate: (draft) => judge(target, path, draft) }),
      }),
    );
  },
  unapply: async ({ path, property }: FileArgs, target: PosixTarget): Promise<Change> => {
    await needsRoot(target, property);
    return withCreatedRemoved(target, path, () => target.remove(path));
  },
});

/** Throws `AbortedChange` where the program of a property is not installed. */
export async function needsProgram(target: PosixTarget, needs: OwnFile["needs"]): Promise<void> {
  if (needs === undefined || (await target.hasCommand(needs.program))) return;
  throw new AbortedChange(
    `${needs.package} is not installed; put apt.installed("${needs.package}") or the like before this property`,
  );
}

/** The name of a file in a directory of configuration files. */
export const fileName = (example: string) =>
  string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_-]*$",
    description: `the name of a file without dots, such as "${example}"`,
  });
