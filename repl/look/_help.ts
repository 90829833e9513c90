/** The keys of `.look`. */
export const HELP: readonly string[] = [
  "",
  "  1 to 8, Tab, ← →   another pane",
  "  ↑ ↓, Page, g G     another row",
  "  Enter              open: a host, alone; a unit, with its log and file; a file, with",
  "                     what a deployment would change; a property, with its documentation",
  "  /                  show only rows with these words; Escape shows all again",
  "  Escape             back; where one host is shown alone, all of them",
  "  p                  plan anew: what a deployment would change",
  "  d                  deploy the host of the row, after a question",
  "  r                  restart the unit of the row, after a question",
  "  s                  a shell on the host of the row; exit comes back here",
  "  Ctrl-C             stop what is being done; otherwise leave",
  "  Ctrl-L             draw everything again",
  "  q                  leave",
];
