/** Sites of nginx, as Debian arranges them. */
import {
  AbortedChange,
  type Change,
  defprop,
  defproplist,
  onChange,
  type PosixTarget,
  schema,
  shellQuote,
  withCreatedNoted,
  withCreatedRemoved,
} from "consfigurator";
import { content, type Lines, wholeText } from "./_lines";
import { needsRoot } from "./_needs";
import * as os from "./_os";
import { needsProgram, refuseAnother } from "./_ownFile";
import { refusal } from "./_validate";
import { reloaded } from "./service";

const { object, string } = schema;

const siteName = () =>
  string({
    pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    description: 'the name of a site, such as "shop.example.org"',
  });

const available = (name: string): string => `/etc/nginx/sites-available/${name}`;
const enabled = (name: string): string => `/etc/nginx/sites-enabled/${name}`;

const needs = { program: "nginx", package: "nginx" };

const siteFile = defprop({
  name: "nginx._site",
  kind: "posix",
  args: object({ name: string(), text: string() }),
  desc: ({ name }) => `${available(name)}, enabled`,
  hostattrs: ({ name, text }, host) => refuseAnother(host, available(name), text),
  apply: async ({ name, text }, target) => {
    await needsRoot(target, "nginx.site");
    await needsProgram(target, needs);
    const link = await target.readLink(enabled(name));
    const isEnabled = link !== undefined && pointsTo(link, name);
    let isJudged = false;
    const validate = async (draft: Buffer) => {
      await judge(target, name, draft);
      isJudged = true;
    };
    const written = await withCreatedNoted(target, available(name), () =>
      target.ensureContent(available(name), text, { validate }),
    );
    if (isEnabled) return written;
    if (!isJudged) await validate(Buffer.from(text));
    await target.symlink(enabled(name), available(name));
    return "changed";
  },
  unapply: async ({ name }, target) => {
    await needsRoot(target, "nginx.site");
    const changes = [
      await unlinked(target, name),
      await withCreatedRemoved(target, available(name), () => target.remove(available(name))),
    ];
    return changes.includes("changed") ? "changed" : "unchanged";
  },
});

const pointsTo = (link: string, name: string): boolean =>
  link === available(name) || link === `../sites-available/${name}`;

/** Only a link is removed: a file there was put by someone else. */
async function unlinked(target: PosixTarget, name: string): Promise<Change> {
  const found = await target.lstat(enabled(name));
  if (found === undefined) return "unchanged";
  if (found.type !== "symlink")
    throw new AbortedChange(
      `${enabled(name)} is not a link to ${available(name)}; move it to /etc/nginx/sites-available`,
    );
  return target.remove(enabled(name));
}

/** nginx judges its whole configuration as it would be: a copy of it, which names nothing outside the copy. */
async function judge(target: PosixTarget, name: string, draft: Buffer): Promise<void> {
  await target.withTemporaryDirectory(async (directory) => {
    await target.writeFile(`${directory}/draft`, draft, { mode: 0o600 });
    const { exit, stdout, stderr } = await target.run(
      `cd ${shellQuote(directory)} && cp -RL /etc/nginx nginx 2>/dev/null
rm -f nginx/sites-enabled/${shellQuote(name)} && mv draft nginx/sites-enabled/${shellQuote(name)} || exit
grep -rlFZ /etc/nginx nginx | xargs -0 -r sed -i "s#/etc/nginx#$PWD/nginx#g" && nginx -t -q -c "$PWD/nginx/nginx.conf"`,
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
    const said = `${stderr}${stdout}`.trim().replaceAll(`${directory}/nginx`, () => "/etc/nginx");
    throw refusal("nginx -t", available(name), said || `exit code ${exit}`, exit);
  });
}

const siteDisabledNow = defprop({
  name: "nginx._siteDisabled",
  kind: "posix",
  args: object({ name: string() }),
  desc: ({ name }) => `${name} not enabled`,
  apply: async ({ name }, target) => {
    await needsRoot(target, "nginx.siteDisabled");
    return unlinked(target, name);
  },
});

/**
 * nginx serves the site `name`: /etc/nginx/sites-available/`name` has `content`, and is enabled by a link. `nginx -t` judges the
 * whole configuration with it before it is put in place; nginx is reloaded when something has changed. nginx must be installed.
 * Unapplying it removes both, and reloads nginx.
 *
 * @example nginx.site("shop.example.org", ["server {", "  listen 80;", "  server_name shop.example.org;", "  root /var/www/shop;", "}"])
 */
export const site = defproplist({
  name: "nginx.site",
  args: object({ name: siteName(), content: content() }),
  call: (name: string, content: Lines) => ({ name, content }),
  desc: ({ name }) => `nginx serves ${name}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ name, content }) => [onChange(siteFile({ name, text: wholeText(content) }), reloaded("nginx"))],
});

/**
 * nginx does not serve the site `name`: it is not in /etc/nginx/sites-enabled. What is in sites-available stays. nginx is
 * reloaded when something has changed.
 *
 * @example nginx.siteDisabled("default")
 */
export const siteDisabled = defproplist({
  name: "nginx.siteDisabled",
  args: object({ name: siteName() }),
  call: (name: string) => ({ name }),
  desc: ({ name }) => `nginx does not serve ${name}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: ({ name }) => [onChange(siteDisabledNow({ name }), reloaded("nginx"))],
});
