/** Commands, for cases that no other property covers. */
import {
  defprop,
  FailedChange,
  type HostParts,
  type PosixTarget,
  RunFailed,
  type RunOptions,
  schema,
  shellWords,
} from "consfigurator";

const { absolutePath, boolean, either, integer, list, nullable, object, optional, path, record, string } =
  schema;

/** A word of a command. Lists are flattened; null, undefined and false are left out. */
export type Word = string | null | undefined | false | readonly Word[];

const options = {
  /** Environment variables of the command; null unsets one. */
  env: optional(record(nullable(string()))),
  /** The working directory; the home directory of the connected user unless given. */
  cwd: optional(path()),
  /** The standard input of the command. */
  input: optional(string()),
  /** True: show the output live. */
  inform: optional(boolean()),
  /** True: a non-zero exit code is not a failure. */
  mayFail: optional(boolean()),
  /** Seconds after which the command is killed, which is a failure. */
  timeout: optional(integer({ minimum: 1 })),
  /** All that the command may change. A plan, and what later steps ask ahead of their turn, rely on it. Default: anything. */
  touches: optional(
    object({
      paths: optional(list(absolutePath())),
      packages: optional(boolean()),
      accounts: optional(boolean()),
      units: optional(either(list(string()), boolean())),
      additions: optional(boolean()),
    }),
  ),
  /** Do not run the command if this path exists. */
  creates: optional(path()),
  /** Do not run the command if this path does not exist. */
  removes: optional(path()),
  /** Run the command only if this shell command succeeds. */
  onlyIf: optional(string()),
  /** Do not run the command if this shell command succeeds. */
  unless: optional(string()),
};
const args = object({
  command: either(string({ minLength: 1 }), list(string(), { minItems: 2 })),
  ...options,
});
type Args = schema.Infer<typeof args>;
export type CommandOptions = Omit<Args, "command">;

/**
 * Runs a command. A single word is shell text, used as it is; several words are quoted. The command runs at every
 * deployment and counts as a change each time, unless one of the options `creates`, `removes`, `onlyIf` and `unless`
 * prevents it. Options come last: these, `env`, `cwd`, `input`, `inform`, `mayFail`, `timeout`, and for plans `touches`.
 *
 * @example cmd.single("mysqladmin", "create", "shop", { unless: "mysqlshow shop" })
 * @example cmd.single("zcat /srv/dump.gz | mysql shop", { timeout: 600 })
 */
export const single = defprop({
  name: "cmd.single",
  kind: "posix",
  args,
  call: (...params: (Word | CommandOptions)[]): Args => {
    const words = params.filter((param): param is Word => !isOptions(param)).flatMap(flattened);
    const [options = {}] = params.filter(isOptions);
    const [only] = words;
    return { command: words.length <= 1 ? (only ?? "") : words, ...options };
  },
  desc: ({ command }) => beginning(asText(command)),
  check: async ({ creates, removes, onlyIf, unless, env, cwd }, target) => {
    const context = { ...(env && { env }), ...(cwd && { cwd }) };
    if (creates !== undefined && (await target.lstat(creates))) return true;
    if (removes !== undefined && !(await target.lstat(removes))) return true;
    if (unless !== undefined && (await target.succeeds(unless, context))) return true;
    return onlyIf !== undefined && !(await target.succeeds(onlyIf, context));
  },
  apply: async (args, target) => {
    await runOne(args, target);
    return "changed";
  },
  // `unless` and `onlyIf` are conditions: the command need not change them.
  verify: async ({ creates, removes, mayFail }, target) => {
    if (mayFail) return undefined;
    if (creates !== undefined && !(await target.lstat(creates)))
      return `the command did not create ${creates}; correct the command, or the option creates`;
    if (removes !== undefined && (await target.lstat(removes)))
      return `the command did not remove ${removes}; correct the command, or the option removes`;
    return undefined;
  },
});

const isOptions = (param: Word | CommandOptions): param is CommandOptions =>
  typeof param === "object" && param !== null && !Array.isArray(param);

const flattened = (word: Word): string[] =>
  typeof word === "string" ? [word] : Array.isArray(word) ? (word as readonly Word[]).flatMap(flattened) : [];

const asText = (command: string | readonly string[]): string =>
  typeof command === "string" ? command : shellWords(command);

const beginning = (text: string): string => (text.length > 1000 ? `${text.slice(0, 1000)}…` : text);

async function runOne(
  { command, env, cwd, input, inform, mayFail, timeout, touches }: Args,
  target: PosixTarget,
): Promise<void> {
  const text = asText(command);
  const options: RunOptions = {
    ...(env && { env }),
    ...(cwd !== undefined && { cwd }),
    ...(input !== undefined && { input }),
    ...(inform && { inform }),
    excerpt: true,
    ...(touches && { touches: touches as HostParts }),
  };
  if (timeout === undefined) {
    await target.run(text, { ...options, ...(mayFail && { mayFail }) });
    return;
  }
  const words = ["timeout", "-k", "5", String(timeout)];
  // The kernel takes no argument longer than 128 KiB.
  const limited =
    text.length < LONG
      ? shellWords([...words, "sh", "-c", text])
      : `${shellWords([...words, "sh", "/dev/fd/9"])} 9<<'${END}'\n${text}\n${END}`;
  const result = await target.run(limited, { ...options, mayFail: true });
  if (result.exit === timedOut) throw new FailedChange(`\`${beginning(text)}\` timed out after ${timeout} s`);
  if (result.exit !== 0 && !mayFail) throw new RunFailed(text, result);
}

/** Of a command, in characters. */
const LONG = 30_000;

/** Ends a command in a script. */
const END = "END-OF-THE-COMMAND-6f1c";

/** The exit code of timeout(1) when it killed the command. */
const timedOut = 124;
