/** Passwords of roles of PostgreSQL. */
import { createHash, randomBytes } from "node:crypto";
import {
  AbortedChange,
  defprop,
  defproplist,
  type HostFacts,
  type PosixTarget,
  Secret,
  schema,
} from "consfigurator";
import { needed } from "./_needs";
import * as os from "./_os";
import { installed } from "./_postgresInstalled";
import { answerOf, execute, identifier, literal, sqlName } from "./_psql";
import { SALT_BYTES, verifier } from "./_scram";

const { datum, object, optional, string } = schema;

const PROPERTY = "postgres.userHasPassword";

const passwordArgs = object({ user: string(), data: datum() });
type PasswordArgs = schema.Infer<typeof passwordArgs>;

/** Salt and rounds of what the server keeps, and a hash of it, which says no more about the password. */
const questionAbout = (user: string): string =>
  `SELECT substring(rolpassword from '^SCRAM-SHA-256[$]([0-9]+:[^$]+)[$]'), encode(sha256(rolpassword::bytea), 'hex') FROM pg_authid WHERE rolname = ${literal(user)}`;

const hashOf = (kept: string): string => createHash("sha256").update(kept).digest("hex");

async function passwordFrom(target: PosixTarget, data: PasswordArgs["data"]): Promise<string> {
  const [iden1, iden2] = data;
  const password = (await target.data(iden1, iden2))
    .reveal()
    .toString()
    .replace(/\r?\n$/, "");
  if (/^[ -~]+$/.test(password)) return password;
  throw new AbortedChange(
    `the data (${iden1}, ${iden2}) is not a password of ASCII characters on one line, which is what all clients of PostgreSQL send alike; correct it where it comes from`,
  );
}

const passworded = defprop({
  name: "postgres._passworded",
  kind: "posix",
  args: passwordArgs,
  desc: ({ user }) => `password of ${user}`,
  hostattrs: ({ data }, host) => host.requireData(...data),
  check: async ({ user, data }, target) => {
    const answer = await answerOf(target, PROPERTY, questionAbout(user));
    // More rounds than these take seconds, and the number is what the host says.
    const [, rounds, salt, hash] = /^([1-9]\d{0,5}):(\S+)\|(\w+)$/.exec(answer ?? "") ?? [];
    if (rounds === undefined || salt === undefined) return false;
    return hashOf(verifier(await passwordFrom(target, data), salt, Number(rounds))) === hash;
  },
  apply: async ({ user, data }, target) => {
    const kept = verifier(await passwordFrom(target, data), randomBytes(SALT_BYTES).toString("base64"));
    const [, saltAndRounds] = kept.split("$");
    await execute(target, PROPERTY, {
      shown: `a password of ${identifier(user)}`,
      // The server never gets the password itself, which it could log.
      statement: new Secret(`ALTER ROLE ${identifier(user)} PASSWORD ${literal(kept)}`),
      question: questionAbout(user),
      answer: `${saltAndRounds}|${hashOf(kept)}`,
    });
    return "changed";
  },
  unapply: async ({ user }, target) => {
    const statement = `ALTER ROLE ${identifier(user)} PASSWORD NULL`;
    await execute(target, PROPERTY, {
      shown: statement,
      statement,
      question: questionAbout(user),
      answer: "|",
    });
    return "changed";
  },
});

/**
 * The role `user` of PostgreSQL, which must exist, has the password that is the prerequisite data `data`: by default
 * ("--postgres-passwd--HOST", `user`), HOST being the name of the host. It is one line of ASCII characters, and reaches the
 * server only as the SCRAM-SHA-256 verifier that the server keeps. Whether the role may log in is another matter: see
 * `postgres.userCanLogin`. Unapplying it takes the password away. Takes PostgreSQL 11 or later.
 *
 * @example postgres.userHasPassword("shop", { data: ["shop.example.org", "database-password"] })
 */
export const userHasPassword = defproplist({
  name: "postgres.userHasPassword",
  args: object({
    user: sqlName('the name of a role, such as "shop"'),
    data: optional(datum()),
  }),
  call: (user: string, { data }: { readonly data?: readonly [iden1: string, iden2: string] } = {}) => ({
    user,
    ...(data && { data }),
  }),
  desc: ({ user }) => `${user} has its password in PostgreSQL`,
  hostattrs: (_args, host: HostFacts) => os.required(host, "debianlike"),
  parts: ({ user, data }, host) => [
    needed(installed()),
    passworded({ user, data: data ?? [`--postgres-passwd--${host.name}`, user] }),
  ],
});
