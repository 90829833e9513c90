import {
  type Change,
  defprop,
  defproplist,
  InapplicableProperty,
  type PosixTarget,
  renderedTemplate,
  Secret,
  schema,
} from "consfigurator";
import { type Checker, checker, checking } from "./_validate";

const { datum, either, json, list, mode, object, optional, path, record, string } = schema;

const options = { mode: optional(mode()), validate: optional(checker()) };
const renderedArgs = object({ path: path(), pieces: list(either(string(), datum())), ...options });
type Rendered = schema.Infer<typeof renderedArgs>;

const dataIn = ({ pieces }: Rendered) => pieces.filter((each) => typeof each !== "string");

/** `path` has the text `pieces`, with data of the consfig in between. */
const rendered = defprop({
  name: "file._rendered",
  kind: "posix",
  args: renderedArgs,
  desc: ({ path }) => `content of ${path}`,
  inline: true,
  hostattrs: (args, host) => {
    for (const [iden1 = "", iden2 = ""] of dataIn(args)) host.requireData(iden1, iden2);
  },
  apply: (args, target) => (dataIn(args).length > 0 ? writeSecret(args, target) : write(args, target)),
});

const write = ({ path, pieces, mode, validate }: Rendered, target: PosixTarget): Promise<Change> =>
  target.ensureContent(path, pieces.join(""), {
    ...(mode !== undefined && { mode }),
    ...checking(target, path, validate),
  });

async function writeSecret({ path, pieces, mode = 0o600 }: Rendered, target: PosixTarget): Promise<Change> {
  const parts: Buffer[] = [];
  for (const each of pieces) {
    const [iden1 = "", iden2 = ""] = each;
    parts.push(typeof each === "string" ? Buffer.from(each) : (await target.data(iden1, iden2)).reveal());
  }
  return target.ensureContent(path, new Secret(Buffer.concat(parts)), { mode });
}

const templateArgs = object({
  path: path(),
  template: string({ minLength: 1, description: 'a file of the consfig, such as "templates/shop.conf"' }),
  values: record(json()),
  data: record(datum()),
  ...options,
});

/** Options of `file.hasTemplate`. */
export interface TemplateOptions {
  /** Prerequisite data by the name that the template knows it by. */
  readonly data?: Readonly<Record<string, readonly [iden1: string, iden2: string]>>;
  readonly mode?: number;
  readonly validate?: Checker;
}

/**
 * `path` has the text of `template`, a file of the consfig, rendered with `values` by [Eta](https://eta.js.org): `<%= it.port %>` is the
 * value `port`, and between `<%` and `%>` is JavaScript, such as `<% for (const name of it.names) { %>`. A line with nothing
 * but such tags leaves no empty line. `<%~ include("part.conf", { … }) %>` renders another file, relative to the template.
 *
 * It is rendered on your own machine, before connecting; the host needs nothing. A name that is not among the values is an
 * error, never the text `undefined`. Errors name the file and the line. `mode` and `validate` are as for `file.hasContent`.
 *
 * `data` are prerequisite data by the names that they have in the template, which can only write them out as they are. They are filled
 * in on the host; the file then has the permission bits 0o600 unless `mode` is given, and its content appears in no report.
 * As what a checker prints may do so, `validate` is refused then.
 *
 * @example file.hasTemplate("/etc/motd", "templates/motd", { name: "web1", services: ["nginx", "postgresql"] })
 * @example file.hasTemplate("/etc/shop.conf", "templates/shop.conf", { port: 8080 }, { data: { password: ["_shop", "db-password"] } })
 */
export const hasTemplate = defproplist({
  name: "file.hasTemplate",
  args: templateArgs,
  call: (
    path: string,
    template: string,
    values: Readonly<Record<string, unknown>> = {},
    { data = {}, ...options }: TemplateOptions = {},
  ) => ({
    path,
    template,
    values: { ...values },
    data: { ...data },
    ...options,
  }),
  desc: ({ path, template }) => `${path} from the template ${template}`,
  hostattrs: ({ data, validate }) => {
    if (validate !== undefined && Object.keys(data).length > 0)
      throw new InapplicableProperty(
        "what a checker prints could show the data; leave out validate, or the data",
      );
  },
  parts: ({ path, template, values, data, ...options }) => {
    const pieces = renderedTemplate(template, values, data);
    return [
      rendered({
        path,
        pieces: [...pieces],
        ...options,
      }),
    ];
  },
});
