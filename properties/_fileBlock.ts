import {
  AbortedChange,
  defprop,
  InapplicableProperty,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { fileLine, type Lines } from "./_lines";
import { checker, checking } from "./_validate";

const { list, object, oneOf, optional, path, string } = schema;

const blockArgs = object({
  path: path(),
  name: string({
    pattern: "^[^\\s](?:[^\\n\\r]*[^\\s])?$",
    description: 'the name of a block, such as "the shop"',
  }),
  lines: list(fileLine(), { minItems: 1 }),
  comment: optional(
    string({
      pattern: "^[^\\s\\w][^\\n\\r]*$",
      description: 'how comments begin in the file, such as "#" or "//"',
    }),
  ),
  at: optional(oneOf("beginning", "end")),
  validate: optional(checker()),
});
type BlockArgs = schema.Infer<typeof blockArgs>;

/**
 * `path` contains `lines` as one block between two comments that name it, `# BEGIN name` and `# END name`. Other lines are left
 * alone, and a block that is there is replaced where it stands. A new one goes to the end, or with `at` to the beginning.
 * `comment` is how comments begin in the file (default: `#`). Missing parent directories are created. Refused when one of
 * the two comments is missing. `validate` as in `file.hasContent`. Unapplying it deletes the block.
 *
 * @example file.hasBlock("/etc/hosts", "the shop", ["192.0.2.7 db", "192.0.2.8 cache"])
 */
export const hasBlock = defprop({
  name: "file.hasBlock",
  kind: "posix",
  args: blockArgs,
  call: (
    path: string,
    name: string,
    lines: Lines,
    options: {
      readonly comment?: string;
      readonly at?: "beginning" | "end";
      readonly validate?: string | readonly string[];
    } = {},
  ) => ({
    path,
    name,
    lines: typeof lines === "string" ? withoutNewline(lines).split("\n") : [...lines],
    ...options,
  }),
  desc: ({ path, name }) => `${path} has the block "${name}"`,
  hostattrs: (args) => {
    const marker = args.lines.find((line) => Object.values(markers(args)).includes(line));
    if (marker !== undefined)
      throw new InapplicableProperty(
        `the line "${marker}" marks the block itself; leave it out of the lines`,
      );
  },
  apply: (args, target) =>
    withCreatedNoted(target, args.path, () =>
      target.editLines(args.path, (old) => withBlock(old, args), checking(target, args.path, args.validate)),
    ),
  unapply: (args, target) =>
    withCreatedRemoved(target, args.path, () =>
      target.editLines(
        args.path,
        (old) => withoutBlock(old, args),
        checking(target, args.path, args.validate),
      ),
    ),
});

const withoutNewline = (text: string): string => text.replace(/\n$/, "");

const markers = ({ name, comment = "#" }: BlockArgs): { begin: string; end: string } => ({
  begin: `${comment} BEGIN ${name}`,
  end: `${comment} END ${name}`,
});

function withBlock(old: readonly string[], args: BlockArgs): string[] {
  const { begin, end } = markers(args);
  const block = [begin, ...args.lines, end];
  const found = blockIn(old, args);
  if (found) return [...old.slice(0, found.from), ...block, ...old.slice(found.to)];
  return args.at === "beginning" ? [...block, ...old] : [...old, ...block];
}

function withoutBlock(old: readonly string[], args: BlockArgs): string[] {
  const found = blockIn(old, args);
  return found ? [...old.slice(0, found.from), ...old.slice(found.to)] : [...old];
}

/** Where the block begins, and where what follows it does. Refuses a file in which that is not clear. */
function blockIn(lines: readonly string[], args: BlockArgs): { from: number; to: number } | undefined {
  const { begin, end } = markers(args);
  const begins = lines.flatMap((line, at) => (line.trimEnd() === begin ? [at] : []));
  const ends = lines.flatMap((line, at) => (line.trimEnd() === end ? [at] : []));
  const [from, to] = [begins[0], ends[0]];
  if (from === undefined && to === undefined) return undefined;
  if (begins.length === 1 && ends.length === 1 && from !== undefined && to !== undefined && from < to)
    return { from, to: to + 1 };
  const seen = [...begins.map((at) => [at, begin] as const), ...ends.map((at) => [at, end] as const)]
    .sort(([one], [other]) => one - other)
    .map(([at, text]) => `"${text}" in line ${at + 1}`);
  throw new AbortedChange(
    `where the block "${args.name}" of ${args.path} begins and ends is not clear: there is ${seen.join(", ")}; correct the file by hand`,
  );
}
