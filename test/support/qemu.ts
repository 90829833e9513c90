/** Virtual machines that boot from an image of a disk, under emulation. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const OVMF = "/usr/share/OVMF";

interface Hardware {
  readonly firmware: "bios" | "uefi";
}

/** What a machine prints on its first serial line until it is powered off. It is killed after `seconds`. */
export async function bootedFrom(
  image: string,
  { firmware, seconds }: Hardware & { readonly seconds: number },
): Promise<string> {
  const machine = started(image, { firmware }, ["-no-reboot", "-net", "none"]);
  const killing = setTimeout(() => machine.process.kill("SIGKILL"), seconds * 1000);
  try {
    await machine.ended;
  } finally {
    clearTimeout(killing);
  }
  return machine.printed();
}

/** A machine that runs until `stop`, or the end of this process. It can be rebooted. */
export interface VirtualMachine {
  /** A port of this computer, at 127.0.0.1, that leads to its sshd. */
  readonly port: number;
  /** What it has printed on its first serial line. */
  printed(): string;
  stop(): Promise<void>;
}

export async function startVirtualMachine(image: string, hardware: Hardware): Promise<VirtualMachine> {
  const port = await freePort();
  const network = [
    "-netdev",
    `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22`,
    "-device",
    "virtio-net-pci,netdev=net",
  ];
  const machine = started(image, hardware, network);
  return {
    port,
    printed: machine.printed,
    stop: async () => {
      machine.process.kill("SIGKILL");
      await machine.ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  printed(): string;
}

/** What the machine writes to its disk is thrown away when it ends. */
function started(image: string, { firmware }: Hardware, more: readonly string[]): Started {
  const directory = mkdtempSync(path.join(tmpdir(), "qemu-"));
  const variables = path.join(directory, "variables.fd");
  if (firmware === "uefi") copyFileSync(`${OVMF}/OVMF_VARS_4M.fd`, variables);
  const pflash = (unit: number, file: string, options = "") => [
    "-drive",
    `if=pflash,format=raw,unit=${unit},file=${file}${options}`,
  ];
  const machine = spawn(
    "setpriv",
    [
      ...["--pdeathsig", "KILL", "qemu-system-x86_64"],
      ...["-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-smp", "2", "-m", "1024"],
      ...["-display", "none", "-serial", "stdio", ...more],
      ...(firmware === "uefi"
        ? [...pflash(0, `${OVMF}/OVMF_CODE_4M.fd`, ",readonly=on"), ...pflash(1, variables)]
        : []),
      ...["-drive", `file=${image},format=raw,if=virtio,snapshot=on`],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const pieces: Buffer[] = [];
  machine.stdout?.on("data", (piece: Buffer) => pieces.push(piece));
  const ended = once(machine, "close").then(() => rmSync(directory, { recursive: true }));
  return { process: machine, ended, printed: () => Buffer.concat(pieces).toString() };
}
