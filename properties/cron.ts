/** Scheduled commands. */

import {
  AbortedChange,
  defprop,
  defproplist,
  imageDumped,
  LATEST_IMAGE,
  schema,
  shellWords,
} from "consfigurator";
import { encodedName } from "./_encoded";
import * as os from "./_os";
import * as apt from "./apt";
import { doesNotExist, existsWithContent } from "./file";

const { account, object, string } = schema;

const keywords = ["hourly", "daily", "weekly", "monthly"];
const nicknames = ["reboot", "yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
const field = "[0-9A-Za-z*/,-]+";
const time = () =>
  string({
    pattern: `^(${keywords.join("|")}|@(${nicknames.join("|")})|${field}( +${field}){4})$`,
    description: `${keywords.map((keyword) => `"${keyword}"`).join(", ")}, or a time as in crontab(5) such as "0 3 * * *"`,
  });
const job = object({
  desc: string({ minLength: 1, pattern: "^[^\\n]+$", description: "a description of the job, on one line" }),
  when: time(),
  user: account(),
  command: string({ minLength: 1, description: "a shell command" }),
});
type Job = schema.Infer<typeof job>;
const jobOf = (desc: string, when: string, user: string, command: string): Job => ({
  desc,
  when,
  user,
  command,
});

/** cron would skip the job without a word. */
const accountExists = defprop({
  name: "cron._accountExists",
  kind: "posix",
  args: object({ user: account() }),
  call: (user: string) => ({ user }),
  desc: ({ user }) => `account ${user} for the job`,
  inline: true,
  apply: async ({ user }, target) => {
    if (await target.user(user)) return "unchanged";
    throw new AbortedChange(
      `the account ${user} does not exist, and cron would never run the job; put user.hasAccount("${user}") before this property`,
    );
  },
});

/**
 * `command` runs as `user` at the times `when`: "hourly", "daily", "weekly", "monthly", or a time as in crontab(5). It
 * is not started again while it is running. Its output is mailed only when it fails. `desc` identifies the job on the
 * host: two jobs with the same `desc` are the same job. cron and moreutils are installed, and stay when this is
 * unapplied.
 *
 * @example cron.systemJob("dump of the shop", "30 4 * * *", "postgres", "pg_dump shop | gzip > /srv/dumps/shop.gz")
 */
export const systemJob = defproplist({
  name: "cron.systemJob",
  args: job,
  call: jobOf,
  desc: ({ desc, when }) => `${when}: ${desc}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (args) => {
    const { file, others } = places(args);
    return [
      accountExists(args.user),
      apt.serviceInstalledRunning("cron"),
      apt.installed("moreutils"),
      existsWithContent(scriptFile(args), script(args), { mode: 0o755 }),
      keywords.includes(args.when)
        ? existsWithContent(file, keywordJob(args), { mode: 0o755 })
        : existsWithContent(file, timedJob(args), { mode: 0o644 }),
      doesNotExist(...others),
    ];
  },
  unapply: (args, _target, steps) => {
    const { file, others } = places(args);
    return steps.apply(doesNotExist(file, ...others, scriptFile(args)));
  },
});

/**
 * Like `cron.systemJob`, but the command uses the processor and the disks only when they are idle otherwise.
 *
 * @example cron.niceSystemJob("search index", "daily", "search", "update-index --all")
 */
export const niceSystemJob = defproplist({
  name: "cron.niceSystemJob",
  args: job,
  call: jobOf,
  desc: ({ desc, when }) => `${when}, when idle: ${desc}`,
  parts: ({ desc, when, user, command }) => [systemJob(desc, when, user, nice(command))],
  unapply: ({ desc, when, user, command }, _target, steps) =>
    steps.unapply(systemJob(desc, when, user, nice(command))),
});

const nice = (command: string): string => shellWords(["nice", "ionice", "-c", "3", "sh", "-c", command]);

/**
 * The host repeats this deployment at the times `when`, without a controller, to correct drift between deployments. It
 * repeats the last deployment that included this property, with any further applications given to `deploy`. The outcome
 * is in the system journal, under "consfigurator".
 *
 * @example cron.runsConfigurator("daily")
 */
export const runsConfigurator = defproplist({
  name: "cron.runsConfigurator",
  args: object({ when: time() }),
  call: (when: string) => ({ when }),
  desc: ({ when }) => `${when}: repeat this deployment`,
  parts: ({ when }) => [imageDumped(), repeatedDeployment(when)],
  unapply: ({ when }, _target, steps) => steps.unapply(repeatedDeployment(when)),
});

const repeatedDeployment = (when: string) =>
  niceSystemJob("consfigurator", when, "root", `~root/${LATEST_IMAGE}`);

/** The file of the job for cron, and the files it would have at other times. */
export function places({ desc, when }: Pick<Job, "desc" | "when">): { file: string; others: string[] } {
  const name = encodedName(desc);
  const directory = (keyword: string) => `/etc/cron.${keyword}/${name}`;
  const all = ["d", ...keywords].map(directory);
  const file = directory(keywords.includes(when) ? when : "d");
  return { file, others: all.filter((path) => path !== file) };
}

const scriptFile = ({ desc }: Pick<Job, "desc">): string => `/usr/local/bin/${encodedName(desc)}_cronjob`;

const environment = "SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin\n";

/** A file of /etc/cron.d. */
export const timedJob = (args: Job): string =>
  `${environment}\n${args.when}\t${args.user}\tchronic ${scriptFile(args)}\n`;

/** A script that run-parts runs as root. */
export const keywordJob = (args: Job): string => {
  const as = args.user === "root" ? "" : `runuser -u ${args.user} -- `;
  return `#!/bin/sh\n\nset -e\n\n${environment}\nchronic ${as}${scriptFile(args)}\n`;
};

/** The job itself, which can also be run by hand. The job file is its lock: a second run exits at once. */
export const script = (args: Job): string =>
  `#!/bin/sh\n\nset -e\n\n${shellWords(["flock", "-n", places(args).file, "sh", "-c", args.command])}\n`;
