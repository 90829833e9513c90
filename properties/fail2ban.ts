/** Addresses that try passwords are banned. */
import { defprop, defproplist, onChange, type PosixTarget, schema, shellQuote } from "consfigurator";
import * as os from "./_os";
import { ownFile } from "./_ownFile";
import { refusal } from "./_validate";
import { reloaded } from "./service";

const { line, object, record, string } = schema;

const jailArgs = object({
  name: string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_-]*$",
    maxLength: 26,
    description: 'a jail, such as "sshd"',
  }),
  settings: record(line(), { propertyNames: { pattern: "^[a-z][a-z0-9_]*$" } }),
});

const file = defprop({
  name: "fail2ban._jail",
  ...ownFile({ mode: 0o644, needs: { program: "fail2ban-client", package: "fail2ban" }, judge }),
});

/** fail2ban judges a copy of its whole configuration: a jail may lack its filter, or its log. */
async function judge(target: PosixTarget, path: string, draft: Buffer): Promise<void> {
  await target.withTemporaryDirectory(async (directory) => {
    await target.writeFile(`${directory}/draft`, draft, { mode: 0o600 });
    const own = path.replace("/etc/fail2ban/", "");
    const { exit, stdout, stderr } = await target.run(
      `cd ${shellQuote(directory)} && cp -RL /etc/fail2ban fail2ban && mv draft fail2ban/${shellQuote(own)} && fail2ban-client -c "$PWD/fail2ban" -t`,
      {
        mayFail: true,
        excerpt: true,
        predict: (model) => {
          model.mayFail();
          return undefined;
        },
      },
    );
    if (exit === 0) return;
    const said = `${stdout}\n${stderr}`
      .replaceAll(`${directory}/fail2ban`, () => "/etc/fail2ban")
      .split("\n")
      .map((text) => /\]: +ERROR +(.*)/.exec(text)?.[1] ?? "")
      .filter((text) => text !== "" && text !== "ERROR: test configuration failed");
    throw refusal("fail2ban-client -t", path, said.join("\n") || `${stdout}${stderr}`.trim(), exit);
  });
}

/**
 * fail2ban has the jail `name`, enabled, with `settings` as in jail.conf(5), in a file of its own in /etc/fail2ban/jail.d.
 * `fail2ban-client -t` judges its whole configuration with it before it is put in place; fail2ban is reloaded when it has
 * changed, and started if it does not run. fail2ban must be installed. Unapplying it removes the file.
 *
 * @example fail2ban.jail("sshd", { backend: "systemd", maxretry: "4", bantime: "1h" })
 */
export const jail = defproplist({
  name: "fail2ban.jail",
  args: jailArgs,
  call: (name: string, settings: Readonly<Record<string, string>> = {}) => ({
    name,
    settings: { ...settings },
  }),
  desc: ({ name }) => `fail2ban watches ${name}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ name, settings }) => {
    const lines = [
      `[${name}]`,
      ...Object.entries({ enabled: "true", ...settings }).map(([key, value]) => `${key} = ${value}`),
    ];
    const text = lines.map((each) => `${each}\n`).join("");
    const path = `/etc/fail2ban/jail.d/${name}.local`;
    return [onChange(file({ path, text, property: "fail2ban.jail" }), reloaded("fail2ban"))];
  },
});
