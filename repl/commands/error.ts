import { ConsfigError } from "../../lib/model/errors";

/** A dot-command was used wrongly; the message shows its usage. */
export class CommandError extends ConsfigError {}
