import type { Progress } from "../model/events";
import type { LargeDatum } from "../model/questions";
import { uploadProgress } from "../model/upload-progress";

/** `datum`, whose pieces are reported as they are fetched. */
export function reported(
  datum: Buffer | LargeDatum,
  what: string,
  emit: (event: Progress) => void,
): Buffer | LargeDatum {
  if (datum instanceof Uint8Array) return datum;
  const { size: total, sha256 } = datum;
  const report = uploadProgress(what, total, emit);
  const piece: LargeDatum["piece"] = async (at, into) => {
    const bytes = await datum.piece(at, into);
    report(at + bytes.length);
    return bytes;
  };
  return { size: total, sha256, piece };
}
