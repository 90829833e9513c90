/** Settings of the Linux kernel. */
import { AbortedChange, type Change, defprop, type PosixTarget, schema } from "consfigurator";
import { isInhibited } from "./_inhibited";
import { needsRoot } from "./_needs";
import * as os from "./_os";

const { object, string } = schema;

const setArgs = object({
  key: string({
    pattern: "^[a-z0-9_-]+([./][A-Za-z0-9_:@.-]+)+$",
    description: 'a setting of the kernel, such as "net.ipv4.ip_forward"',
  }),
  value: string({ pattern: "^\\S(.*\\S)?$", description: "a value on one line" }),
});

/** As sysctl(8): the first separator says whether dots or slashes separate. */
const namesIn = (key: string): string =>
  /^[^./]*\//.test(key) ? key : key.replace(/[./]/g, (each) => (each === "." ? "/" : "."));
const inKernel = (key: string): string => `/proc/sys/${namesIn(key)}`;
const fileOf = (key: string): string =>
  `/etc/sysctl.d/90-${namesIn(key).replace(/[./]/g, (each) => (each === "/" ? "." : "_"))}.conf`;

/** The kernel separates several values with tabs. */
const plain = (value: string): string => value.trim().replace(/\s+/g, " ");

/**
 * The kernel has `value` for the setting `key`, now and after each boot: by a file of its own in /etc/sysctl.d. A key is
 * written as for sysctl(8): `net/ipv4/conf/eth0.1/forwarding` where a name has a dot. A setting that the kernel does not have
 * is refused; where services are inhibited only the file is written. What /etc/sysctl.conf says of the same key counts more
 * at boot. Unapplying it deletes the file; the kernel keeps the value until it boots.
 *
 * @example sysctl.set("net.ipv4.ip_forward", "1")
 */
export const set = defprop({
  name: "sysctl.set",
  kind: "posix",
  args: setArgs,
  call: (key: string, value: string) => ({ key, value }),
  desc: ({ key, value }) => `${key} = ${value}`,
  hostattrs: (_args, host) => os.required(host, "linux"),
  apply: async ({ key, value }, target) => {
    await needsRoot(target, "sysctl.set");
    const isSet = isInhibited(target) || plain(await presentValue(target, key)) === plain(value);
    const written = await target.ensureContent(fileOf(key), `${key} = ${value}\n`);
    return isSet ? written : setNow(target, key, value);
  },
  unapply: async ({ key }, target) => {
    await needsRoot(target, "sysctl.set");
    return target.remove(fileOf(key));
  },
});

async function presentValue(target: PosixTarget, key: string): Promise<string> {
  const value = (await target.readBytes(inKernel(key)))?.toString();
  if (value !== undefined) return value;
  throw new AbortedChange(
    `the kernel has no setting ${key}; correct the name, or load the module that brings it before this property`,
  );
}

async function setNow(target: PosixTarget, key: string, value: string): Promise<Change> {
  await target.run(["sysctl", "--quiet", "--write", `${key}=${value}`], {
    predict: (model) => {
      model.mayFail();
      model.mayChange({ paths: [inKernel(key)] });
      return undefined;
    },
  });
  return "changed";
}
