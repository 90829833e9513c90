import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { object, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { intoLeader } from "./_leader";
import { resultOf } from "./command-result";

/** Into the machine `name` of systemd-machined, as machinectl(1) lists it, as its root; it takes root before it. */
export const systemdMachined = defhop({
  name: "systemdMachined",
  args: object({
    name: string({
      pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$",
      description: "the name of a machine, as machinectl lists it",
    }),
  }),
  call: (name: string) => ({ name }),
  open: async ({ name }, { parent }) => {
    const hop = asCode("via.systemdMachined", [name]);
    const command = `machinectl show ${shellQuote(name)} --property=Leader --value`;
    const { stdout, stderr, exit } = await resultOf(parent, `LC_ALL=C; export LC_ALL; ${command}`);
    const pid = Number(stdout.trim());
    if (exit === 0 && pid > 0) return intoLeader(parent, hop, pid);
    const said = stderr.trim().split("\n").at(-1) || `it named the leader ${JSON.stringify(stdout.trim())}`;
    throw new ConnectionFailed(hop, `\`${command}\`: ${said}${advice(said, name)}`);
  },
});

function advice(said: string, name: string): string {
  if (/not found/.test(said)) return "; machinectl is in the package systemd-container";
  return /No machine|not known|Could not get path/.test(said)
    ? `; is it running? \`machinectl start ${name}\` starts it`
    : "";
}
