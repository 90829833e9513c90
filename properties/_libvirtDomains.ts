/** The domains of libvirt: virtual machines, by their names. */
import { createHash } from "node:crypto";
import {
  AbortedChange,
  type Change,
  FailedChange,
  type PosixTarget,
  schema,
  shellQuote,
  shellWords,
} from "consfigurator";

const { string } = schema;

export const domainName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    maxLength: 100,
    description: "the name of a virtual machine",
  });

/** The namespace of what a domain knows of the property that defined it, in its metadata. */
const NAMESPACE = "urn:consfigurator:definition";

/** A user other than root would have one of their own otherwise. */
const SYSTEM = "--connect=qemu:///system";
const VIRSH = ["virsh", SYSTEM, "--quiet"];

/** The definition of a persistent domain, which libvirt keeps. */
const fileOf = (name: string): string => `/etc/libvirt/qemu/${name}.xml`;

/** Throws `AbortedChange` where libvirt is not installed. */
export async function needsLibvirt(target: PosixTarget): Promise<void> {
  if (!(await target.hasCommand("virsh")))
    throw new AbortedChange("libvirt is not installed; put libvirt.installed() before this property");
}

export const definitionOf = (words: readonly string[]): string =>
  createHash("sha256").update(JSON.stringify(words)).digest("hex").slice(0, 16);

/** What libvirt has of the domain `name`; undefined when it is not defined. */
async function definition(target: PosixTarget, name: string): Promise<string | undefined> {
  return (await target.readBytes(fileOf(name)))?.toString("utf8");
}

/** Whether the domain is defined by the words `words` of virt-install(1). */
export const isDefined = async (
  target: PosixTarget,
  name: string,
  words: readonly string[],
): Promise<boolean> => (await definition(target, name))?.includes(`>${definitionOf(words)}<`) ?? false;

/** Defines the domain, or defines it anew; one that runs goes on as it is until it is started again. */
export async function define(target: PosixTarget, name: string, words: readonly string[]): Promise<Change> {
  await needsLibvirt(target);
  const [, uuid] = /<uuid>([0-9a-f-]+)<\/uuid>/.exec((await definition(target, name)) ?? "") ?? [];
  const all = [
    "virt-install",
    "--print-xml",
    `--name=${name}`,
    ...(uuid ? [`--uuid=${uuid}`] : []),
    ...words,
  ];
  await target.withTemporaryDirectory(async (directory) => {
    const file = shellQuote(`${directory}/domain.xml`);
    const mark = `<definition>${definitionOf(words)}</definition>`;
    await target.run(
      `${shellWords(all)} >${file} && ${shellWords(VIRSH)} define ${file} && ${shellWords(VIRSH)} metadata ${name} ${NAMESPACE} --config --key consfigurator --set ${shellQuote(mark)}`,
      { touches: { paths: [fileOf(name), directory] } },
    );
  });
  return "changed";
}

/** Removes the definition; a domain that runs goes on until it is shut down. */
export async function undefine(target: PosixTarget, name: string): Promise<Change> {
  if ((await definition(target, name)) === undefined) return "unchanged";
  await target.run([...VIRSH, "undefine", name, "--nvram"], { touches: { paths: [fileOf(name)] } });
  return "changed";
}

/** What virsh lists, by name; nothing where libvirt is not installed. */
export async function listed(target: PosixTarget, list: "list" | "net-list"): Promise<string[]> {
  if (!(await target.hasCommand("virsh"))) return [];
  const { stdout } = await target.query([...VIRSH, list, "--name"], { about: { units: true } });
  return stdout.split("\n").map((line) => line.trim());
}

/** Whether the domain runs. */
export const isRunning = async (target: PosixTarget, name: string): Promise<boolean> =>
  (await listed(target, "list")).includes(name);

/** Runs virsh, which changes what runs. Throws `FailedChange` with what it says. */
export async function virsh(target: PosixTarget, ...words: string[]): Promise<Change> {
  await needsLibvirt(target);
  const { exit, stderr } = await target.run([...VIRSH, ...words], {
    mayFail: true,
    touches: { units: true, paths: ["/etc/libvirt"] },
  });
  if (exit === 0) return "changed";
  throw new FailedChange(
    `virsh ${words.join(" ")}: ${stderr.replace(/^error: /gm, "").trim() || `exit code ${exit}`}`,
  );
}
