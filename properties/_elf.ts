/** The architectures of Debian by machine, class (32 or 64 bits) and byte order in the header of an ELF file. */
const architectures: Readonly<Record<string, string>> = {
  "3 32 little": "i386",
  "8 32 little": "mipsel",
  "8 64 little": "mips64el",
  "20 32 big": "powerpc",
  "21 64 big": "ppc64",
  "21 64 little": "ppc64el",
  "22 64 big": "s390x",
  "62 32 little": "x32",
  "62 64 little": "amd64",
  "183 64 little": "arm64",
  "243 64 little": "riscv64",
  "258 64 little": "loong64",
};

/** The architecture that the program `bytes` is for, as dpkg calls it; undefined when that is not known. */
export function architectureOf(bytes: Buffer): string | undefined {
  if (bytes.length < HEADER || bytes.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  const bits = bytes[4] === 2 ? 64 : 32;
  const little = bytes[5] === 1;
  const machine = little ? bytes.readUInt16LE(18) : bytes.readUInt16BE(18);
  if (machine === ARM && bits === 32 && little) return armOf(bytes.readUInt32LE(36));
  return architectures[`${machine} ${bits} ${little ? "little" : "big"}`];
}

/** The length of the header of a program of 32 bits; that of 64 bits is longer. */
const HEADER = 52;
const ARM = 40;
const SOFT_FLOAT = 0x200;
const HARD_FLOAT = 0x400;

const armOf = (flags: number): string | undefined =>
  flags & HARD_FLOAT ? "armhf" : flags & SOFT_FLOAT ? "armel" : undefined;
