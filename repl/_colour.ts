import chalk, { Chalk, type ChalkInstance } from "chalk";

/** Colours as the terminal takes them; none in a pipe unless FORCE_COLOR is set, and none with NO_COLOR. */
export const colour: ChalkInstance =
  process.env["NO_COLOR"] && !process.env["FORCE_COLOR"] ? new Chalk({ level: 0 }) : chalk;
