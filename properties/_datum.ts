/** The two names of prerequisite data, as an argument. */
import { schema } from "consfigurator";

export const datum = () =>
  schema.list(schema.string({ minLength: 1 }), {
    minItems: 2,
    maxItems: 2,
    description: "the two names of a datum",
  });

export const pair = ([one = "", other = ""]: readonly string[]): readonly [string, string] => [one, other];
