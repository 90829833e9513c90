/** Properties whose arguments are applications of others. */
export { onApplyChange, onChange, withRequirementsForChange } from "./combinators/change";
export { desc, ignoringHostattrs, withFlagfile, withHomedir } from "./combinators/context";
export {
  concurrently,
  eseqprops,
  eseqpropsUntil,
  seqprops,
  silentSeqprops,
  withRequirements,
} from "./combinators/sequence";
export { reapplied, unapplied, withUnapply } from "./combinators/undo";
