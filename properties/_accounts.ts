/** What properties of accounts and groups require. */
import {
  AbortedChange,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  type User,
} from "consfigurator";
import { isA, of, shown } from "./_os";

/** The account `username`. Throws `AbortedChange` when there is none. */
export async function existing(target: PosixTarget, username: string): Promise<User> {
  const found = await target.user(username);
  if (found) return found;
  throw new AbortedChange(
    `the account ${username} does not exist; put user.hasAccount("${username}") before this property`,
  );
}

/** Requires the tools of Debian, or those of `other` if given. */
export function needsUsermod(host: HostFacts, other?: "freebsd"): void {
  const value = of(host);
  if (value && (isA(value, "debianlike") || (other && isA(value, other)))) return;
  const wanted = other ? `debianlike or ${other}` : "debianlike";
  const found = value ? `runs ${shown(value)}` : "has no operating system declared yet";
  throw new InapplicableProperty(`it needs a ${wanted} system, but ${host.name} ${found}`);
}
