import type { PreparedHost } from "../engine/prepare";
import { appliedAnywhere, asWritten, modulesOf } from "../model/application";
import { Refused } from "../model/errors";
import { session } from "./session";

/** Throws `Refused`, with locations in `consfig`, for named modules that cannot be sent to a host. */
export function refuseModules({ name, application }: PreparedHost, consfig = session.consfig): void {
  const complaints = [...appliedAnywhere(application)].flatMap((each) =>
    modulesOf(each).flatMap((module) => {
      try {
        consfig?.manifest([], [], [module]);
        return [];
      } catch (error) {
        return [`${asWritten(each)}: ${error instanceof Error ? error.message : String(error)}`];
      }
    }),
  );
  if (complaints.length > 0) throw new Refused(name, complaints);
}
