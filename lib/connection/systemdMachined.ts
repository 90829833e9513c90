import { ConnectionFailed } from "../model/errors";
import { defhop } from "../model/hop";
import { asCode } from "../model/property";
import { object, string } from "../model/schema";
import { shellQuote } from "../util/shell-quote";
import { enterProcess } from "./_process-namespaces";
import { resultOf } from "./command-result";

/** Enters the machine `name` of systemd-machined, as listed by machinectl(1), as its root. Needs root before it. */
export const systemdMachined = defhop({
  name: "systemdMachined",
  args: object({
    name: string({
      pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$",
      description: "the name of a machine, as listed by machinectl",
    }),
  }),
  call: (name: string) => ({ name }),
  open: async ({ name }, { parent }) => {
    const hop = asCode("via.systemdMachined", [name]);
    const command = `machinectl show ${shellQuote(name)} --property=Leader --value`;
    const { stdout, stderr, exit } = await resultOf(parent, `LC_ALL=C; export LC_ALL; ${command}`);
    const pid = Number(stdout.trim());
    if (exit === 0 && pid > 0) return enterProcess(parent, hop, pid);
    const reason =
      stderr.trim().split("\n").at(-1) || `it printed the leader ${JSON.stringify(stdout.trim())}`;
    throw new ConnectionFailed(hop, `\`${command}\`: ${reason}${advice(reason, name)}`);
  },
});

function advice(reason: string, name: string): string {
  if (/not found/.test(reason)) return "; machinectl is in the package systemd-container";
  return /No machine|not known|Could not get path/.test(reason)
    ? `; check that it is running: \`machinectl start ${name}\` starts it`
    : "";
}
