import { type Content, Secret } from "../model/secret";

/**
 * Reads a file as text without loss: bytes that are not UTF-8 survive being read, edited and written. Each is a lone
 * surrogate from U+DC80 to U+DCFF, which no valid text contains.
 */
export function decode(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (!text.includes("\ufffd") || Buffer.from(text, "utf8").equals(bytes)) return text;
  let decoded = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    decoded +=
      length > 0 ? bytes.toString("utf8", at, at + length) : String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    at += Math.max(length, 1);
  }
  return decoded;
}

/** The bytes that `decode` made `text` from. */
export function encode(text: string): Buffer {
  const parts = text.split(/([\udc80-\udcff])/u);
  if (parts.length === 1) return Buffer.from(text, "utf8");
  return Buffer.concat(
    parts.map((part, index) =>
      index % 2 === 1 ? Buffer.from([part.charCodeAt(0) - 0xdc00]) : Buffer.from(part, "utf8"),
    ),
  );
}

/** `content` as bytes; text as `decode` reads it. */
export const contentBytes = (content: Content): Buffer =>
  content instanceof Secret ? content.reveal() : typeof content === "string" ? encode(content) : content;

/** The length in bytes of the valid UTF-8 sequence at `at`; 0 if there is none. */
function sequenceLength(bytes: Buffer, at: number): number {
  const lead = bytes[at] ?? 0;
  const length =
    lead < 0x80
      ? 1
      : lead >= 0xc2 && lead < 0xe0
        ? 2
        : lead >= 0xe0 && lead < 0xf0
          ? 3
          : lead >= 0xf0 && lead < 0xf5
            ? 4
            : 0;
  const sequence = bytes.subarray(at, at + length);
  return Buffer.from(sequence.toString("utf8"), "utf8").equals(sequence) ? length : 0;
}

/** A text as lines, with what is needed to write it back unchanged. */
export interface Lines {
  readonly lines: readonly string[];
  /** Joins lines to a text with the line ends of the original. */
  join(lines: readonly string[]): string;
}

/**
 * `text` split at LF or CRLF; at CR only when there is no LF at all. A text without its last newline has that line
 * nonetheless. When it is joined again a line that stays keeps its own end, a new one gets the prevailing one.
 */
export function splitLines(text: string): Lines {
  const separator = text.includes("\n") ? /\r?\n/g : /\r/g;
  const lines: string[] = [];
  const endOf = new Map<string, string>();
  const counts = new Map<string, number>();
  let start = 0;
  for (const { 0: end, index } of text.matchAll(separator)) {
    const line = text.slice(start, index);
    lines.push(line);
    endOf.set(line, end);
    counts.set(end, (counts.get(end) ?? 0) + 1);
    start = index + end.length;
  }
  if (start < text.length) lines.push(text.slice(start));
  const [prevailing] = [...counts].sort(([, a], [, b]) => b - a)[0] ?? ["\n"];
  const mixed = counts.size > 1;
  const end = (line: string) => (mixed ? (endOf.get(line) ?? prevailing) : prevailing);
  return { lines, join: (changed) => changed.map((line) => line + end(line)).join("") };
}
