/** Settings as arguments of properties. */
import { schema } from "consfigurator";
import type { ConfStyle, Pair } from "./_conf";
import { checker } from "./_validate";

const { list, object, optional, path, string } = schema;

/** Settings: keys and values in turn, one object, or one list of pairs. */
export type Pairs = string[] | [settings: Readonly<Record<string, string>>] | [settings: readonly Pair[]];

/** `pairs` as a list of pairs. A key without a value becomes a pair without one, which the schema refuses. */
export function pairsOf(pairs: Pairs): Pair[] {
  const [first] = pairs;
  if (Array.isArray(first)) return [...first];
  if (typeof first === "object" && first !== null) return Object.entries(first);
  const words = pairs as string[];
  return words.flatMap((key, at) => (at % 2 === 0 ? [[key, words[at + 1]] as unknown as Pair] : []));
}

/** The parameters of a call, and the options that follow them: an object that is not the first of them. */
export function withoutOptions<O extends object>(
  params: readonly unknown[],
): [params: unknown[], options: Partial<O>] {
  const last = params.at(-1);
  const isOptions = params.length > 1 && typeof last === "object" && last !== null && !Array.isArray(last);
  return isOptions ? [params.slice(0, -1), last as Partial<O>] : [[...params], {}];
}

/** A list with one item for each of the schemas. */
export const tuple = <T>(...items: schema.Schema<unknown>[]): schema.Schema<T> => ({
  type: "array",
  items,
  minItems: items.length,
  maxItems: items.length,
});

/** A key that is not read as a comment, or as a key and a value. */
const wordKey = () =>
  string({ pattern: "^[^\\s#]\\S*$", description: "a key: one word, not starting with #" });
const keyBeforeEquals = () =>
  string({
    pattern: "^[^\\s=#][^\\s=]*$",
    description: "a key: one word without =, not starting with #",
  });
export const value = () => string({ pattern: "^[^\\n\\r]*$", description: "a value on one line" });
const someValue = () =>
  string({ pattern: "^[^\\n\\r]*\\S[^\\n\\r]*$", description: "a non-empty value on one line" });

/** The arguments of a property that sets pairs in a style. */
export const settingsArgs = ({ looksLikeProse }: ConfStyle) =>
  object({
    path: path(),
    pairs: list(
      looksLikeProse ? tuple<Pair>(wordKey(), someValue()) : tuple<Pair>(keyBeforeEquals(), value()),
      { minItems: 1 },
    ),
    validate: optional(checker()),
  });
