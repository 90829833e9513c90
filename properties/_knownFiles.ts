/** Files whose grammar is known: settings as plain lines would be wrong there. */
import { posix } from "node:path";
import { InapplicableProperty } from "consfigurator";
import { hasSections } from "./_iniDialects";

/** What to use instead, by file. */
const others: readonly { readonly files: RegExp; readonly use: string }[] = [
  { files: /^\/etc\/ssh\/sshd_config(\.d\/.*)?$/, use: "sshd.configured" },
  { files: /^\/etc\/ssh\/ssh_config(\.d\/.*)?$/, use: "ssh.systemConfigured" },
  { files: /(^|\/)\.ssh\/config$/, use: "ssh.configured" },
  { files: /(^|\/)\.ssh\/authorized_keys$/, use: "ssh.authorizedKeys" },
  { files: /^\/etc\/hosts$/, use: "hosts.has" },
  { files: /^\/etc\/(passwd|shadow|group|gshadow)$/, use: "a property of user, such as user.hasAccount" },
  { files: /^\/etc\/(crontab|cron\.d\/.*)$/, use: "cron.systemJob" },
  { files: /\.(json|yaml|yml|xml)$/, use: "file.hasContent" },
];

/** Refuses a file in which `property`, which writes plain lines, would write something wrong. */
export function refuseOtherGrammar(property: string, path: string, { sections = false } = {}): void {
  const normal = posix.normalize(path);
  const known = others.find(({ files }) => files.test(normal))?.use;
  const use = known ?? (!sections && hasSections(normal) ? "file.containsIniSettings" : undefined);
  if (use === undefined) return;
  throw new InapplicableProperty(
    `${property} would write lines that are wrong in ${path}, which has a grammar of its own; use ${use}`,
  );
}
