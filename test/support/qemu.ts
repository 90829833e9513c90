/** Virtual machines that boot from an image of a disk, under emulation. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const OVMF = "/usr/share/OVMF";

/** What a machine prints on its first serial line until it is powered off. It is killed after `seconds`. */
export async function bootedFrom(
  image: string,
  { firmware, seconds }: { readonly firmware: "bios" | "uefi"; readonly seconds: number },
): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), "qemu-"));
  const variables = path.join(directory, "variables.fd");
  if (firmware === "uefi") copyFileSync(`${OVMF}/OVMF_VARS_4M.fd`, variables);
  const pflash = (unit: number, file: string, options = "") => [
    "-drive",
    `if=pflash,format=raw,unit=${unit},file=${file}${options}`,
  ];
  const machine = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-smp", "2", "-m", "1024"],
      ...["-display", "none", "-serial", "stdio", "-no-reboot", "-net", "none"],
      ...(firmware === "uefi"
        ? [...pflash(0, `${OVMF}/OVMF_CODE_4M.fd`, ",readonly=on"), ...pflash(1, variables)]
        : []),
      // What the machine writes is thrown away.
      ...["-drive", `file=${image},format=raw,if=virtio,snapshot=on`],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  try {
    return await printed(machine, seconds);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function printed(machine: ChildProcess, seconds: number): Promise<string> {
  const pieces: Buffer[] = [];
  machine.stdout?.on("data", (piece: Buffer) => pieces.push(piece));
  const killing = setTimeout(() => machine.kill("SIGKILL"), seconds * 1000);
  try {
    await once(machine, "close");
  } finally {
    clearTimeout(killing);
    machine.kill("SIGKILL");
  }
  return Buffer.concat(pieces).toString();
}
