import { type DataSource, dataSources } from "../model/data-source";
import { refuseArguments } from "../model/errors";
import { callSite } from "../model/site";

/**
 * Has hosts get their prerequisite data from `sources`. Of several that have a datum, the one with the newest version is
 * used; of those, the one registered last.
 */
export function registerDataSource(...sources: DataSource[]): void {
  const complaints = sources.flatMap((given: Partial<DataSource> | undefined) =>
    typeof given?.version === "function" && typeof given.get === "function" && given.name
      ? []
      : ["expected sources, such as source.pass(), or objects with name, version and get"],
  );
  refuseArguments("registerDataSource", complaints, registerDataSource);
  const site = callSite();
  for (const source of sources) dataSources.define(`${site.file} ${source.name}`, source, site);
}
