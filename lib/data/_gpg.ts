import { outputOf } from "./_run";

/** The output of gpg(1) with these arguments; `GNUPGHOME` says where its keys are. */
export const gpg = (args: readonly string[], input?: Buffer): Promise<Buffer> =>
  outputOf(["gpg", "--quiet", "--batch", "--yes", ...args], input);
