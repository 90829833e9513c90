/** The clock of the host, kept by chrony. */
import { defprop, defproplist, onChange, schema } from "consfigurator";
import { content, type Lines, wholeText } from "./_lines";
import * as os from "./_os";
import { fileName, ownFile } from "./_ownFile";
import { check } from "./_validate";
import { restarted } from "./service";

const { object } = schema;

const settings = defprop({
  name: "chrony._settings",
  ...ownFile({
    mode: 0o644,
    needs: { program: "chronyd", package: "chrony" },
    judge: async (target, path, draft) =>
      target.withTemporaryDirectory(async (directory) => {
        await target.writeFile(`${directory}/draft`, draft, { mode: 0o600 });
        await check(target, ["chronyd", "-p", "-f", "%s"], `${directory}/draft`, path, draft);
      }),
  }),
});

/**
 * chrony has the directives `content`, as in chrony.conf(5), in /etc/chrony/conf.d/`name`.conf, which nothing else may write.
 * chronyd judges them before they are put in place, and is restarted when they have changed. chrony must be installed; it
 * replaces systemd-timesyncd. Unapplying it removes the file.
 *
 * @example chrony.configured("ours", ["server time.example.org iburst", "makestep 1 3"])
 */
export const configured = defproplist({
  name: "chrony.configured",
  args: object({ name: fileName("ours"), content: content() }),
  call: (name: string, content: Lines) => ({ name, content }),
  desc: ({ name }) => `chrony has the directives ${name}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ name, content }) => {
    const path = `/etc/chrony/conf.d/${name}.conf`;
    const file = settings({ path, text: wholeText(content), property: "chrony.configured" });
    return [onChange(file, restarted("chrony"))];
  },
});
