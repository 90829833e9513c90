/** What a module reaches through its imports. */
import type { WireModule } from "./_wire-form";

type FormOf = (file: string) => Pick<WireModule, "modules" | "first" | "traits">;

/** `file`, and the files that it imports, directly or through others. */
export function reach(file: string, formOf: FormOf): ReadonlySet<string> {
  const reached = new Set([file]);
  for (const each of reached) for (const module of formOf(each).modules) reached.add(module);
  return reached;
}

/** Of the files that `file` reaches, those that wait while they are loaded, with what each imports first. */
export function awaitingIn(file: string, formOf: FormOf): ReadonlyMap<string, readonly string[]> {
  const reached = [...reach(file, formOf)];
  const waits = new Set(reached.filter((each) => formOf(each).traits.awaits));
  for (let before = -1; before < waits.size; ) {
    before = waits.size;
    for (const each of reached)
      if (formOf(each).first.some((imported) => waits.has(imported))) waits.add(each);
  }
  return new Map(reached.filter((each) => waits.has(each)).map((each) => [each, formOf(each).first]));
}
