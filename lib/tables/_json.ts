import { FailedChange } from "../model/errors";
import { beginningOf } from "../util/excerpt";

/** Characters of what is not JSON that the error shows. */
const SHOWN = 80;

/** What `program` has printed as JSON. FailedChange when it is something else, as what a host prints may be. */
export function jsonOf(text: string, program: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FailedChange(`${program} printed what is not JSON: ${beginningOf(text.trim(), SHOWN)}`);
  }
}
