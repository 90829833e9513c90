import { argumentsOf, type DataSource } from "../model/data-source";
import { list, object, string } from "../model/schema";
import { outputOf, withoutLineBreak } from "./_run";
import { isDatum, named } from "./_source";

const args = argumentsOf(
  commandOutput,
  object({
    command: list(string({ minLength: 1 }), { minItems: 1 }),
    iden1: string({ minLength: 1 }),
    iden2: string({ minLength: 1 }),
  }),
);

/**
 * What a command prints on this machine, as the datum (`iden1`, `iden2`), without a final line break. It is run once in a
 * session, when a deployment needs the datum; never for a plan. For sops, Vault, the password managers of clouds.
 *
 * @example registerDataSource(source.commandOutput({ command: ["sops", "--decrypt", "secrets/app.key"], iden1: "_app", iden2: "key" }))
 */
export function commandOutput(options: {
  readonly command: readonly string[];
  readonly iden1: string;
  readonly iden2: string;
}): DataSource {
  const copy = { ...options, command: [...options.command] };
  const name = named("commandOutput", args, copy, commandOutput);
  const isIt = isDatum(options);
  return {
    name,
    asks: true,
    version: (iden1, iden2) => (isIt(iden1, iden2) ? 1 : undefined),
    get: async () => withoutLineBreak(await outputOf(copy.command as [string, ...string[]])),
  };
}
