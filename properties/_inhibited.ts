/** Whether services must not be started. */
import { attribute, carriedValue, type PosixTarget } from "consfigurator";

/** Set by `service.noServices`. */
export const inhibited = attribute<true>("service.noServices");

/** True where services are not started during a part of a deployment: by `service.withoutStartingServices`. */
export const inhibitedHere = carriedValue<true>("service.noServices");

/** Whether services must not be started: because of `service.noServices`, or during this deployment. */
export const isInhibited = (target: PosixTarget): boolean =>
  target.host.newest(inhibited) === true || inhibitedHere.of(target) === true;
