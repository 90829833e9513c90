/** SQL for the server of PostgreSQL on the host, as its superuser. */
import {
  AbortedChange,
  attribute,
  FailedChange,
  type HostParts,
  type PosixTarget,
  Secret,
  schema,
} from "consfigurator";

const { string } = schema;

/** The account, and role, that may do anything: see `postgres.superuserIs`. */
export const superuser = attribute<string>("postgres.superuser");

/** The name of a role or of a database, which may have capital letters, blanks and signs. */
export const sqlName = (description: string) =>
  string({ pattern: "^[^\\u0000-\\u001f\\\\]+$", maxLength: 63, description });

export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** What the answers of the server depend on, and what statements change. */
const server: HostParts = {
  paths: ["/var/lib/postgresql", "/etc/postgresql"],
  packages: true,
  units: true,
};

/** psql, without the settings of the user, one value a line. It ends at the first error. */
const PSQL = ["psql", "-X", "-q", "-w", "-tA", "-v", "ON_ERROR_STOP=1", "-d", "postgres"];

/** The command that executes `sql`, or its input where that is undefined. */
async function commandFor(target: PosixTarget, property: string, sql: string | undefined): Promise<string[]> {
  const psql = sql === undefined ? PSQL : [...PSQL, "-c", sql];
  const name = target.host.newest(superuser) ?? "postgres";
  const { uid, user } = await target.identity();
  if (user === name) return psql;
  if (uid === 0) return ["runuser", "-u", name, "--", ...psql];
  throw new AbortedChange(
    `${property} needs root or the account ${name}, but the connected user is "${user}"; add via.sudo() to the hops, or use as("${name}", …) around it`,
  );
}

/** What the server answers `question` with; undefined where PostgreSQL is not installed yet. */
export async function answerOf(
  target: PosixTarget,
  property: string,
  question: string,
): Promise<string | undefined> {
  const command = await commandFor(target, property, question);
  const { exit, stdout, stderr } = await target.query(command, { mayFail: true, cwd: "/", about: server });
  if (exit !== 0 && !(await target.hasCommand("psql"))) return undefined;
  if (exit !== 0) throw new FailedChange(`PostgreSQL does not answer: ${said(stderr).replaceAll("\n", " ")}`);
  return stdout.trim();
}

/** Whether the server answers `question`, one value, with true. */
export const isTrue = async (target: PosixTarget, property: string, question: string): Promise<boolean> =>
  (await answerOf(target, property, question)) === "t";

/** A statement after which the server answers `question` with `answer`. */
interface Executed {
  readonly statement: string | Secret;
  /** What is said of it when the server refuses it. */
  readonly shown: string;
  readonly question: string;
  readonly answer: string;
}

/** Has the server execute a statement. */
export async function execute(
  target: PosixTarget,
  property: string,
  { statement, shown, question, answer }: Executed,
): Promise<void> {
  const asked = await commandFor(target, property, question);
  const isSecret = statement instanceof Secret;
  const { exit, stderr } = await target.run(
    await commandFor(target, property, isSecret ? undefined : statement),
    {
      mayFail: true,
      cwd: "/",
      ...(isSecret && { input: statement, secret: true }),
      predict: (model) => {
        model.mayFail();
        model.mayChange({ paths: ["/var/lib/postgresql"] });
        model.answer(asked, { stdout: `${answer}\n` }, server);
        return undefined;
      },
    },
  );
  if (exit === 0) return;
  const reason = said(stderr);
  // What follows the first line repeats the statement.
  throw new FailedChange(
    `PostgreSQL refuses ${shown}: ${isSecret ? reason.split("\n", 1).join() : reason.replaceAll("\n", " ")}`,
  );
}

const said = (stderr: string): string =>
  stderr.trim().replace(/^(psql:( ?<stdin>:\d+:)? )?(error|ERROR): +/, "");
