/** What a consfig may import: `import { defhost, via } from "consfigurator"`. */
export { described } from "./_describe";
export { shellQuote, shellWords } from "./_quote";
export { type FileAspect, withChangeIfChangesFiles } from "./changed-files";
export * from "./combinators";
export type { Channel, Connection } from "./connection/connection";
export { defhop, type Hop } from "./connection/hop";
export { canClone } from "./connection/sandbox";
export * as via from "./connection/via";
export { type Passage, wrapped } from "./connection/wrapped";
export { Deployment, deploy, deployPosix, deployThese } from "./deploy";
export { hostdeploy, hostdeployThese, localhd, localsudo } from "./entry";
export {
  AbortedChange,
  type CommandResult,
  ConnectionFailed,
  ConsfigError,
  FailedChange,
  InapplicableProperty,
  InvalidArguments,
  MissingData,
  Refused,
  RunFailed,
} from "./errors";
export type { DeployEvent } from "./events";
export { childrenOf, factsOf, hasHostattrs } from "./facts";
export {
  type Attribute,
  attribute,
  defhost,
  type Host,
  type HostFacts,
  type HostModel,
  shared,
} from "./host";
export { type ImageCall, imageDumped } from "./imageDumped";
export {
  type ChildHost,
  makeChildHost,
  makeHost,
  replacePropspecIntoHost,
  unionPropspecIntoHost,
} from "./made-hosts";
export {
  type Change,
  defprop,
  defproplist,
  type Kind,
  type MaybePropApp,
  type PropApp,
  type Steps,
  type Visits,
  type Way,
} from "./property";
export type { CommandReport, FleetReport, Report, StepReport } from "./report";
export * as schema from "./schema";
export { as, deploys, deploysThese, reconnects } from "./subdeployments";
export type { AgentTarget, FileStat, PosixTarget, State } from "./target";
