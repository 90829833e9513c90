import type { Failure } from "../model/errors";
import type { StepEvent } from "../model/events";
import { Site } from "../model/site";
import { COMPILED_INPUT } from "../model/typed-function";
import { session } from "./session";

/** `event` with positions in compiled files on the host replaced by the user's source lines. */
export function mapPositions(event: StepEvent): StepEvent {
  const { consfig } = session;
  // An application that a property made on the host has a site in a compiled file.
  if (event.kind === "step-started" && consfig) return { ...event, site: consfig.mapPositions(event.site) };
  if (event.kind === "notice" && consfig) return { ...event, text: consfig.mapPositions(event.text) };
  if (!("failure" in event) || !event.failure) return event;
  return { ...event, failure: mapFailure(event.failure) };
}

export function mapFailure(failure: Failure): Failure {
  const { consfig } = session;
  if (!consfig) return failure;
  const { message, stack } = failure;
  return {
    ...failure,
    message: consfig.mapPositions(message),
    ...(stack && { stack: consfig.mapPositions(mapInputs(stack)) }),
  };
}

/** `text` with the positions in compiled inputs replaced by those in what was typed. */
const mapInputs = (text: string): string =>
  text.replaceAll(IN_INPUT, (_, file: string, line: string, column: string) =>
    String(new Site(file, Number(line), Number(column))),
  );

/** The length of each part is bounded, so that the time is linear. */
const IN_INPUT = new RegExp(`${COMPILED_INPUT}((?:prompt://)?[^\\n():]{1,1000}):(\\d{1,9}):(\\d{1,9})`, "g");
