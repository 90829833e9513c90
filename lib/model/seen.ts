import type { Row } from "./rows";

/** Something that was seen on a host while it was watched. */
export interface Seen<R = Row> {
  readonly host: string;
  /** When, as ISO 8601. */
  readonly at: string;
  /** "lost" and "back": of the host itself, which does not answer, or does again. */
  readonly change: "new" | "changed" | "gone" | "lost" | "back";
  /** The row; of one that is gone, as it was last. */
  readonly row?: R;
  /** Of a row that changed: as it was before. */
  readonly before?: R;
  /** Why a host is lost. */
  readonly message?: string;
}
