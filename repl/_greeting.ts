import { colour } from "./_colour";
import { fitted } from "./_layout";

const MAX_GREETED = 5;

/** The hosts, and what to try first. `names`: of the hosts in scope; `count`: of all hosts. */
export function greeting(names: readonly string[], count: number): string {
  const first = names.includes("sandbox") ? "sandbox" : names[0];
  const some = names.slice(0, MAX_GREETED);
  const shown = count > some.length ? [...some, "… (.hosts)"] : some;
  const text =
    count === 0
      ? "no hosts yet: export one from a file in hosts/"
      : `${count} ${count === 1 ? "host" : "hosts"}: ${shown.join(", ")}${first ? `; try deploy(${first})` : ""}`;
  return fitted(`${text}. Tab completes, .help lists the commands.`)
    .map((line) => colour.dim(line))
    .join("\n");
}
