/** The tools of LXC, run as the user whose containers they are about. */
import {
  AbortedChange,
  type CommandResult,
  type PosixTarget,
  type QueryOptions,
  schema,
} from "consfigurator";

const { string } = schema;

export const lxcName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    maxLength: 100,
    description: "the name of a container",
  });

/** A user of the host, as far as the tools need to know. */
interface Owner {
  readonly name: string;
  readonly uid: number;
  readonly home: string;
  readonly isCurrent: boolean;
}

/** The account `owner`, or the connected user. Throws `AbortedChange` when there is no such account. */
async function ownerOf(target: PosixTarget, owner: string | undefined): Promise<Owner> {
  const current = await target.identity();
  if (owner === undefined || owner === current.user)
    return { name: current.user, uid: current.uid, home: current.home, isCurrent: true };
  const account = await target.user(owner);
  if (!account)
    throw new AbortedChange(
      `there is no user ${owner}; put user.hasAccount("${owner}") before this property`,
    );
  return { name: owner, uid: account.uid, home: account.home, isCurrent: false };
}

/** The words that run `words` as `owner`, in the environment of that user's session. */
function wordsFor({ name, uid, home, isCurrent }: Owner, words: readonly string[]): string[] {
  const session = uid === 0 ? [] : [`XDG_RUNTIME_DIR=${runtimeDirectory(uid)}`];
  return [
    ...(isCurrent ? [] : ["runuser", "-u", name, "--"]),
    ...["env", "-u", "DBUS_SESSION_BUS_ADDRESS", `HOME=${home}`, ...session],
    ...words,
  ];
}

const runtimeDirectory = (uid: number): string => `/run/user/${uid}`;

/** Asks a tool about the containers of `owner`. */
export async function lxcQuery(
  target: PosixTarget,
  owner: string | undefined,
  words: readonly string[],
  options: QueryOptions = {},
): Promise<CommandResult> {
  return target.query(wordsFor(await ownerOf(target, owner), words), { about: { units: true }, ...options });
}

/** "RUNNING", "STOPPED" or the like; undefined when `owner` has no such container. */
export async function lxcState(
  target: PosixTarget,
  owner: string | undefined,
  name: string,
): Promise<string | undefined> {
  if (!(await target.hasCommand("lxc-info"))) return undefined;
  const { exit, stdout } = await lxcQuery(
    target,
    owner,
    ["lxc-info", `--name=${name}`, "--state", "--no-humanize"],
    { mayFail: true },
  );
  return exit === 0 ? stdout.trim() : undefined;
}

/** Runs a tool that changes the state of a container. */
export async function lxcRun(
  target: PosixTarget,
  owner: string | undefined,
  words: readonly string[],
): Promise<CommandResult> {
  return target.run(wordsFor(await ownerOf(target, owner), words), {
    mayFail: true,
    touches: { units: true },
  });
}

/** Lines of a log in a failure. */
const LOG_LINES = 10;

/**
 * Starts the container. Returns why it did not start, with the last lines of its log; undefined when it did. The log is in the
 * session's own directory, and is read as the owner.
 */
export async function lxcStart(
  target: PosixTarget,
  owner: string | undefined,
  name: string,
): Promise<string | undefined> {
  const { uid } = await ownerOf(target, owner);
  const log = `${uid === 0 ? "/run" : runtimeDirectory(uid)}/lxc-start-${name}.log`;
  const tool = uid === 0 ? "lxc-start" : "lxc-unpriv-start";
  const script = `"$0" --name="$1" --logfile="$2" --logpriority=ERROR; code=$?
[ $code = 0 ] || tail -n ${LOG_LINES} "$2"; rm -f "$2"; exit $code`;
  const { exit, stdout, stderr } = await lxcRun(target, owner, ["sh", "-c", script, tool, name, log]);
  return exit === 0 ? undefined : stdout.trim() || stderr.trim() || `exit code ${exit}`;
}

/** Throws `AbortedChange` unless `owner` is root, or has an instance of systemd, which gives containers their control groups. */
export async function needsSession(target: PosixTarget, owner: string | undefined): Promise<void> {
  const { name, uid } = await ownerOf(target, owner);
  if (uid === 0 || (await target.stat(`${runtimeDirectory(uid)}/systemd/private`))) return;
  throw new AbortedChange(
    `no systemd instance runs for the user ${name}; put systemd.lingeringEnabled("${name}"), applied as root, before this property`,
  );
}
