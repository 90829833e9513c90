/** The form in which PostgreSQL keeps a password: SCRAM-SHA-256, see RFC 5802, RFC 7677, and pg_authid in its manual. */
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

/** Rounds for a new password, as PostgreSQL takes by default. */
const ROUNDS = 4096;

/** Bytes of salt of a new password, as PostgreSQL takes. */
export const SALT_BYTES = 16;

/** What PostgreSQL keeps of `password`, which is ASCII. `salt` in base64. */
export function verifier(password: string, salt: string, rounds = ROUNDS): string {
  const salted = pbkdf2Sync(password, Buffer.from(salt, "base64"), rounds, 32, "sha256");
  const keyed = (text: string) => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(keyed("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${rounds}:${salt}$${stored}:${keyed("Server Key").toString("base64")}`;
}
