/**
 * Where a file of lib/ is tested that has no test at its own path. A row that ends with `/` is for every such file of that
 * directory; the longest row that fits counts.
 */
export const testedIn: Readonly<Record<string, string>> = {
  "lib/index.ts": "test/docs/properties.test.ts",
  "lib/testing.ts": "test/properties/file.test.ts",
  "lib/test-harness/": "test/properties/file.test.ts",
  "lib/via.ts": "test/lib/connection/conformance.test.ts",

  "lib/util/attempt.ts": "test/lib/executable/imageDumped.test.ts",
  "lib/util/build-cache.ts": "test/lib/source/_packages.test.ts",
  "lib/util/command-groups.ts": "test/lib/agent/host/tenure.test.ts",
  "lib/util/login-environment.ts": "test/lib/connection/conformance.test.ts",
  "lib/util/own-host.ts": "test/lib/connection/host-lock.test.ts",
  "lib/util/package.js": "test/lib/source/register.test.ts",
  "lib/util/shell-quote.ts": "test/lib/target/shell/target.test.ts",
  "lib/util/similar.ts": "test/lib/model/registry.test.ts",

  "lib/util/temporary-records.ts": "test/lib/engine/host-lock.test.ts",

  "lib/model/_event-fields.ts": "test/lib/model/host-events.test.ts",
  "lib/model/agent-artifacts.ts": "test/lib/agent/client/_upload.test.ts",
  "lib/model/application.ts": "test/lib/engine/prepare.test.ts",
  "lib/model/cancellation.ts": "test/lib/engine/hops.test.ts",
  "lib/agent/client/running.ts": "test/lib/controller/bound-plan.test.ts",
  "lib/controller/plan-file.ts": "test/lib/controller/bound-plan.test.ts",
  "lib/model/bound.ts": "test/lib/controller/bound-plan.test.ts",
  "lib/model/changes.ts": "test/lib/target/file-change.test.ts",
  "lib/model/connection.ts": "test/lib/connection/local.test.ts",
  "lib/model/definition-checks.ts": "test/lib/model/property.test.ts",
  "lib/model/describe.ts": "test/lib/engine/apply.test.ts",
  "lib/model/events.ts": "test/lib/model/report.test.ts",
  "lib/model/hop-chain.ts": "test/lib/controller/host-run.test.ts",
  "lib/model/host-facts.ts": "test/lib/model/host.test.ts",
  "lib/model/host-lock.ts": "test/lib/connection/host-lock.test.ts",
  "lib/model/job.ts": "test/lib/agent/shared/messages.test.ts",
  "lib/model/plan.ts": "test/lib/engine/plan.test.ts",
  "lib/model/plain-data.ts": "test/lib/model/property.test.ts",
  "lib/model/target.ts": "test/lib/target/base.test.ts",
  "lib/model/types.ts": "test/lib/model/property.test.ts",

  "lib/target/": "test/lib/target/base.test.ts",
  "lib/target/local/": "test/lib/target/base.test.ts",
  "lib/target/local/acts.ts": "test/lib/target/untrusted-paths.test.ts",
  "lib/target/local/pinned.ts": "test/lib/target/untrusted-paths.test.ts",
  "lib/target/planning/": "test/lib/target/planning/target.test.ts",
  "lib/target/shell/": "test/lib/target/shell/target.test.ts",
  "lib/target/shell/acts.ts": "test/lib/target/untrusted-paths.test.ts",

  "lib/connection/": "test/lib/connection/conformance.test.ts",
  "lib/connection/ssh/": "test/lib/connection/ssh/machines.test.ts",
  "lib/connection/ssh/_askpass.ts": "test/lib/connection/ssh/auth.test.ts",
  "lib/connection/ssh/_keys.ts": "test/lib/connection/ssh/auth.test.ts",
  "lib/connection/ssh/_hostkey.ts": "test/lib/connection/ssh/hostkeys.test.ts",
  "lib/connection/ssh/_deadline.ts": "test/lib/connection/ssh/network.test.ts",

  "lib/agent/shared/compression.ts": "test/lib/agent/client/_upload.test.ts",
  "lib/agent/shared/job.ts": "test/lib/agent/shared/messages.test.ts",
  "lib/agent/shared/heartbeat.ts": "test/lib/agent/host/supervisor.test.ts",
  "lib/agent/shared/journal-line.ts": "test/lib/agent/host/journal.test.ts",
  "lib/agent/shared/process.ts": "test/lib/agent/client/bootstrap.test.ts",
  "lib/agent/shared/shapes.ts": "test/lib/agent/shared/messages.test.ts",
  "lib/agent/shared/tree.ts": "test/lib/source/modules.test.ts",
  "lib/agent/host/": "test/lib/agent/faults.test.ts",
  "lib/agent/host/command-record.ts": "test/lib/agent/host/tenure.test.ts",
  "lib/agent/host/processes.ts": "test/lib/agent/host/tenure.test.ts",
  "lib/agent/client/boot-bundle.ts": "test/lib/agent/client/bootstrap.test.ts",
  "lib/agent/client/connection.ts": "test/lib/agent/client/link.test.ts",
  "lib/agent/client/hop.ts": "test/lib/agent/client/link.test.ts",
  "lib/agent/client/marked.ts": "test/lib/agent/client/child.test.ts",
  "lib/agent/client/runtime.ts": "test/lib/agent/client/_upload.test.ts",

  "lib/engine/held-since.ts": "test/lib/engine/host-lock.test.ts",
  "lib/engine/fit.ts": "test/lib/controller/host-run.test.ts",
  "lib/engine/preparation-cache.ts": "test/lib/nested/facts.test.ts",
  "lib/engine/": "test/lib/engine/apply.test.ts",
  "lib/engine/sequence.ts": "test/lib/combinators/sequence.test.ts",
  "lib/combinators/": "test/lib/combinators/change.test.ts",
  "lib/combinators/left-out.ts": "test/lib/controller/leave-out.test.ts",

  "lib/worker/": "test/lib/agent/client/link.test.ts",
  "lib/executable/": "test/lib/executable/imageDumped.test.ts",

  "lib/source/": "test/lib/source/consfig.test.ts",
  "lib/source/_bundle.ts": "test/lib/source/_packages.test.ts",
  "lib/source/_checker.ts": "test/lib/source/check.test.ts",
  "lib/source/compiler.js": "test/lib/source/register.test.ts",
  "lib/source/_explain.ts": "test/lib/source/loadError.test.ts",
  "lib/source/_prune.js": "test/lib/source/register.test.ts",
  "lib/source/_standIns.ts": "test/lib/source/_manifest.test.ts",
  "lib/source/_template.ts": "test/lib/source/init.test.ts",
  "lib/source/_transformers.js": "test/lib/source/import.test.ts",
  "lib/source/_wire-form.ts": "test/lib/source/_manifest.test.ts",
  "lib/source/_trees.ts": "test/lib/source/_manifest.test.ts",

  "lib/controller/artifacts.ts": "test/lib/agent/client/link.test.ts",
  "lib/controller/deployment.ts": "test/lib/controller/deploy.test.ts",
  "lib/controller/leases.ts": "test/lib/controller/agents.test.ts",
  "lib/controller/module-check.ts": "test/lib/executable/imageDumped.test.ts",
  "lib/controller/open-shell.ts": "test/repl/choices.test.ts",
  "lib/controller/push.ts": "test/lib/agent/client/trees.test.ts",
  "lib/controller/request.ts": "test/lib/controller/deploy.test.ts",
  "lib/controller/source-positions.ts": "test/lib/worker/job.test.ts",
  "lib/controller/validate.ts": "test/repl/check.test.ts",
};

/** The test of `file` according to the table; undefined when it is in no row. */
export const testOf = (file: string): string | undefined => testedIn[rowOf(file) ?? ""];

/** The longest row that fits `file`. */
export const rowOf = (file: string): string | undefined =>
  Object.keys(testedIn)
    .filter((row) => file === row || (row.endsWith("/") && file.startsWith(row)))
    .sort((one, other) => other.length - one.length)[0];
