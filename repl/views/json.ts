import { EVENTS_VERSION } from "../../lib/model/events";
import { cleanDeployEvent } from "../../lib/model/host-events";
import type { Out, View } from "./view";

/**
 * Prints one event per line, for machines: `{"v":1,"host":…,"deployment":…,"kind":…}`, as documented in
 * docs/playbooks.md.
 */
export const jsonView = (out: Out): View => ({
  add: (event) => void out.write(`${JSON.stringify({ v: EVENTS_VERSION, ...cleanDeployEvent(event) })}\n`),
  settle: () => {},
});
