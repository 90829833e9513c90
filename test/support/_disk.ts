/** The disk of a test machine: an overlay over the base, with host name, address and host key of this machine. */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Base, resolverFile } from "./_base";
import { addressOf, gateway, mtu, prefixLength } from "./_network";
import { run } from "./_run";
import { type Slot, updateSlot } from "./_slots";

/** A machine, ready to start. */
export interface Placement {
  readonly slot: Slot;
  readonly name: string;
  readonly address: string;
  readonly root: string;
  readonly upper: string;
  readonly hostKey: string;
}

export interface DiskOptions {
  readonly name?: string;
  readonly diskLimit?: number;
}

export async function makeDisk(taken: Slot, from: Base, options: DiskOptions): Promise<Placement> {
  const slot = updateSlot(taken, { base: from.directory });
  const { root, upper } = await mountOverlay(slot.directory, from.root, options.diskLimit);
  const name = options.name ?? `t${slot.number}`;
  const address = addressOf(slot.number);
  writeIdentity(root, name, address);
  return { slot, name, address, root, upper, hostKey: await makeHostKey(root) };
}

/**
 * `volatile`: nothing syncs to disk, as the machine need not survive a crash of this computer. `redirect_dir`:
 * directories of the base can be renamed, as on any disk.
 */
async function mountOverlay(
  directory: string,
  lower: string,
  limit?: number,
): Promise<{ root: string; upper: string }> {
  const disk = path.join(directory, "disk");
  const [root, upper, work] = [
    path.join(directory, "root"),
    path.join(disk, "upper"),
    path.join(disk, "work"),
  ];
  mkdirSync(disk);
  if (limit !== undefined)
    await run(["mount", "-t", "tmpfs", "-o", `size=${limit},mode=755`, "test-machine", disk]);
  for (const made of [root, upper, work]) mkdirSync(made, { mode: 0o755 });
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work},volatile,redirect_dir=on`;
  await run(["mount", "-t", "overlay", "-o", options, "test-machine", root]);
  return { root, upper };
}

function writeIdentity(root: string, name: string, address: string): void {
  const write = (file: string, text: string) => writeFileSync(path.join(root, file), text);
  write("etc/hostname", `${name}\n`);
  // No test machine downloads the agent's runtime from the internet.
  write("etc/hosts", `127.0.0.1\tlocalhost\n127.0.1.1\t${name}\n127.0.0.1\tregistry.npmjs.org\n`);
  write("etc/machine-id", `${randomBytes(16).toString("hex")}\n`);
  write("etc/test-machine-network", `ADDRESS=${address}/${prefixLength}\nGATEWAY=${gateway}\nMTU=${mtu()}\n`);
  copyFileSync(resolverFile(), path.join(root, "etc/resolv.conf"));
}

async function makeHostKey(root: string): Promise<string> {
  const file = path.join(root, "etc/ssh/ssh_host_ed25519_key");
  await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file]);
  return readFileSync(`${file}.pub`, "utf8").trim();
}
