/** Debian in a directory, by debootstrap(8) or mmdebstrap(1). */
import {
  AbortedChange,
  attribute,
  type Change,
  type HostFacts,
  InapplicableProperty,
  type PosixTarget,
  type RunOptions,
  schema,
} from "consfigurator";
import { unmountedBelowAndRemoved } from "./_mounts";
import * as os from "./_os";

const { boolean, either, integer, list, record, string } = schema;

type Value = string | number | boolean | readonly string[];

const words = () => string({ pattern: "^[^\\n\\r]+$", description: "words on one line" });

/** Options by their names in camel case, such as `aptProxy` and `include`. */
export const bootstrapOptions = (): schema.Schema<Record<string, Value>> =>
  record(either(words(), integer(), boolean(), list(words())), {
    propertyNames: { pattern: "^[a-z][A-Za-z0-9]*$" },
  }) as schema.Schema<Record<string, Value>>;

/**
 * `aptProxy` and `aptMirror` replace the proxy and the mirrors that the host inside declares. Others are long options of debootstrap, such
 * as `include`, `components`, `variant` and `keyring`, which mmdebstrap has, too: a list is joined by commas, and `true` is
 * an option without a value.
 */
export interface BootstrapOptions {
  readonly aptProxy?: string;
  readonly aptMirror?: string | readonly string[];
  readonly include?: string | readonly string[];
  readonly components?: string | readonly string[];
  readonly variant?: string;
  readonly keyring?: string;
  readonly [debootstrapLongOption: string]: Value | undefined;
}

/** What is to be in a directory, according to the host that is deployed there. */
export interface Inside {
  readonly root: string;
  readonly value: os.OsValue;
  readonly mirrors: readonly string[];
  readonly proxy: string | null;
}

/** The systems that are to be in directories of a host, the newest first. */
export const insides = attribute<Inside>("chroot/insides");

/** What `child` says of the system in `root`. Refuses what cannot be bootstrapped. */
export function insideOf(root: string, child: HostFacts): Inside {
  const value = os.of(child);
  if (!value || !os.isA(value, "debian"))
    throw new InapplicableProperty(
      `what is to be in ${root} is not declared to run Debian; put os.debianStable("bookworm", "amd64") or the like first among its properties`,
    );
  // Throws where one of them is missing.
  os.debianSuite(value);
  os.debianArchitecture(value);
  return {
    root,
    value,
    mirrors: child.all(attribute<string>("apt.mirrors")),
    proxy: child.newest(attribute<string>("apt.proxy")) ?? null,
  };
}

export const insideAt = (host: HostFacts, root: string): Inside => {
  const found = host.all(insides).find((each) => each.root === root);
  if (found) return found;
  throw new InapplicableProperty(`nothing is declared to be in ${root}`);
};

const ofBoth = new Set(["include", "components", "variant", "keyring", "aptProxy", "aptMirror"]);

/** mmdebstrap is quicker, but does not know all options, and is not everywhere. */
export const usesMmdebstrap = (host: HostFacts, options: BootstrapOptions): boolean =>
  os.runs(host, "debianlike") && Object.keys(options).every((key) => ofBoth.has(key));

/** Whether a whole system is in `root`. */
export async function isBootstrapped(target: PosixTarget, root: string): Promise<boolean> {
  const [system, ...unfinished] = await Promise.all([
    target.stat(`${root}/usr/lib/os-release`),
    ...WORK.map((name) => target.lstat(`${root}/${name}`)),
  ]);
  return system !== undefined && unfinished.every((each) => each === undefined);
}

/** Directories in the root that are there while the tools work. */
const MMDEBSTRAP = "mmdebstrap";
const WORK = ["debootstrap", MMDEBSTRAP];

/**
 * Puts the system that is declared for `root` there. What an interrupted run has left is removed first. `plan`: what the caller does
 * with it afterwards may touch more.
 */
export async function bootstrap(
  target: PosixTarget,
  root: string,
  options: BootstrapOptions,
  plan: Pick<RunOptions, "touches"> = { touches: { paths: [root] } },
): Promise<Change> {
  const inside = insideAt(target.host, root);
  await refuseOthers(target, root);
  await target.makeDirectory(root);
  if (!usesMmdebstrap(target.host, options)) {
    const { aptProxy = inside.proxy } = options;
    const env = aptProxy === null ? {} : { http_proxy: aptProxy };
    const words = debootstrapWords(inside, options);
    const first = await target.run(words, { env, inform: true, ...plan, mayFail: true });
    // Mirrors fail now and then, and what it has downloaded stays for a second try.
    if (first.exit !== 0) await target.run(words, { env, inform: true, ...plan });
    return "changed";
  }
  const fresh = `${root}/${MMDEBSTRAP}`;
  await target.run(mmdebstrapWords(inside, options, fresh), { inform: true, ...plan });
  for (const name of (await target.list(fresh)) ?? [])
    await target.rename(`${fresh}/${name}`, `${root}/${name}`);
  await target.remove(fresh, { recursive: true });
  return "changed";
}

/** Empties what an interrupted run has left; anything else that is there stays, and is refused. */
async function refuseOthers(target: PosixTarget, root: string): Promise<void> {
  const names = (await target.list(root)) ?? [];
  if (names.some((name) => WORK.includes(name))) {
    await unmountedBelowAndRemoved(target, root);
    return;
  }
  // A file system that was just made has this.
  const others = names.filter((name) => name !== "lost+found");
  if (others.length > 0)
    throw new AbortedChange(
      `${root} has no whole system but is not empty (${others.slice(0, 5).join(", ")}); move that away, or name another directory`,
    );
}

function optionWords(options: BootstrapOptions): string[] {
  return Object.entries(options).flatMap(([key, value]) => {
    if (key === "aptProxy" || key === "aptMirror" || value === undefined || value === false) return [];
    const name = `--${key.replace(/[A-Z]/g, (each) => `-${each.toLowerCase()}`)}`;
    return [value === true ? name : `${name}=${[value].flat().join(",")}`];
  });
}

const mirrorsOf = ({ mirrors }: Inside, { aptMirror = mirrors }: BootstrapOptions): string[] =>
  [aptMirror].flat();

export function debootstrapWords(inside: Inside, options: BootstrapOptions): string[] {
  const { root, value } = inside;
  const arch = `--arch=${os.debianArchitectureString(value)}`;
  const mirror = mirrorsOf(inside, options).slice(0, 1);
  return ["debootstrap", ...optionWords(options), arch, os.debianSuite(value), root, ...mirror];
}

/** As `patiently` of apt-get; mmdebstrap keeps its options for apt in what it makes. */
const neverWaiting = [
  '--aptopt=Acquire::Retries::Delay "false"',
  '--customize-hook=f=$1/etc/apt/apt.conf.d/99mmdebstrap; sed -i "/^Acquire::Retries::Delay /d" "$f"; [ -s "$f" ] || rm "$f"',
];

export function mmdebstrapWords(inside: Inside, options: BootstrapOptions, into: string): string[] {
  const { value, proxy } = inside;
  const { aptProxy = proxy } = options;
  return [
    ...["mmdebstrap", "--mode=root", "--format=directory", `--arch=${os.debianArchitectureString(value)}`],
    ...neverWaiting,
    ...(aptProxy === null ? [] : [`--aptopt=Acquire::http { Proxy "${aptProxy}"; }`]),
    ...optionWords(options),
    ...["--", os.debianSuite(value), into, ...mirrorsOf(inside, options)],
  ];
}
