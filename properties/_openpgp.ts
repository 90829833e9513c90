/** Keys of OpenPGP (RFC 9580) in ASCII armor. */
import { createHash } from "node:crypto";
import { schema } from "consfigurator";

const { string } = schema;

const lineOf = (word: "BEGIN" | "END", type: "PUBLIC" | "PRIVATE"): string =>
  `-----${word} PGP ${type} KEY BLOCK-----`;
const BEGIN = lineOf("BEGIN", "PUBLIC");
const END = lineOf("END", "PUBLIC");

/** One or more public keys in ASCII armor, as `gpg --armor --export` prints them. */
export const armoredKey = () =>
  string({
    pattern: `^\\s*${BEGIN}\\r?\\n[^]*\\n${END}\\s*$`,
    description: `a public key in ASCII armor, which begins with "${BEGIN}"`,
  });

/** A fingerprint in hexadecimal digits, with or without spaces. */
export const fingerprint = () =>
  string({
    pattern: "^ *(?:[0-9A-Fa-f] *){40}$|^ *(?:[0-9A-Fa-f] *){64}$",
    description:
      'the fingerprint of a key: 40 or 64 hexadecimal digits, such as "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"',
  });

export const withoutSpaces = (fingerprint: string): string => fingerprint.replaceAll(" ", "").toUpperCase();

/** The fingerprints of the primary keys in `armored`; undefined when it cannot be read. */
export const fingerprintsOf = (armored: string): string[] | undefined =>
  fingerprintsIn(dearmored(armored, "PUBLIC"), PUBLIC_KEY, (body) => body);

/** The fingerprints of the primary keys whose secret parts are in `armored`; undefined when it cannot be read. */
export const secretFingerprintsOf = (armored: string): string[] | undefined =>
  fingerprintsIn(dearmored(armored, "PRIVATE"), SECRET_KEY, publicPart);

/** Whether all of the keys in `armored`, with their user IDs and signatures, is in the keys `other` too. */
export function isPartOf(armored: string, other: string): boolean {
  const [packets, others] = [armored, other].map((each) => packetsIn(dearmored(each, "PUBLIC")));
  const known = new Set(others?.map(({ tag, body }) => `${tag} ${body.toString("latin1")}`));
  return packets?.every(({ tag, body }) => known.has(`${tag} ${body.toString("latin1")}`)) === true;
}

const PUBLIC_KEY = 6;
const SECRET_KEY = 5;

function fingerprintsIn(
  bytes: Buffer,
  tag: number,
  hashed: (body: Buffer) => Buffer | undefined,
): string[] | undefined {
  const keys = packetsIn(bytes)?.filter((packet) => packet.tag === tag);
  const bodies = keys?.map(({ body }) => hashed(body));
  const found = bodies?.flatMap((body) => (body ? [fingerprintOf(body)] : []));
  return found && found.length > 0 && found.length === bodies?.length ? found : undefined;
}

/** Undefined when one of them cannot be read. */
function packetsIn(bytes: Buffer): Packet[] | undefined {
  const found: Packet[] = [];
  for (let at = 0; at < bytes.length; at = found.at(-1)?.end ?? bytes.length) {
    const packet = packetAt(bytes, at);
    if (!packet) return undefined;
    found.push(packet);
  }
  return found;
}

/** Of a secret key, what its public key has too; undefined for an unknown algorithm. */
function publicPart(body: Buffer): Buffer | undefined {
  const [version = 0, algorithm = 0] = [body[0], body[5]];
  if (version >= 5) return body.length >= 10 ? body.subarray(0, 10 + body.readUInt32BE(6)) : undefined;
  const fixed = FIXED_SIZES[algorithm];
  if (fixed !== undefined) return body.subarray(0, 6 + fixed);
  const numbers = NUMBERS[algorithm];
  let end = 6;
  if (CURVES.has(algorithm)) end += 1 + (body[end] ?? 0);
  else if (numbers === undefined) return undefined;
  for (let count = numbers ?? 1; count > 0 && end + 2 <= body.length; count--)
    end += 2 + Math.ceil(body.readUInt16BE(end) / 8);
  // How the key of ECDH is made into others.
  if (algorithm === ECDH) end += 1 + (body[end] ?? 0);
  return end <= body.length ? body.subarray(0, end) : undefined;
}

/** How many numbers a public key has, by algorithm: RSA, Elgamal, DSA. */
const NUMBERS: Readonly<Record<number, number>> = { 1: 2, 2: 2, 3: 2, 16: 3, 17: 4 };
const ECDH = 18;
/** ECDH, ECDSA, EdDSA: the name of a curve, and a point. */
const CURVES: ReadonlySet<number> = new Set([ECDH, 19, 22]);
/** X25519, X448, Ed25519, Ed448. */
const FIXED_SIZES: Readonly<Record<number, number>> = { 25: 32, 26: 56, 27: 32, 28: 57 };

/** The bytes of the first block; the checksum at its end is optional, and not looked at. */
function dearmored(armored: string, type: "PUBLIC" | "PRIVATE"): Buffer {
  const lines = armored.split(/\r?\n/).map((line) => line.trim());
  const [begin, end] = [lines.indexOf(lineOf("BEGIN", type)), lines.indexOf(lineOf("END", type))];
  if (begin < 0 || end < begin) return Buffer.alloc(0);
  const inside = lines.slice(begin + 1, end);
  const headers = inside.indexOf("");
  const data = inside.slice(headers + 1).filter((line) => !line.startsWith("="));
  return Buffer.from(data.join(""), "base64");
}

interface Packet {
  readonly tag: number;
  readonly body: Buffer;
  readonly end: number;
}

function packetAt(bytes: Buffer, at: number): Packet | undefined {
  const first = bytes[at] ?? 0;
  if ((first & 0x80) === 0) return undefined;
  const isNew = (first & 0x40) !== 0;
  const size = isNew ? newLength(bytes, at + 1) : oldLength(bytes, at + 1, first & 3);
  if (!size || size.start + size.length > bytes.length) return undefined;
  const end = size.start + size.length;
  return { tag: isNew ? first & 0x3f : (first >> 2) & 0xf, body: bytes.subarray(size.start, end), end };
}

type Extent = { readonly start: number; readonly length: number } | undefined;

function newLength(bytes: Buffer, at: number): Extent {
  const first = bytes[at] ?? 0;
  if (first < 192) return { start: at + 1, length: first };
  if (first < 224) return { start: at + 2, length: ((first - 192) << 8) + (bytes[at + 1] ?? 0) + 192 };
  // A length in parts is for data only.
  return first === 255 && at + 5 <= bytes.length
    ? { start: at + 5, length: bytes.readUInt32BE(at + 1) }
    : undefined;
}

function oldLength(bytes: Buffer, at: number, type: number): Extent {
  const width = [1, 2, 4][type];
  return width !== undefined && at + width <= bytes.length
    ? { start: at + width, length: bytes.readUIntBE(at, width) }
    : undefined;
}

function fingerprintOf(body: Buffer): string {
  const version = body[0] ?? 0;
  const prefix = Buffer.alloc(version >= 5 ? 5 : 3);
  if (version >= 5) prefix.writeUInt32BE(body.length, 1);
  else prefix.writeUInt16BE(body.length, 1);
  prefix[0] = { 5: 0x9a, 6: 0x9b }[version] ?? 0x99;
  const hash = createHash(version >= 5 ? "sha256" : "sha1");
  return hash.update(prefix).update(body).digest("hex").toUpperCase();
}
