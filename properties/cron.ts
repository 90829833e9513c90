/** Scheduled commands. */

import {
  AbortedChange,
  defprop,
  defproplist,
  imageDumped,
  LATEST_IMAGE,
  type PlanModel,
  type PosixTarget,
  schema,
  shellWords,
  untilFailure,
} from "consfigurator";
import { encodedName } from "./_encoded";
import { rootRequired } from "./_needs";
import * as os from "./_os";
import { callOfRepetition, repeatedWithout } from "./_repetition";
import * as apt from "./apt";
import { doesNotExist, existsWithContent } from "./file";

const { account, datum, list, object, optional, record, string } = schema;

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
 * is in the system journal, under "consfigurator". The prerequisite data that it needs is kept on the host, but that of
 * `without`: see `imageDumped`. Unapplying it removes the data, and what repeats the deployment.
 *
 * @example cron.runsConfigurator("daily")
 * @example cron.runsConfigurator("daily", { without: [["_ca", "key"]] })
 */
export const runsConfigurator = defproplist({
  name: "cron.runsConfigurator",
  args: object({ when: time(), without: optional(list(datum())) }),
  call: callOfRepetition,
  desc: ({ when }) => `${when}: repeat this deployment`,
  parts: ({ when, without }) => [
    rootRequired("cron.runsConfigurator"),
    repeatedWithout(without),
    repeatedDeployment(when),
  ],
  unapply: ({ when }, _target, steps) =>
    untilFailure([repeatedDeployment(when), imageDumped()], "unapply", steps),
});

const repeatedDeployment = (when: string) =>
  niceSystemJob("consfigurator", when, "root", `~root/${LATEST_IMAGE}`);

const crontabArgs = object({
  env: record(string({ pattern: "^[^\\n]*$", description: "a value on one line" }), {
    propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
  }),
  jobs: list(
    string({
      pattern: `^(@(${nicknames.join("|")})|${field}([ \\t]+${field}){4})[ \\t]+[^\\s][^\\n]*$`,
      description: 'a line of crontab(5), such as "0 3 * * * $HOME/bin/dump"',
    }),
  ),
});

/**
 * The crontab of the connected user has exactly `jobs`, lines as in crontab(5), with the variables `env`; what else was in
 * it is gone. `PATH` is set to the usual directories unless `env` does. `$HOME` is replaced by the home directory, which
 * cron itself does only in commands. For another user use `as`. Unapplying it deletes the crontab.
 *
 * @example cron.userCrontabInstalled({ MAILTO: "ana@example.org" }, "0 3 * * * $HOME/bin/dump")
 */
export const userCrontabInstalled = defprop({
  name: "cron.userCrontabInstalled",
  kind: "posix",
  args: crontabArgs,
  call: (env: Readonly<Record<string, string>>, ...jobs: string[]) => ({ env, jobs }),
  desc: ({ jobs }) => `crontab of the user: ${jobs.join("; ") || "no jobs"}`,
  check: async (args, target) => (await presentCrontab(target)) === (await crontabOf(args, target)),
  apply: async (args, target) => {
    if (!(await target.hasCommand("crontab")))
      throw new AbortedChange(
        `${target.host.name} has no crontab command; put apt.installed("cron"), or what provides it there, before this property`,
      );
    const input = await crontabOf(args, target);
    const predict = (model: PlanModel) => model.answer(readCrontab, { stdout: input }, aboutCrontabs);
    await target.run(["crontab", "-"], { input, predict: (model) => void predict(model) });
    return "changed";
  },
  unapply: async (_args, target) => {
    const predict = (model: PlanModel) => model.answer(readCrontab, { exit: 1 }, aboutCrontabs);
    await target.run(["crontab", "-r"], { predict: (model) => void predict(model) });
    return "changed";
  },
});

const readCrontab = ["crontab", "-l"];
const aboutCrontabs = { paths: ["/var/spool/cron", "/var/cron/tabs"] };

/** The crontab of the connected user; undefined when there is none. Some crontabs print lines of their own first. */
async function presentCrontab(target: PosixTarget): Promise<string | undefined> {
  const { stdout, exit } = await target.query(readCrontab, { mayFail: true, about: aboutCrontabs });
  if (exit !== 0) return undefined;
  return stdout.replace(
    /^# DO NOT EDIT THIS FILE - edit the master and reinstall\.\n(?:# \(.*\)\n){0,2}/,
    "",
  );
}

async function crontabOf(
  { env, jobs }: schema.Infer<typeof crontabArgs>,
  target: PosixTarget,
): Promise<string> {
  const { uid, home } = await target.identity();
  const usual =
    uid === 0
      ? `/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin`
      : "/usr/local/bin:/bin:/usr/bin";
  const variables = Object.entries("PATH" in env ? env : { PATH: usual, ...env });
  const lines = [
    "# Written by consfigurator: other changes are lost.",
    "",
    ...variables.map(([name, value]) => `${name}=${quotedIfNeeded(value)}`),
    "",
    ...jobs,
  ];
  const ownHome = home.replace(/(.)\/+$/, "$1");
  return lines.map((each) => `${each.replace(/\$(?:HOME\b|\{HOME\})/g, () => ownHome)}\n`).join("");
}

/** cron takes an empty value for a missing one, and leaves out spaces at the ends, unless the value is in quotes. */
const quotedIfNeeded = (value: string): string => {
  if (value !== "" && value.trim() === value) return value;
  return value.includes('"') ? `'${value}'` : `"${value}"`;
};

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
