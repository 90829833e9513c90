/** PostgreSQL: roles and databases of the server on the host. */
import {
  type Change,
  defprop,
  defproplist,
  type HostFacts,
  type PosixTarget,
  type PropApp,
  schema,
} from "consfigurator";
import { needed } from "./_needs";
import * as os from "./_os";
import { installed } from "./_postgresInstalled";
import { execute, identifier, isTrue, literal, sqlName, superuser } from "./_psql";

export { installed } from "./_postgresInstalled";
export { userHasPassword } from "./_postgresPasswords";

const { account, object, optional, string } = schema;

const debianlike = (_args: unknown, host: HostFacts): void => os.required(host, "debianlike");
const role = () => sqlName('the name of a role, such as "shop"');
const database = () => sqlName('the name of a database, such as "shop"');

/**
 * The other properties of `postgres` act as the account and role `name`, instead of "postgres". Put it before them. Does
 * nothing on the host.
 *
 * @example postgres.superuserIs("dba")
 */
export const superuserIs = defprop({
  name: "postgres.superuserIs",
  kind: "posix",
  args: object({ name: account() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `the superuser of PostgreSQL is ${name}`,
  hostattrs: ({ name }, host) => host.push(superuser, name),
});

const statementArgs = object({
  property: string(),
  shown: string(),
  question: string(),
  statement: string(),
  undo: optional(string()),
});

const answered = (
  { property, question }: schema.Infer<typeof statementArgs>,
  target: PosixTarget,
): Promise<boolean> => isTrue(target, property, question);

const done = async (
  { property, question }: schema.Infer<typeof statementArgs>,
  target: PosixTarget,
  statement: string,
  answer: boolean,
): Promise<Change> => {
  await execute(target, property, { statement, shown: statement, question, answer: answer ? "t" : "f" });
  return "changed";
};

/** What a statement makes true, as a question tells. */
const stated = defprop({
  name: "postgres._stated",
  kind: "posix",
  args: statementArgs,
  desc: ({ shown }) => shown,
  check: answered,
  apply: (args, target) => done(args, target, args.statement, true),
});

/** As `stated`, for what another statement undoes. */
const reversible = defprop({
  name: "postgres._reversible",
  kind: "posix",
  args: statementArgs,
  desc: ({ shown }) => shown,
  check: answered,
  apply: (args, target) => done(args, target, args.statement, true),
  unapply: (args, target) => done(args, target, args.undo ?? "", false),
});

const withServer = (application: PropApp): PropApp[] => [needed(installed()), application];
const exists = (from: string, where: string): string => `SELECT EXISTS (SELECT FROM ${from} WHERE ${where})`;

/**
 * PostgreSQL is installed, and has the role `role`. A new one may not log in, and is in no group: see `postgres.userCanLogin`
 * and `postgres.hasGroup`.
 *
 * @example postgres.hasRole("shop")
 */
export const hasRole = defproplist({
  name: "postgres.hasRole",
  args: object({ role: role() }),
  call: (role: string) => ({ role }),
  desc: ({ role }) => `role ${role} in PostgreSQL`,
  hostattrs: debianlike,
  parts: ({ role }) =>
    withServer(
      stated({
        property: "postgres.hasRole",
        shown: `role ${role}`,
        question: exists("pg_roles", `rolname = ${literal(role)}`),
        statement: `CREATE ROLE ${identifier(role)}`,
      }),
    ),
});

/**
 * PostgreSQL is installed, and has the database `name`. A new one belongs to the superuser: see `postgres.databaseHasOwner`.
 *
 * @example postgres.hasDatabase("shop")
 */
export const hasDatabase = defproplist({
  name: "postgres.hasDatabase",
  args: object({ name: database() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `database ${name} in PostgreSQL`,
  hostattrs: debianlike,
  parts: ({ name }) =>
    withServer(
      stated({
        property: "postgres.hasDatabase",
        shown: `database ${name}`,
        question: exists("pg_database", `datname = ${literal(name)}`),
        statement: `CREATE DATABASE ${identifier(name)}`,
      }),
    ),
});

/**
 * The database `name` of PostgreSQL belongs to the role `owner`. Both must exist.
 *
 * @example postgres.databaseHasOwner("shop", "shop")
 */
export const databaseHasOwner = defproplist({
  name: "postgres.databaseHasOwner",
  args: object({ name: database(), owner: role() }),
  call: (name: string, owner: string) => ({ name, owner }),
  desc: ({ name, owner }) => `database ${name} belongs to ${owner}`,
  hostattrs: debianlike,
  parts: ({ name, owner }) =>
    withServer(
      stated({
        property: "postgres.databaseHasOwner",
        shown: `${name} belongs to ${owner}`,
        question: exists(
          "pg_database JOIN pg_roles ON datdba = pg_roles.oid",
          `datname = ${literal(name)} AND rolname = ${literal(owner)}`,
        ),
        statement: `ALTER DATABASE ${identifier(name)} OWNER TO ${identifier(owner)}`,
      }),
    ),
});

/**
 * The role `user` of PostgreSQL is in the group `group`, a role whose rights it then has. Both must exist. Unapplying it
 * takes it out again.
 *
 * @example postgres.hasGroup("shop", "readers")
 */
export const hasGroup = defproplist({
  name: "postgres.hasGroup",
  args: object({ user: role(), group: role() }),
  call: (user: string, group: string) => ({ user, group }),
  desc: ({ user, group }) => `${user} is in ${group} in PostgreSQL`,
  hostattrs: debianlike,
  parts: ({ user, group }) =>
    withServer(
      reversible({
        property: "postgres.hasGroup",
        shown: `${user} is in ${group}`,
        question: exists(
          "pg_auth_members AS m JOIN pg_roles AS u ON m.member = u.oid JOIN pg_roles AS g ON m.roleid = g.oid",
          `u.rolname = ${literal(user)} AND g.rolname = ${literal(group)}`,
        ),
        statement: `GRANT ${identifier(group)} TO ${identifier(user)}`,
        undo: `REVOKE ${identifier(group)} FROM ${identifier(user)}`,
      }),
    ),
});

/**
 * The role `user` of PostgreSQL may log in. It must exist. Unapplying it forbids that again.
 *
 * @example postgres.userCanLogin("shop")
 */
export const userCanLogin = defproplist({
  name: "postgres.userCanLogin",
  args: object({ user: role() }),
  call: (user: string) => ({ user }),
  desc: ({ user }) => `${user} may log in to PostgreSQL`,
  hostattrs: debianlike,
  parts: ({ user }) =>
    withServer(
      reversible({
        property: "postgres.userCanLogin",
        shown: `${user} may log in`,
        question: exists("pg_roles", `rolname = ${literal(user)} AND rolcanlogin`),
        statement: `ALTER ROLE ${identifier(user)} LOGIN`,
        undo: `ALTER ROLE ${identifier(user)} NOLOGIN`,
      }),
    ),
});
