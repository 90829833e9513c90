import type { Figure, Unit } from "./_figures";

/** `figures` as lines of text, columns aligned. */
export function table(figures: readonly Figure[]): string {
  const head = ["what", "median", "min – max", "runs", "limit", "ratio", "budget", ""];
  const rows = [head, ...figures.map(cells)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd();
  return rows.map(line).join("\n");
}

function cells({ what, unit, median, min, max, runs, limit, ratio, budget, ok }: Figure): string[] {
  const allowed = [
    budget?.value === undefined ? "" : `≤ ${shown(budget.value, unit)}`,
    budget?.times === undefined ? "" : `≤ ${budget.times} ×`,
  ];
  return [
    what,
    shown(median, unit),
    `${shown(min, unit)} – ${shown(max, unit)}`,
    String(runs),
    limit ? `${limit.name} ${shown(limit.value, unit)}` : "",
    ratio === undefined ? "" : ratio.toFixed(2),
    allowed.filter(Boolean).join(", "),
    ok === undefined ? "" : ok ? "ok" : "OVER",
  ];
}

function shown(value: number, unit: Unit): string {
  if (unit === "ms")
    return value < 10_000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(1)} s`;
  if (unit === "") return value.toFixed(Number.isInteger(value) ? 0 : 2);
  if (Math.abs(value) < 1000) return `${value.toFixed(0)} B`;
  return Math.abs(value) < 1_000_000
    ? `${(value / 1000).toFixed(1)} kB`
    : `${(value / 1_000_000).toFixed(1)} MB`;
}
