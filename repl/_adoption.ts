/** What is on a host, as properties that hold there. */

import { inspect } from "node:util";
import { seqprops } from "../lib/combinators";
import { Deployment } from "../lib/controller/deployment";
import { session } from "../lib/controller/session";
import { as, type Located, on, type PropApp } from "../lib/index";
import type { Hop } from "../lib/model/hop";
import type { Report } from "../lib/model/report";
import { apt, file, hostname, os, ssh, timezone, user } from "../properties";

/** A host that is described, and how it is reached. */
export interface Subject {
  readonly name: string;
  readonly hops: readonly Hop[];
}

/** What was found on a host. */
export interface Adoption {
  /** In the order in which a host would have them. A plan says of each that it holds. */
  readonly applications: readonly PropApp[];
  /** What no property could be given for, and why. */
  readonly left: readonly string[];
}

/** Describes the files at `paths`, or, without any, what distinguishes the host from one that was just installed. */
export async function adopt(subject: Subject, paths: readonly string[]): Promise<Adoption> {
  const left: string[] = [];
  const proposed = paths.length > 0 ? await filesAt(subject, paths, left) : await wholeHost(subject, left);
  const unsure = await notHolding(subject, proposed);
  return {
    applications: proposed.filter((each) => !unsure.has(each)),
    left: [
      ...left,
      ...[...unsure].map(([application, why]) => `${inspect(application).slice(0, 100)}: ${why}`),
    ],
  };
}

async function wholeHost(subject: Subject, left: string[]): Promise<PropApp[]> {
  const asking = on(subject.name, ...subject.hops);
  const [facts, packages, users, keys, conffiles, own, zone] = await Promise.all([
    asking.facts(),
    asking.packages(),
    asking.users(),
    asking.authorizedKeys(),
    asking.conffiles(),
    Promise.all(OWN_FILES.map((pattern) => asking.files(pattern))),
    asking.read("/etc/timezone"),
  ]);
  for (const { message } of [...facts.errors, ...packages.errors, ...users.errors, ...conffiles.errors])
    left.push(message);
  const owned = new Set([...conffiles].map(({ path }) => path));
  const changed = [...conffiles]
    .filter(({ state, path }) => state === "changed" && !SHARED.includes(path))
    .map(({ path }) => path);
  const added = own
    .flatMap((each) => [...each])
    .filter(({ path, type }) => type === "file" && !owned.has(path))
    .map(({ path }) => path);
  const wanted = [...packages].filter(
    ({ manual, priority, section }) =>
      manual === true &&
      (priority === "optional" || priority === "extra") &&
      !LIBRARIES.includes(section ?? ""),
  );
  const [fact] = facts;
  const [architecture] = [...packages].filter(({ name }) => name === "dpkg").map((each) => each.architecture);
  const people = [...users].filter(
    ({ uid, shell }) => uid >= 1000 && uid < 60_000 && !/\/(nologin|false)$/.test(shell),
  );
  return [
    ...(fact?.release && architecture && /^Debian/.test(fact.os)
      ? [os.debianStable(fact.release, architecture)]
      : []),
    ...(fact && subject.name.split(".")[0] === fact.name ? [hostname.configured()] : []),
    ...[...zone].slice(0, 1).map(({ text }) => timezone.configured(text)),
    ...(wanted.length > 0 ? [apt.installed(...wanted.map(({ name }) => name))] : []),
    ...people.flatMap((person) => accountOf(person, [...keys])),
    ...keysOf("root", [...keys]),
    ...(await filesAt(subject, [...changed, ...added], left)),
  ];
}

/** What an administrator adds to a system. */
const OWN_FILES = [
  "/etc/systemd/system/*.service",
  "/etc/systemd/system/*.timer",
  "/etc/cron.d/*",
  "/etc/sysctl.d/*.conf",
  "/etc/sudoers.d/*",
];

/** Sections of packages that others need; those of a new system count as asked for by a person. */
const LIBRARIES = ["libs", "oldlibs", "perl", "python", "introspection"];

/** Other properties keep these, line by line. */
const SHARED = ["/etc/hosts", "/etc/passwd", "/etc/group", "/etc/fstab"];

type Account = Located<{ name: string; groups: readonly string[]; shell: string }>;
type Key = Located<{ user: string; line: string; options: string | null }>;

const accountOf = ({ name, groups, shell }: Account, keys: readonly Key[]): PropApp[] => {
  const others = groups.filter((group) => group !== name);
  return [
    user.hasAccount(name),
    ...(shell === "/bin/sh" ? [] : [user.hasLoginShell(name, shell)]),
    ...(others.length > 0 ? [user.hasGroups(name, ...others)] : []),
    ...keysOf(name, keys),
  ];
};

const keysOf = (name: string, keys: readonly Key[]): PropApp[] => {
  const lines = keys.filter((key) => key.user === name).map(({ line }) => line);
  return lines.length > 0 ? [as(name, ssh.authorizedKeys(...lines))] : [];
};

/** Content, mode and owner of text files. Those that may hold secrets are not read. */
async function filesAt(subject: Subject, paths: readonly string[], left: string[]): Promise<PropApp[]> {
  const asking = on(subject.name, ...subject.hops);
  const stats = (await Promise.all(paths.map((path) => asking.files(path)))).map(([stat]) => stat);
  const described = await Promise.all(
    paths.map(async (path, index) => {
      const stat = stats[index];
      const lines = stat && problemOf(stat) === undefined ? await asking.read(path) : undefined;
      if (!stat || !lines || lines.errors.length > 0 || lines.some(({ text }) => BINARY.test(text))) {
        const problem = stat ? problemOf(stat) : `there is no ${path}`;
        left.push(problem ?? lines?.errors[0]?.message ?? `${path} is no text`);
        return [];
      }
      const mode = Number.parseInt(stat.mode, 8);
      const text = [...lines].map((line) => line.text);
      return [
        file.hasContent(path, text),
        ...(mode === 0o644 ? [] : [file.hasMode(path, mode)]),
        ...(stat.uid === 0 && stat.gid === 0
          ? []
          : [file.hasOwnership(path, { user: stat.uid, group: stat.gid })]),
      ];
    }),
  );
  return described.flat();
}

/** Why the content of a file is not written down; undefined when it is. */
function problemOf({ path, type, mode, sizeBytes }: Stat): string | undefined {
  if (type !== "file") return `${path} is no regular file`;
  const isReadable = (Number.parseInt(mode, 8) & 0o004) !== 0;
  if (!isReadable && !path.startsWith("/etc/sudoers.d/"))
    return `${path} may hold secrets: not everyone may read it`;
  if (sizeBytes > MOST_BYTES)
    return `${path} has ${sizeBytes} bytes, more than the ${MOST_BYTES} that are written down; see file.hasTree`;
  return undefined;
}

interface Stat {
  readonly path: string;
  readonly type: string;
  readonly mode: string;
  readonly sizeBytes: number;
}

/** Control characters arrive as their pictures. */
const BINARY = /[\u2400-\u2421\ufffd]/;

const MOST_BYTES = 16_384;

/** The `applications` of which a plan does not say that they hold, with what it says. */
async function notHolding(
  { name, hops }: Subject,
  applications: readonly PropApp[],
): Promise<Map<PropApp, string>> {
  if (applications.length === 0) return new Map();
  const deployment = new Deployment<Report>({
    scope: "only these",
    fleet: false,
    hosts: [{ name }],
    hops,
    applications: [seqprops(...applications)],
    plan: true,
    adHoc: "silent",
  });
  session.begin(deployment);
  const { steps, failure } = await deployment;
  const tops = steps.filter(({ parent }) => parent === undefined);
  return new Map(
    applications.flatMap((application, index) => {
      const step = tops[index];
      if (step?.plan?.answer === "holds") return [];
      return [
        [
          application,
          failure?.message ?? step?.failure?.message ?? step?.plan?.reason ?? "it would change something",
        ] as const,
      ];
    }),
  );
}
