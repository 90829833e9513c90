import type { Row } from "./rows";

/** Something that was seen on a host while it was watched. */
export interface Seen<R = Row> {
  readonly host: string;
  /** When, as ISO 8601. */
  readonly at: string;
  /**
   * "lost" and "back": of the host itself, which does not answer, or does again. "noted": of what is watched, such as that a
   * file was replaced, or that lines may be missing.
   */
  readonly change: "new" | "changed" | "gone" | "lost" | "back" | "noted";
  /** The row; of one that is gone, as it was last. */
  readonly row?: R;
  /** Of a row that changed: as it was before. */
  readonly before?: R;
  /** Why a host is lost, and what was noted. */
  readonly message?: string;
}
