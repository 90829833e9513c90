/** Properties whose arguments are applications of others. */
export { onApplyChange, onChange, withRequirementsForChange } from "./change";
export { desc, ignoringHostattrs, withFlagfile, withHomedir } from "./context";
export {
  concurrently,
  eseqprops,
  eseqpropsUntil,
  seqprops,
  silentSeqprops,
  withRequirements,
} from "./sequence";
export { within } from "./time";
export { reapplied, unapplied, withUnapply } from "./undo";
