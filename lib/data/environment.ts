import { argumentsOf, type DataSource } from "../model/data-source";
import { ConsfigError } from "../model/errors";
import { object, string } from "../model/schema";
import { isDatum, named } from "./_source";

const args = argumentsOf(
  environment,
  object({
    variable: string({
      pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
      description: "the name of an environment variable",
    }),
    iden1: string({ minLength: 1 }),
    iden2: string({ minLength: 1 }),
  }),
);

/** What was taken out of the environment, by variable: a consfig that is loaded again registers its sources again. */
const taken = new Map<string, string>();

/**
 * An environment variable of this session, as the datum (`iden1`, `iden2`): how a CI system gives a secret to a playbook.
 * It is taken out of the environment, so that no command which the session starts gets it. On Linux every process of the
 * same user can still read with what this session was started; prefer a file where you can.
 *
 * @example registerDataSource(source.environment({ variable: "APP_TOKEN", iden1: "_app", iden2: "token" }))
 */
export function environment(options: {
  readonly variable: string;
  readonly iden1: string;
  readonly iden2: string;
}): DataSource {
  const name = named("environment", args, options, environment);
  const { variable } = options;
  const isIt = isDatum(options);
  const value = (): string | undefined => {
    const given = process.env[variable];
    if (given !== undefined) taken.set(variable, given);
    delete process.env[variable];
    return taken.get(variable);
  };
  value();
  return {
    name,
    version: (iden1, iden2) => (isIt(iden1, iden2) && value() !== undefined ? 1 : undefined),
    get: () => {
      const found = value();
      if (found === undefined) throw new ConsfigError(`${variable} is not set`);
      return found;
    },
    hint: (iden1, iden2) => (isIt(iden1, iden2) ? `${variable} is not set` : undefined),
  };
}
