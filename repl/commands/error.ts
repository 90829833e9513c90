import { ConsfigError } from "../../lib/model/errors";

/** A dot-command that was used wrongly: its message says how it is used. */
export class CommandError extends ConsfigError {}
