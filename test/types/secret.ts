/** Type tests of secrets: where the compiler refuses one. This file is only compiled, as `property.ts` is. */

import { defprop, type PosixTarget, type Secret, type SecretStream, schema } from "../../lib";
import { cmd, file } from "../../properties";

export async function uses(target: PosixTarget, secret: Secret, stream: SecretStream): Promise<void> {
  // Where one belongs: the input of a command, and the content of a file.
  await target.run(["docker", "login", "--password-stdin"], { input: secret });
  await target.run(["sha256sum"], { input: stream });
  await target.ensureContent("/etc/token", secret, { mode: 0o600 });
  await target.writeFile("/etc/large", stream);

  // @ts-expect-error: an argument of a command is seen by all users.
  await target.run(["docker", "login", "--password", secret]);
  // @ts-expect-error: shell text is an argument, too.
  await target.run(secret);
  // @ts-expect-error: an environment is seen by other processes of the user.
  await target.run(["env"], { env: { TOKEN: secret } });
  // @ts-expect-error: a question is a command.
  await target.query(["echo", secret]);
  // @ts-expect-error: a message is seen by everyone who sees the report.
  target.inform(secret);
  // @ts-expect-error: large data is no text.
  await target.run(["echo", stream]);
}

export async function arguments_(secret: Secret): Promise<void> {
  // @ts-expect-error: arguments of properties are printed, sent and stored.
  file.hasContent("/etc/token", secret);
  // @ts-expect-error: in options, too.
  cmd.single("true", { env: { TOKEN: secret } });
}

export const noSchema = defprop({
  name: "secretTypes.noSchema",
  kind: "posix",
  args: schema.object({ token: schema.string() }),
  // @ts-expect-error: no schema describes a secret.
  call: (token: Secret) => ({ token }),
  apply: async () => "unchanged",
});
