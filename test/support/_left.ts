/** Sweeping up after test processes that were killed. */
import { removeUnusedNetwork } from "./_network";
import { reapSlots, takenSlots } from "./_slots";

/** Removes machines whose process no longer lives, and their network when no machine is left. */
export async function removeLeftMachines(): Promise<void> {
  if (takenSlots().length === 0) return;
  await reapSlots();
  removeUnusedNetwork();
}
