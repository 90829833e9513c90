/** Rotation of log files. */
import { defprop, defproplist, type PosixTarget, schema, shellWords } from "consfigurator";
import { content, type Lines, wholeText } from "./_lines";
import * as os from "./_os";
import { fileName, ownFile } from "./_ownFile";
import { refusal } from "./_validate";

const { object } = schema;

const DIRECTORY = "/etc/logrotate.d";

const rules = defprop({
  name: "logrotate._rules",
  ...ownFile({ mode: 0o644, needs: { program: "logrotate", package: "logrotate" }, judge }),
});

/**
 * It reads the other files, too: a log file that two of them name is passed over. Log files that are not there yet are no
 * fault.
 */
async function judge(target: PosixTarget, path: string, draft: Buffer): Promise<void> {
  await target.withTemporaryDirectory(async (directory) => {
    const own = `${directory}/draft`;
    await target.writeFile(own, draft, { mode: 0o600 });
    const others = ((await target.list(DIRECTORY)) ?? []).map((name) => `${DIRECTORY}/${name}`);
    const words = ["logrotate", "-d", "-s", "/dev/null", ...others.filter((each) => each !== path), own];
    const { stderr } = await target.run(`${shellWords(words)} 2>&1 >/dev/null | grep -aF ${own}: >&2`, {
      mayFail: true,
      excerpt: true,
      predict: (model) => {
        model.mayFail();
        return undefined;
      },
    });
    const complaints = stderr.split("\n").filter((line) => line.startsWith(`error: ${own}:`));
    if (complaints.length > 0)
      throw refusal(
        "logrotate -d",
        path,
        complaints.join("\n").replaceAll(own, () => path),
      );
  });
}

/**
 * logrotate(8) has the rules `content`, in /etc/logrotate.d/`name`, which nothing else may write. `logrotate -d` judges them,
 * together with those of other files, before they are put in place: what it would ignore, or a log file that has rules
 * already, is refused. logrotate must be installed. Unapplying it removes the file.
 *
 * @example logrotate.configured("shop", ["/var/log/shop/*.log {", "  weekly", "  rotate 8", "  compress", "  missingok", "}"])
 */
export const configured = defproplist({
  name: "logrotate.configured",
  args: object({ name: fileName("shop"), content: content() }),
  call: (name: string, content: Lines) => ({ name, content }),
  desc: ({ name }) => `logrotate has the rules ${name}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ name, content }) => [
    rules({ path: `${DIRECTORY}/${name}`, text: wholeText(content), property: "logrotate.configured" }),
  ],
});
