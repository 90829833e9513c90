/**
 * The public API for consfigs and custom properties: `import { defhost, via } from "consfigurator"`. The properties in this
 * package import nothing else.
 */

export * from "./combinators";
export { canClone } from "./connection/sandbox";
export { type CommandWrapper, wrapped } from "./connection/wrapped";
export { clone, type HostClone } from "./controller/clones";
export { deploy, deployPosix, deployThese, plan, rehearse } from "./controller/deploy";
export { Deployment } from "./controller/deployment";
export { type Forgotten, forgetSecrets } from "./controller/forget";
export { hostdeploy, hostdeployThese, localhd, localsudo } from "./controller/shortcuts";
export { registerDataSource } from "./data/register";
export * as source from "./data/sources";
export { withCreatedNoted, withCreatedRemoved } from "./engine/origins";
export { despiteFailures, untilFailure } from "./engine/sequence";
export { type ImageCall, imageDumped, type RepetitionOptions } from "./executable/imageDumped";
export { LATEST_IMAGE, sharedRuntime } from "./executable/places";
export { type Difference, type DiffOptions, diff } from "./explore/diff";
export { type Drifted, drift } from "./explore/drift";
export type { FileLine, FollowFileOptions, FollowOptions } from "./explore/follow";
export { type Asking, type Evaluable, type Evaluated, on, type Ran } from "./explore/on";
export type { Asked, Located, Rows, Unanswered } from "./explore/rows";
export { type Happened, type Moment, since } from "./explore/since";
export { type WatchOptions, watch } from "./explore/watch";
export type { Watch } from "./explore/watching";
export { type Owner, whose } from "./explore/whose";
export { type CarriedValue, carriedValue } from "./model/carried";
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
export type { DataSource, SourceContext, Version } from "./model/data-source";
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
export { defhop, type Hop, type SeenFiles } from "./model/hop";
export {
  type Attribute,
  allHosts,
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
export type { CountedFiles, Rehearsal, RehearsedUnit } from "./model/rehearsal";
export type { CommandReport, FleetReport, Report, StepReport } from "./model/report";
export type { Cell, Row } from "./model/rows";
export * as schema from "./model/schema";
export { type Content, Secret } from "./model/secret";
export { SecretStream } from "./model/secret-stream";
export type { Seen } from "./model/seen";
export { deftable, type Query, type Table, type TableDefinition } from "./model/table";
export type {
  AgentTarget,
  FileStat,
  HostParts,
  PlanModel,
  PosixTarget,
  QueryOptions,
  Reboot,
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
export { type ConsfigFile, filesOfConsfig } from "./source/consfig-files";
export { renderedTemplate, type TemplatePiece } from "./source/rendering";
export * as tables from "./tables";
export { type FileAspect, withChangeIfChangesFiles } from "./target/changed-files";
export { isUnattended } from "./target/memory";
export { shellQuote, shellWords } from "./util/shell-quote";
export * as via from "./via";
