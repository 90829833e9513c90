/** What is restarted after an upgrade of what it uses. */
import { defprop, defproplist, schema } from "consfigurator";
import * as os from "./_os";
import { ownFile } from "./_ownFile";

const { boolean, list, object, oneOf, optional, string } = schema;

const unit = () =>
  string({ pattern: "^[A-Za-z0-9:_.@-]+$", description: 'a service, such as "postgresql.service"' });
const optionsArgs = object({
  restart: oneOf("list", "interactive", "automatic"),
  kernelHints: optional(boolean()),
  except: optional(list(unit())),
});
type Options = schema.Infer<typeof optionsArgs>;

const file = defprop({
  name: "needrestart._settings",
  ...ownFile({ mode: 0o644, needs: { program: "needrestart", package: "needrestart" } }),
});

const textOf = ({ restart, kernelHints, except = [] }: Options): string =>
  [
    `$nrconf{restart} = '${restart[0]}';`,
    ...(kernelHints === undefined ? [] : [`$nrconf{kernelhints} = ${kernelHints ? -1 : 0};`]),
    ...except.map((each) => `$nrconf{override_rc}{qr(^${each.replace(/[.@]/g, "\\$&")}$)} = 0;`),
  ]
    .map((line) => `${line}\n`)
    .join("");

/**
 * After packages were upgraded, needrestart restarts the services that use what was replaced ("automatic"), asks which
 * ("interactive"), or lists them ("list"). It leaves the services `except` alone, and tells of a newer kernel unless
 * `kernelHints` is false. Its file in /etc/needrestart/conf.d has nothing else. needrestart must be installed. A host has one
 * such property. Unapplying it removes the file.
 *
 * @example needrestart.configured({ restart: "automatic", except: ["postgresql@15-main.service"] })
 */
export const configured = defproplist({
  name: "needrestart.configured",
  args: optionsArgs,
  desc: ({ restart }) => `needrestart: ${restart}`,
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: (options) => [
    file({
      path: "/etc/needrestart/conf.d/90-consfigurator.conf",
      text: textOf(options),
      property: "needrestart.configured",
    }),
  ],
});
