/** Functions that were typed at the prompt or are in a playbook, as hosts get them. */
export interface TypedFunctions {
  /** The first one is called; the others are those that it needs. */
  readonly functions: readonly TypedFunction[];
  /** Modules of the consfig that they use, as for `modulePath()`. */
  readonly modules: readonly string[];
}

/** What is sent of a function, or why it cannot be. */
export type Captured = TypedFunctions | { readonly complaints: readonly string[] };

export interface TypedFunction {
  /** As JavaScript: an expression. */
  readonly text: string;
  /** The input, and where in its compiled form the text begins; from 0. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What each name means that the text does not declare itself; those that are missing are globals. */
  readonly names: Readonly<Record<string, NameMeaning>>;
}

/** `functions` and `modules` are given by their index. Without `member`, the whole module is meant. */
export type NameMeaning =
  | { readonly kind: "value"; readonly value?: unknown }
  | { readonly kind: "function"; readonly index: number }
  | { readonly kind: "module"; readonly index: number; readonly member?: string }
  | { readonly kind: "builtin"; readonly specifier: string; readonly member?: string }
  | { readonly kind: "loader"; readonly waits: boolean };

/** Precedes the name of an input, in the stacks of a host, before a position in its compiled form. */
export const COMPILED_INPUT = "compiled:";
