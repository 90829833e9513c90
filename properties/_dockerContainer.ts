/** Containers of Docker, as they are found and replaced. */
import { createHash } from "node:crypto";
import { AbortedChange, type Change, FailedChange, type PosixTarget } from "consfigurator";
import { type ContainerArgs, runWords } from "./_containerRun";

/** The label of a container with the digest of how it was to be run. */
const LABEL = "consfigurator.definition";

/** Seconds that a container must have run to be taken to go on. */
const STEADY_S = 1;
/** Seconds in which a health check must have passed. */
const HEALTHY_S = 120;
/** Lines of a container's log in a failure. */
const LOG_LINES = 10;

/** What Docker says of a container; see `docker container inspect`. */
interface Found {
  readonly image: string;
  readonly definition: string | undefined;
  readonly restarts: number;
  readonly state: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Restarting: boolean;
    readonly ExitCode: number;
    readonly Error: string;
    readonly Health?: { readonly Status: string; readonly Log?: readonly { readonly Output: string }[] };
  };
}

const FORMAT =
  '{"image":{{json .Image}},"labels":{{json .Config.Labels}},"restarts":{{.RestartCount}},"state":{{json .State}}}';

export const definitionOf = (args: ContainerArgs): string =>
  createHash("sha256")
    .update(JSON.stringify([restartOf(args), runWords(args)]))
    .digest("hex")
    .slice(0, 16);

const restartOf = ({ restart = "always" }: ContainerArgs): string => restart;

/** Where the container that is replaced stays until the new one runs. */
const replacedName = (name: string): string => `${name}.replaced`;

/** Throws `AbortedChange` where Docker cannot be used. */
export async function needsDocker(target: PosixTarget): Promise<void> {
  if (!(await target.hasCommand("docker")))
    throw new AbortedChange("Docker is not installed; put docker.installed() before this property");
}

/** The container `name`; undefined when there is none. Throws `AbortedChange` when Docker cannot be asked. */
async function found(target: PosixTarget, name: string): Promise<Found | undefined> {
  const { exit, stdout, stderr } = await target.query(
    ["docker", "container", "inspect", "--format", FORMAT, name],
    { mayFail: true },
  );
  if (exit === 0) {
    const { labels, ...rest } = JSON.parse(stdout) as Found & { labels: Record<string, string> | null };
    return { ...rest, definition: labels?.[LABEL] };
  }
  if (/no such container/i.test(stderr)) return undefined;
  throw new AbortedChange(`Docker cannot be asked: ${stderr.trim() || `exit code ${exit}`}`);
}

/** The identifier of an image that the host has. */
export async function imageId(target: PosixTarget, image: string): Promise<string | undefined> {
  const { exit, stdout } = await target.query(["docker", "image", "inspect", "--format", "{{.Id}}", image], {
    mayFail: true,
  });
  return exit === 0 ? stdout.trim() : undefined;
}

/** Whether `container` is what `args` describe, with the image as the host has it now. */
const isDefined = (args: ContainerArgs, container: Found, image: string | undefined): boolean =>
  container.definition === definitionOf(args) && (image === undefined || image === container.image);

const isUp = ({ state }: Found): boolean =>
  state.Running && !state.Restarting && state.Health?.Status !== "unhealthy";

/** A container that ends of itself, and is not to be started again, has done its work. */
const isDone = ({ state }: Found, args: ContainerArgs): boolean =>
  restartOf(args) !== "always" && state.Status === "exited" && state.ExitCode === 0;

/** Starts the container, or replaces it by a new one; the old one comes back when that does not run. */
export async function containerApplied(target: PosixTarget, args: ContainerArgs): Promise<Change> {
  await needsDocker(target);
  const { name } = args;
  const replaced = replacedName(name);
  const [container, left, image] = await Promise.all([
    found(target, name),
    found(target, replaced),
    imageId(target, args.image),
  ]);
  if (container && isDefined(args, container, image)) {
    if (!left && (isUp(container) || isDone(container, args))) return "unchanged";
    if (!isUp(container)) await docker(target, "restart", name);
    const why = await whyNotUp(target, args);
    if (why !== undefined) throw new FailedChange(why);
    if (left) await docker(target, "rm", "--force", replaced);
    return "changed";
  }
  if (image === undefined) await pulled(target, args.image);
  // An interrupted replacement has left the old container, and perhaps a new one of which nothing is known.
  if (left && container) await docker(target, "rm", "--force", name);
  if (!left && container) {
    await docker(target, "rename", name, replaced);
    await docker(target, "stop", replaced);
  }
  const why = await started(target, args);
  if (why === undefined) {
    if (left ?? container) await docker(target, "rm", "--force", replaced);
    return "changed";
  }
  await target.run(["docker", "rm", "--force", name], { mayFail: true });
  if (!(left ?? container)) throw new FailedChange(why);
  await docker(target, "rename", replaced, name);
  await docker(target, "start", name);
  throw new FailedChange(`${why}\nthe container that was there before runs again`);
}

/** Creates the container and starts it. Returns why it does not run; undefined when it does. */
async function started(target: PosixTarget, args: ContainerArgs): Promise<string | undefined> {
  const { exit, stderr } = await target.run(
    [
      ...["docker", "run", "--detach", `--name=${args.name}`, `--restart=${restartOf(args)}`],
      ...[`--label=${LABEL}=${definitionOf(args)}`, ...runWords(args)],
    ],
    { mayFail: true, inform: true },
  );
  return exit === 0 ? whyNotUp(target, args) : `docker run: ${stderr.trim() || `exit code ${exit}`}`;
}

/** Why the container does not run a moment after its start, or why its health check does not pass; undefined when all is well. */
async function whyNotUp(target: PosixTarget, args: ContainerArgs): Promise<string | undefined> {
  const { name } = args;
  const health = `docker container inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{end}}' ${name}`;
  await target.query(
    `sleep ${STEADY_S}; n=0; while [ "$(${health} 2>/dev/null)" = starting ] && [ $((n += 1)) -le ${HEALTHY_S} ]; do sleep 1; done`,
  );
  const container = await found(target, name);
  if (container && ((isUp(container) && container.restarts === 0) || isDone(container, args)))
    return undefined;
  if (!container) return `the container ${name} is gone`;
  return `the container ${name} does not run: ${problemOf(container)}${await logOf(target, name)}`;
}

function problemOf({ state, restarts }: Found): string {
  const check = state.Health?.Log?.at(-1)?.Output.trim();
  if (state.Health?.Status === "unhealthy" || state.Health?.Status === "starting")
    return `its health check does not pass${check ? ` (${check})` : ""}`;
  if (restarts > 0) return "it ends soon after its start, and is started again and again";
  return `it ended with exit code ${state.ExitCode}${state.Error ? ` (${state.Error})` : ""}`;
}

async function logOf(target: PosixTarget, name: string): Promise<string> {
  const { stdout, stderr } = await target.query(
    ["docker", "container", "logs", "--tail", String(LOG_LINES), name],
    { mayFail: true },
  );
  const said = `${stdout}${stderr}`.trim();
  return said === "" ? "" : `\n${said}`;
}

/** Removes the container, and what an interrupted replacement has left. */
export async function containerRemoved(target: PosixTarget, { name }: ContainerArgs): Promise<Change> {
  await needsDocker(target);
  const names = [name, replacedName(name)];
  const there = await Promise.all(names.map((each) => found(target, each)));
  const left = names.filter((_, index) => there[index] !== undefined);
  if (left.length === 0) return "unchanged";
  await docker(target, "rm", "--force", ...left);
  return "changed";
}

/** Pulls the image. Returns whether the host has another one now. */
export async function pulled(target: PosixTarget, image: string): Promise<Change> {
  const before = await imageId(target, image);
  await target.run(["docker", "image", "pull", "--quiet", image], {
    inform: true,
    ...(before !== undefined && { unpredictable: "only the registry knows whether it has a newer image" }),
  });
  return (await imageId(target, image)) === before ? "unchanged" : "changed";
}

async function docker(target: PosixTarget, ...words: string[]): Promise<void> {
  await target.run(["docker", "container", ...words]);
}
