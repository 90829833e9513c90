import type { WriteStream } from "node:tty";
import { jsonView } from "./json";
import { linesView } from "./lines";
import { LiveScreen } from "./live";
import type { ViewOf } from "./view";

/** The view for a playbook: events with `json`, a live drawing at a terminal, lines elsewhere. */
export function playView(out: WriteStream, json: boolean): ViewOf {
  if (json) return () => jsonView(out);
  const drawable = out.isTTY && !process.env["CI"] && process.env["TERM"] !== "dumb";
  if (!drawable) return (silent) => (silent ? undefined : linesView(out));
  const screen = new LiveScreen(out);
  return (silent) => (silent ? undefined : screen.view());
}
