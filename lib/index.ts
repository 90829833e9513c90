/**
 * The public API for consfigs and custom properties: `import { defhost, via } from "consfigurator"`. The properties in this
 * package import nothing else.
 */

export * from "./combinators";
export { canClone } from "./connection/sandbox";
export { type CommandWrapper, wrapped } from "./connection/wrapped";
export { deploy, deployPosix, deployThese, plan } from "./controller/deploy";
export { Deployment } from "./controller/deployment";
export { hostdeploy, hostdeployThese, localhd, localsudo } from "./controller/shortcuts";
export { despiteFailures, untilFailure } from "./engine/sequence";
export { type ImageCall, imageDumped } from "./executable/imageDumped";
export { LATEST_IMAGE, sharedRuntime } from "./executable/places";
export type {
  AccountChange,
  CommandChange,
  ContentChange,
  FileChange,
  FromTo,
  HostChange,
  MountChange,
  PackageChange,
  UnitChange,
} from "./model/changes";
export type { Channel, Connection } from "./model/connection";
export { described } from "./model/describe";
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
} from "./model/errors";
export type { DeployEvent } from "./model/events";
export { defhop, type Hop } from "./model/hop";
export {
  type Attribute,
  attribute,
  defhost,
  type Host,
  type HostFacts,
  type HostModel,
  shared,
} from "./model/host";
export type { PlanAnswer } from "./model/plan";
export {
  type Change,
  defprop,
  defproplist,
  type Kind,
  type MaybePropApp,
  type PropApp,
  type StepOptions,
  type Steps,
  type Visits,
  withoutEmpty,
} from "./model/property";
export type { CommandReport, FleetReport, Report, StepReport } from "./model/report";
export * as schema from "./model/schema";
export type {
  AgentTarget,
  FileStat,
  HostParts,
  PlanModel,
  PosixTarget,
  QueryOptions,
  RunOptions,
  State,
  User,
} from "./model/target";
export { as, deploys, deploysThese, reconnects } from "./nested/deploys";
export { childrenOf, factsOf, hasHostattrs } from "./nested/facts";
export {
  type ChildHost,
  makeChildHost,
  makeHost,
  replacePropspecIntoHost,
  unionPropspecIntoHost,
} from "./nested/make-host";
export { type FileAspect, withChangeIfChangesFiles } from "./target/changed-files";
export { shellQuote, shellWords } from "./util/shell-quote";
export * as via from "./via";
