/** Runs one measurement in its own process. */
import { session } from "../../lib/controller/session";
import type { Figure } from "./_figures";

/** The `measure` export of each file in this directory. `long`: many more runs, for occasional use. */
export type Measure = (options: { readonly long: boolean }) => Promise<readonly Figure[]>;

async function main([name = "", ...options]: readonly string[]): Promise<void> {
  const { measure } = require(`./${name}`) as { measure: Measure };
  let message: { figures: readonly Figure[]; error?: string };
  try {
    message = { figures: await measure({ long: options.includes("--long") }) };
  } catch (error) {
    message = { figures: [], error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  await session.close();
  process.send?.(message, () => process.exit(0));
}

void main(process.argv.slice(2));
