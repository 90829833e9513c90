import { inspect } from "node:util";
import { parametersOf } from "../util/parameters";
import { ConsfigError, InvalidArguments } from "./errors";
import { notPlainData } from "./plain-data";
import { parametersAs, problems, type Schema } from "./schema";

interface Called<A, P extends unknown[]> {
  readonly args: Schema<A>;
  readonly call?: (...params: P) => A;
}

/**
 * The arguments object for a call with `params`. Throws `InvalidArguments`, whose stack begins at the caller of
 * `construct`, when they do not fit the schema, or the slot `call` cannot take them.
 */
export function argumentsOf<A, P extends unknown[]>(
  name: string,
  { args: schema, call }: Called<A, P>,
  params: P,
  construct: Function,
): A {
  let args: unknown;
  try {
    args = call ? call(...params) : (params[0] ?? {});
  } catch (error) {
    if (error instanceof ConsfigError || !call) throw error;
    throw refusal(name, parameterProblems(call, schema, params), construct);
  }
  const found = problems(schema, args);
  const complaints = found.length > 0 ? found : notPlainData([args], "args");
  if (complaints.length > 0) throw refusal(name, complaints, construct);
  return args as A;
}

function refusal(name: string, complaints: readonly string[], construct: Function): InvalidArguments {
  const error = new InvalidArguments(`${name}: ${complaints.join("; ")}`);
  Error.captureStackTrace(error, construct);
  return error;
}

/** What is wrong with `params`, by parameter as far as that is known. */
function parameterProblems(call: Function, schema: Schema<unknown>, params: readonly unknown[]): string[] {
  const names = parametersOf(call);
  const schemas = parametersAs(names, schema);
  const found = names.flatMap((name, index) => {
    const field = schemas[index];
    if (name.startsWith("..."))
      return params
        .slice(index)
        .flatMap((value, at) => (field ? problems(field, value, `${name.slice(3)}[${at}]`) : []));
    if (params[index] === undefined) return index < call.length ? [`${name} is missing`] : [];
    return field ? problems(field, params[index], name) : [];
  });
  const given = params.map((value) => inspect(value, { depth: 1, breakLength: Number.POSITIVE_INFINITY }));
  return found.length > 0
    ? found
    : [`it cannot be called with (${given.join(", ")}); it takes (${names.join(", ")})`];
}
