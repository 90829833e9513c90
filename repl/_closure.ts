import inspector from "node:inspector";
import { inputOf } from "./_language";

/** Where a function was written, and the variables around it. */
export interface Closure {
  /** The input, as it was given to `compileInput`. */
  readonly file: string;
  /** Where it begins in the compiled form of the input, from 0. */
  readonly line: number;
  readonly column: number;
  /** The scopes in the input around it, innermost first: variables that are not those of the prompt. */
  readonly scopes: readonly Readonly<Record<string, unknown>>[];
}

/**
 * What V8 knows of `fn`; undefined unless it was made by an input. No other way tells apart functions with the same text,
 * or reads what they close over.
 */
export function closureOf(fn: Function): Closure | undefined {
  const session = new inspector.Session();
  session.connect();
  try {
    const internal = propertiesOf(session, handleOf(session, fn)).internal;
    const location = internal.get("[[FunctionLocation]]")?.value as Position | undefined;
    const scopes = internal.get("[[Scopes]]")?.objectId;
    if (!location || scopes === undefined) return undefined;
    const around = [...propertiesOf(session, scopes).own].map(([, { objectId, description = "" }]) => ({
      // That of the variables of the prompt, which is a proxy.
      isPrompt: description.startsWith("With Block"),
      variables: (objectId === undefined ? {} : objectOf(session, objectId)) as Closure["scopes"][number],
    }));
    const prompt = around.findIndex(({ isPrompt }) => isPrompt);
    const file = inputOf(
      around.slice(prompt + 1).find(({ variables }) => variables["module"])?.variables["module"],
    );
    if (prompt < 0 || file === undefined) return undefined;
    return {
      file,
      line: location.lineNumber,
      column: location.columnNumber,
      scopes: around.slice(0, prompt).map(({ variables }) => variables),
    };
  } finally {
    session.disconnect();
  }
}

interface Position {
  readonly lineNumber: number;
  readonly columnNumber: number;
}

/** Where this process and its inspector hand over objects to each other. */
const KEY = Symbol.for("consfigurator.inspected");
const holder = globalThis as unknown as Record<symbol, unknown>;
const HELD = 'globalThis[Symbol.for("consfigurator.inspected")]';

function handleOf(session: inspector.Session, value: unknown): string {
  holder[KEY] = value;
  try {
    return handle(
      posted<inspector.Runtime.EvaluateReturnType>(session, "Runtime.evaluate", { expression: HELD }),
    );
  } finally {
    delete holder[KEY];
  }
}

const handle = ({ result }: inspector.Runtime.EvaluateReturnType): string => result.objectId ?? "";

/** The object behind an entry of a function's scopes. */
function objectOf(session: inspector.Session, objectId: string): object {
  try {
    posted(session, "Runtime.callFunctionOn", {
      objectId,
      functionDeclaration: `function () { ${HELD} = this.object; }`,
    });
    return holder[KEY] as object;
  } finally {
    delete holder[KEY];
  }
}

function propertiesOf(session: inspector.Session, objectId: string) {
  const { result, internalProperties = [] } = posted<inspector.Runtime.GetPropertiesReturnType>(
    session,
    "Runtime.getProperties",
    { objectId, ownProperties: true },
  );
  const byName = (
    all: readonly { readonly name: string; readonly value?: inspector.Runtime.RemoteObject | undefined }[],
  ) => new Map(all.flatMap(({ name, value }) => (value ? [[name, value] as const] : [])));
  return { own: byName(result), internal: byName(internalProperties) };
}

/** The inspector of the own thread answers before `post` returns. */
function posted<R>(session: inspector.Session, method: string, params: object): R {
  let answer: R | undefined;
  let problem: Error | null = null;
  session.post(method, params, (error: Error | null, found?: object) => {
    problem = error;
    answer = found as R;
  });
  if (problem) throw problem;
  return answer as R;
}
