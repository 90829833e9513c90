import { defprop, defproplist, Secret, schema, withCreatedNoted, withCreatedRemoved } from "consfigurator";
import { parentOf } from "./_paths";

const { absolutePath, list, object, path, string } = schema;

const dataArgs = object({
  iden1: string({ minLength: 1 }),
  iden2: string({ minLength: 1 }),
  destination: path(),
});
const callWithData = (iden1: string, iden2: string, destination: string) => ({ iden1, iden2, destination });

/**
 * `destination` has the prerequisite data (`iden1`, `iden2`), from the sources that the consfig registers. Missing parent
 * directories are created. The file keeps its mode; a new one gets 0o644. A host whose data no source has is refused
 * before connecting. For what must not be read by everyone, use `file.secretUploaded`.
 *
 * @example file.dataUploaded("_ca", "certificate", "/etc/ssl/certs/ours.pem")
 */
export const dataUploaded = defprop({
  name: "file.dataUploaded",
  kind: "posix",
  args: dataArgs,
  call: callWithData,
  desc: ({ iden1, iden2, destination }) => `${destination} has the data (${iden1}, ${iden2})`,
  hostattrs: ({ iden1, iden2 }, host) => host.requireData(iden1, iden2),
  apply: async ({ iden1, iden2, destination }, target) => {
    const data = await target.dataStream(iden1, iden2);
    return target.ensureContent(destination, data instanceof Secret ? data.reveal() : data);
  },
});

/**
 * `destination` has the prerequisite data (`iden1`, `iden2`), with mode 0o600 from its first byte; its content appears in
 * no report. Missing parent directories are created. Unapplying it deletes the file.
 *
 * The data is fetched when the property is applied, and travels to the process that writes it in memory only. A plan does
 * not fetch it from a source that may ask, such as `source.pass()`; its answer is then "unknown".
 *
 * @example file.secretUploaded("_app", "api-token", "/etc/app/token")
 */
export const secretUploaded = defprop({
  name: "file.secretUploaded",
  kind: "posix",
  args: dataArgs,
  call: callWithData,
  desc: ({ iden1, iden2, destination }) => `${destination} has the secret (${iden1}, ${iden2})`,
  hostattrs: ({ iden1, iden2 }, host) => host.requireData(iden1, iden2),
  apply: ({ iden1, iden2, destination }, target) =>
    withCreatedNoted(target, parentOf(destination), async () =>
      target.ensureContent(destination, await target.dataStream(iden1, iden2), { mode: 0o600 }),
    ),
  unapply: ({ destination }, target) =>
    withCreatedRemoved(target, destination, () => target.remove(destination)),
});

const hostArgs = object({ destinations: list(absolutePath(), { minItems: 1 }) });
const callWithDestinations = (...destinations: string[]) => ({ destinations });

/**
 * Each of `destinations` has the prerequisite data of that name for this host: (hostname, destination). They are absolute
 * paths. Otherwise as `file.dataUploaded`; one that fails does not keep the others from being uploaded.
 *
 * @example file.hostDataUploaded("/etc/ssl/certs/web1.pem")
 */
export const hostDataUploaded = defproplist({
  name: "file.hostDataUploaded",
  args: hostArgs,
  call: callWithDestinations,
  desc: ({ destinations }) => `data of this host in ${destinations.join(", ")}`,
  parts: ({ destinations }, host) => destinations.map((each) => dataUploaded(host.name, each, each)),
});

/**
 * Each of `destinations` has the prerequisite data of that name for this host: (hostname, destination), as
 * `file.secretUploaded` writes it. They are absolute paths; one that fails does not keep the others from being uploaded.
 *
 * @example file.hostSecretUploaded("/etc/ssl/private/web1.key")
 */
export const hostSecretUploaded = defproplist({
  name: "file.hostSecretUploaded",
  args: hostArgs,
  call: callWithDestinations,
  desc: ({ destinations }) => `secrets of this host in ${destinations.join(", ")}`,
  parts: ({ destinations }, host) => destinations.map((each) => secretUploaded(host.name, each, each)),
});

/**
 * The directory `consfigurator/data` in the cache of the connected user does not exist. Prerequisite data is never stored
 * there; the Consfigurator for Common Lisp keeps it there, secrets among it, readable by everyone who can enter the home
 * directory. What a host keeps to repeat its deployment is elsewhere: see `imageDumped`. For another user use `as`.
 *
 * @example as("root", file.dataCachePurged())
 */
export const dataCachePurged = defprop({
  name: "file.dataCachePurged",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "no prerequisite data in the cache",
  apply: async (_args, target) => {
    const { stdout: cache } = await target.query('printf %s "${XDG_CACHE_HOME:-$HOME/.cache}"');
    return target.remove(`${cache}/consfigurator/data`, { recursive: true });
  },
});
