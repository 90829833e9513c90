/** Keys of users. */
import { posix } from "node:path";
import {
  defprop,
  defproplist,
  InapplicableProperty,
  schema,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { publicKeyLine } from "./_hostKeys";
import { hostSecretUploaded, secretUploaded } from "./file";

const { object, optional, path, string } = schema;

const publicPart = defprop({
  name: "ssh._publicPart",
  kind: "posix",
  args: object({ file: path(), publicKey: string() }),
  desc: ({ file }) => `content of ${file}`,
  apply: ({ file, publicKey }, target) =>
    withCreatedNoted(target, posix.dirname(file), async () => {
      const made = await target.makeDirectory(posix.dirname(file), { mode: 0o700 });
      const written = await target.ensureContent(file, `${publicKey}\n`);
      return made === "changed" ? made : written;
    }),
  unapply: ({ file }, target) => withCreatedRemoved(target, file, () => target.remove(file)),
});

/**
 * The file `dest` has a private key of ssh, with mode 0o600, and `dest`.pub its public key. The private key is prerequisite data:
 * (`iden1`, `dest`), or else that of this host, (hostname, `dest`), for which `dest` must be absolute. A missing directory is created for its
 * owner only. Apply it as the user whose key it is. Unapplying it removes both files, and a directory that was created for them.
 *
 * @example as("root", ssh.hasUserKey("/root/.ssh/id_ed25519", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z root@web1"))
 * @example ssh.hasUserKey(".ssh/id_deploy", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHPUOJ8DoZQUJSUx6CVlIc9mY0yVmvvjBWmmTy1hmR0Z", { iden1: "_deploy" })
 */
export const hasUserKey = defproplist({
  name: "ssh.hasUserKey",
  args: object({ dest: path(), publicKey: publicKeyLine(), iden1: optional(string({ minLength: 1 })) }),
  call: (dest: string, publicKey: string, options: { iden1?: string } = {}) => ({
    dest,
    publicKey,
    ...options,
  }),
  desc: ({ dest }) => `key of ssh in ${dest}`,
  hostattrs: ({ dest, iden1 }, host) => {
    if (posix.isAbsolute(dest) || iden1?.startsWith("_")) return;
    throw new InapplicableProperty(
      `the private key in ${dest} would be the data (${iden1 ?? host.name}, ${dest}), which does not say whose home directory it is in; give an absolute path, or name the data with { iden1: "_deploy" }`,
    );
  },
  parts: ({ dest, publicKey, iden1 }) => [
    publicPart({ file: `${dest}.pub`, publicKey }),
    iden1 === undefined ? hostSecretUploaded(dest) : secretUploaded(iden1, dest, dest),
  ],
});
