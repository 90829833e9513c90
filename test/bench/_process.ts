/** One measurement, in the process that was started for it. */
import { session } from "../../lib/controller/session";
import type { Figure } from "./_figures";

/** What each file of this directory exports as `measure`. `long`: more runs than can be waited for every day. */
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
