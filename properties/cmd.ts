/** Commands as properties: for what no property says yet. */
import {
  defprop,
  FailedChange,
  type PosixTarget,
  RunFailed,
  type RunOptions,
  schema,
  shellWords,
} from "consfigurator";

const { boolean, either, integer, list, nullable, object, optional, path, record, string } = schema;

/** A word of a command; lists are spliced in, and nothing is left out. */
export type Word = string | null | undefined | false | readonly Word[];

const options = {
  /** Exported before the command runs; null unsets. */
  env: optional(record(nullable(string()))),
  /** Where the command runs; the home directory of the connected user unless given. */
  cwd: optional(path()),
  /** Given to the command on its standard input. */
  input: optional(string()),
  /** True: the output is shown live. */
  inform: optional(boolean()),
  /** True: a non-zero exit code is no failure. */
  mayFail: optional(boolean()),
  /** Seconds after which the command is ended, which is a failure. */
  timeout: optional(integer({ minimum: 1 })),
  /** The command holds already when there is something at this path. */
  creates: optional(path()),
  /** The command holds already when there is nothing at this path. */
  removes: optional(path()),
  /** The command holds already unless this shell command ends with exit code 0. */
  onlyIf: optional(string()),
  /** The command holds already when this shell command ends with exit code 0. */
  unless: optional(string()),
};
const args = object({
  command: either(string({ minLength: 1 }), list(string(), { minItems: 2 })),
  ...options,
});
type Args = schema.Infer<typeof args>;
export type CommandOptions = Omit<Args, "command">;

/**
 * The command has been run. One word is shell text, taken as it is; several are each quoted. It is run at every
 * deployment, and counts as a change each time, unless one of the options `creates`, `removes`, `onlyIf`, `unless`
 * says that it holds already. Options stand last: those, `env`, `cwd`, `input`, `inform`, `mayFail`, `timeout`.
 *
 * @example cmd.single("mysqladmin", "create", "shop", { unless: "mysqlshow shop" })
 * @example cmd.single("zcat /srv/dump.gz | mysql shop", { timeout: 600 })
 */
export const single = defprop({
  name: "cmd.single",
  kind: "posix",
  args,
  call: (...params: (Word | CommandOptions)[]): Args => {
    const words = params.filter((param): param is Word => !isOptions(param)).flatMap(spliced);
    const [options = {}] = params.filter(isOptions);
    const [only] = words;
    return { command: words.length <= 1 ? (only ?? "") : words, ...options };
  },
  desc: ({ command }) => asText(command),
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
});

const isOptions = (param: Word | CommandOptions): param is CommandOptions =>
  typeof param === "object" && param !== null && !Array.isArray(param);

const spliced = (word: Word): string[] =>
  typeof word === "string" ? [word] : Array.isArray(word) ? (word as readonly Word[]).flatMap(spliced) : [];

const asText = (command: string | readonly string[]): string =>
  typeof command === "string" ? command : shellWords(command);

async function runOne(
  { command, env, cwd, input, inform, mayFail, timeout }: Args,
  target: PosixTarget,
): Promise<void> {
  const text = asText(command);
  const options: RunOptions = {
    ...(env && { env }),
    ...(cwd !== undefined && { cwd }),
    ...(input !== undefined && { input }),
    ...(inform && { inform }),
    excerpt: true,
  };
  if (timeout === undefined) {
    await target.run(text, { ...options, ...(mayFail && { mayFail }) });
    return;
  }
  const limited = shellWords(["timeout", "-k", "5", String(timeout), "sh", "-c", text]);
  const result = await target.run(limited, { ...options, mayFail: true });
  if (result.exit === timedOut)
    throw new FailedChange(`\`${text}\` was ended: it took longer than ${timeout} s`);
  if (result.exit !== 0 && !mayFail) throw new RunFailed(text, result);
}

/** What timeout(1) answers when it had to end the command. */
const timedOut = 124;
