/** Whether services must not be started. */
import { attribute, type PosixTarget } from "consfigurator";

/** Set by `service.noServices`. */
export const inhibited = attribute<true>("service.noServices");

/** A key of a deployment's memory: true means that the deployment must not start services. */
export const INHIBITED = "service.noServices";

/** Whether services must not be started: because of `service.noServices`, or during this deployment. */
export const isInhibited = (target: PosixTarget): boolean =>
  target.host.newest(inhibited) === true || target.memory.get(INHIBITED) === true;
