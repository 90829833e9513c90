/** Cleans up after killed test processes. */
import { removeUnusedNetwork } from "./_network";
import { reapSlots, takenSlots } from "./_slots";

/** Removes machines whose process is dead, and the network when no machine is left. */
export async function removeLeftMachines(): Promise<void> {
  if (takenSlots().length === 0) return;
  await reapSlots();
  removeUnusedNetwork();
}
