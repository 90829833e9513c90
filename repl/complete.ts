import type { Shell } from "./shell";
export const completer =
  (_shell: Shell) =>
  (line: string): [string[], string] => [[], line];
