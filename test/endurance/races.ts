/** A user who races root, for each act on files, over an agent and over a shell: `npm run races`. */
import { actNames, isRace, type Kind, noRace, Races } from "../lib/target/_racing";
import type { Program } from "./_runner";

export const program: Program = {
  count: 10_000,
  machines: false,
  run: async ({ count, print }) => {
    if (noRace) return [noRace];
    const problems: string[] = [];
    const races = new Races();
    try {
      for (const kind of ["agent", "posix"] satisfies Kind[])
        for (const name of actNames.filter((each) => isRace(kind, each))) {
          const began = performance.now();
          const result = await races.run(kind, name, count).then(
            () => "root lost nothing",
            (error: Error) => {
              problems.push(`${kind}: ${name}: ${error.message}`);
              return "LOST";
            },
          );
          print(
            `${kind}: ${name}: ${count} rounds in ${Math.round((performance.now() - began) / 1000)} s: ${result}`,
          );
        }
    } finally {
      races.end();
    }
    return problems;
  },
};
