/** The disks and volumes that a consfig declares for a host. */
import { attribute, type HostFacts, InapplicableProperty, type schema } from "consfigurator";
import { bootloaderComplaints } from "./_bootloaders";
import { layoutComplaints, type Volume } from "./_volumes";

/** What each `disk.hasVolumes` declares. */
export const declaredVolumes = attribute<readonly Volume[]>("volumes");

/** The volumes that are declared for `host`, in the order in which they are opened. */
export const volumesOf = (host: HostFacts): Volume[] => host.all(declaredVolumes).toReversed().flat();

/** A volume as an argument. The function that made it has checked it. */
export const volume = (): schema.Schema<Volume> => ({
  type: "object",
  required: ["kind"],
  description: 'a volume, such as disk.physicalDisk({ deviceFile: "/dev/sda" })',
});

/** Throws `InapplicableProperty` with everything that is wrong with the layout of `given`. */
export function refuseLayout(given: readonly Volume[]): void {
  const complaints = [...layoutComplaints(given), ...bootloaderComplaints(given)];
  if (complaints.length > 0) throw new InapplicableProperty(complaints.join("\n"));
}
