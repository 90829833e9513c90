import { heldSince } from "../engine/held-since";
import { untilFailure } from "../engine/sequence";
import { FailedChange } from "../model/errors";
import {
  type Change,
  type Direction,
  defprop,
  type MaybePropApp,
  type PropApp,
  type Steps,
  withoutEmpty,
} from "../model/property";
import { object, string } from "../model/schema";
import type { PosixTarget } from "../model/target";
import { allUnappliable, applications } from "./_many";

const units = { s: 1000, min: 60_000, h: 3_600_000 } as const;

const duration = () =>
  string({
    pattern: "^[1-9][0-9]{0,3} (s|min|h)$",
    description: 'a time, such as "90 s", "10 min" or "2 h"',
  });

/** Time that the running step has to end after the limit: a command that ignores SIGTERM is killed meanwhile. */
const END_GRACE_MS = 4500;
/** The longest time that a timer can have. */
const MAX_MS = 2 ** 31 - 1;

/**
 * Applies each of `applications` in order, within the time `limit`: "90 s", "10 min", "2 h". When the time is over, the
 * command that runs is ended, its step fails, and nothing inside starts any more. The first failure stops the rest. A
 * deployment of a further host inside goes on there. The time that the deployment waits for another one is not counted.
 *
 * @example within("10 min", apt.upgraded())
 */
export const within = defprop({
  name: "within",
  kind: "posix",
  args: object({ limit: duration(), applications }),
  call: (limit: string, ...given: MaybePropApp[]) => ({ limit, applications: withoutEmpty(given) }),
  inline: true,
  apply: ({ limit, applications }, target, steps) => untilLimit(limit, applications, "apply", target, steps),
  unapply: ({ limit, applications }, target, steps) =>
    untilLimit(limit, applications.toReversed(), "unapply", target, steps),
  unappliable: allUnappliable,
});

async function untilLimit(
  limit: string,
  applications: readonly PropApp[],
  direction: Direction,
  target: PosixTarget,
  steps: Steps,
): Promise<Change> {
  const over = new FailedChange(`did not finish within ${limit}; it was ended`);
  const time = new AbortController();
  let deadline: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    time.signal.addEventListener("abort", () => {
      // Some applications never settle.
      deadline = setTimeout(() => reject(over), END_GRACE_MS);
    });
  });
  const [milliseconds, started] = [millisecondsOf(limit), performance.now()];
  const look = () => {
    // Waiting for another deployment is not counted.
    const left =
      milliseconds - (performance.now() - Math.max(started, Math.min(heldSince(target), performance.now())));
    if (left > 0) timer = setTimeout(look, left);
    else time.abort(over);
  };
  let timer = setTimeout(look, milliseconds);
  const inner = steps.within({
    target: (outer) => {
      if (time.signal.aborted) throw over;
      return outer.within({ signal: time.signal });
    },
  });
  try {
    return await Promise.race([untilFailure(applications, direction, inner), late]);
  } finally {
    clearTimeout(timer);
    clearTimeout(deadline);
  }
}

function millisecondsOf(limit: string): number {
  const [count = "", unit] = limit.split(" ");
  return Math.min(Number(count) * units[unit as keyof typeof units], MAX_MS);
}
