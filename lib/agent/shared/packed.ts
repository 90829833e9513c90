/** What one message may contain. */
export interface PackedLimits {
  /** Values, at all depths: each takes far more memory than its byte. */
  readonly values: number;
  readonly depth: number;
}

/**
 * Why `bytes` are not one complete MessagePack value within `limits`; undefined when they are. Looks at each byte at
 * most once and allocates nothing, whatever sizes the bytes claim: run it before unpacking what may be hostile.
 */
export function packedProblem(bytes: Buffer, limits: PackedLimits): string | undefined {
  /** How many values are still to come, by depth. */
  const open: number[] = [1];
  let at = 0;
  let values = 0;
  while (open.length > 0) {
    const left = open.at(-1) ?? 0;
    if (left === 0) {
      open.pop();
      continue;
    }
    open[open.length - 1] = left - 1;
    values += 1;
    if (values > limits.values) return `a message of more than ${limits.values} values`;
    const found = itemAt(bytes, at);
    if (found === undefined) return "a message that is incomplete or contains an unknown type";
    at = found.end;
    // Each value needs a byte: no more than the bytes that are left can follow.
    if (at > bytes.length || found.inside > bytes.length - at) return "a message that ends too early";
    if (found.inside === 0) continue;
    if (open.length >= limits.depth) return `a message nested deeper than ${limits.depth}`;
    open.push(found.inside);
  }
  return at === bytes.length ? undefined : "a message with bytes after its end";
}

interface Item {
  /** Where its own bytes end. */
  readonly end: number;
  /** How many values are inside it. */
  readonly inside: number;
}

function itemAt(bytes: Buffer, at: number): Item | undefined {
  const type = bytes[at];
  if (type === undefined) return undefined;
  const leaf = (length: number): Item => ({ end: at + 1 + length, inside: 0 });
  if (type <= 0x7f || type >= 0xe0) return leaf(0);
  if (type <= 0x8f) return { end: at + 1, inside: 2 * (type & 0x0f) };
  if (type <= 0x9f) return { end: at + 1, inside: type & 0x0f };
  if (type <= 0xbf) return leaf(type & 0x1f);
  const fixed = FIXED[type];
  if (fixed !== undefined) return leaf(fixed);
  // `undefined`, as our packer writes it: the only extension.
  if (type === 0xd4) return bytes[at + 1] === 0 && bytes[at + 2] === 0 ? leaf(2) : undefined;
  const sized = SIZED[type];
  if (sized === undefined || at + 1 + sized.width > bytes.length) return undefined;
  const size = bytes.readUIntBE(at + 1, sized.width);
  const end = at + 1 + sized.width;
  return sized.each === 0 ? { end: end + size, inside: 0 } : { end, inside: sized.each * size };
}

/** Bytes after the type: nil, false, true, floats, integers. */
const FIXED: Readonly<Record<number, number>> = {
  ...{ 192: 0, 194: 0, 195: 0, 202: 4, 203: 8 },
  ...{ 204: 1, 205: 2, 206: 4, 207: 8, 208: 1, 209: 2, 210: 4, 211: 8 },
};

/** Bytes, text, lists and maps: the width of their size, and the values for each of it. */
const SIZED: Readonly<Record<number, { readonly width: number; readonly each: number }>> = {
  ...{ 196: { width: 1, each: 0 }, 197: { width: 2, each: 0 }, 198: { width: 4, each: 0 } },
  ...{ 217: { width: 1, each: 0 }, 218: { width: 2, each: 0 }, 219: { width: 4, each: 0 } },
  ...{ 220: { width: 2, each: 1 }, 221: { width: 4, each: 1 } },
  ...{ 222: { width: 2, each: 2 }, 223: { width: 4, each: 2 } },
};
