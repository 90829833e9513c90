import type { Progress } from "../model/events";
import type { LargeDatum } from "../model/questions";

/** Interval of progress reports. */
const PROGRESS_MS = 100;

/** `datum`, whose pieces are reported as they are fetched. */
export function reported(
  datum: Buffer | LargeDatum,
  what: string,
  emit: (event: Progress) => void,
): Buffer | LargeDatum {
  if (datum instanceof Uint8Array) return datum;
  const { size: total, sha256 } = datum;
  let reportedAt = Number.NEGATIVE_INFINITY;
  const piece: LargeDatum["piece"] = async (at, into) => {
    const bytes = await datum.piece(at, into);
    const sent = at + bytes.length;
    if (sent < total && performance.now() - reportedAt < PROGRESS_MS) return bytes;
    reportedAt = performance.now();
    emit({ kind: "upload", what, sent, total });
    return bytes;
  };
  return { size: total, sha256, piece };
}
