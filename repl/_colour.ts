import chalk, { Chalk, type ChalkInstance } from "chalk";

/** The colours that the terminal supports; none in a pipe unless FORCE_COLOR is set, and none with NO_COLOR. */
export const colour: ChalkInstance =
  process.env["NO_COLOR"] && !process.env["FORCE_COLOR"] ? new Chalk({ level: 0 }) : chalk;
