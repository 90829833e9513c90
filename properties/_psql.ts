/** SQL for the server of PostgreSQL on the host, as its superuser. */
import {
  AbortedChange,
  attribute,
  FailedChange,
  type HostParts,
  type PosixTarget,
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

async function commandFor(target: PosixTarget, property: string, sql: string): Promise<string[]> {
  const name = target.host.newest(superuser) ?? "postgres";
  const { uid, user } = await target.identity();
  if (user === name) return [...PSQL, "-c", sql];
  if (uid === 0) return ["runuser", "-u", name, "--", ...PSQL, "-c", sql];
  throw new AbortedChange(
    `${property} needs root or the account ${name}, but the connected user is "${user}"; add via.sudo() to the hops, or use as("${name}", …) around it`,
  );
}

/** Whether the server answers `question`, one value, with true. */
export async function isTrue(target: PosixTarget, property: string, question: string): Promise<boolean> {
  const command = await commandFor(target, property, question);
  const { exit, stdout, stderr } = await target.query(command, { mayFail: true, cwd: "/", about: server });
  // Where PostgreSQL is not installed yet, nothing holds.
  if (exit !== 0 && !(await target.hasCommand("psql"))) return false;
  if (exit !== 0) throw new FailedChange(`PostgreSQL does not answer: ${said(stderr)}`);
  return stdout.trim() === "t";
}

/** Has the server execute `statement`, after which it answers `question` with `answer`. */
export async function execute(
  target: PosixTarget,
  property: string,
  statement: string,
  question: string,
  answer = true,
): Promise<void> {
  const asked = await commandFor(target, property, question);
  const { exit, stderr } = await target.run(await commandFor(target, property, statement), {
    mayFail: true,
    cwd: "/",
    predict: (model) => {
      model.mayFail();
      model.mayChange({ paths: ["/var/lib/postgresql"] });
      model.answer(asked, { stdout: answer ? "t\n" : "f\n" }, server);
      return undefined;
    },
  });
  if (exit !== 0) throw new FailedChange(`PostgreSQL refuses ${statement}: ${said(stderr)}`);
}

const said = (stderr: string): string =>
  stderr
    .trim()
    .replace(/^(psql: )?(error|ERROR): +/, "")
    .replaceAll("\n", " ");
