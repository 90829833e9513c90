/** How a container is run, for Docker and Podman alike. */
import { schema } from "consfigurator";

const { absolutePath, line, list, object, oneOf, optional, record, string } = schema;

export const containerName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.-]*$",
    maxLength: 100,
    description: 'the name of a container, such as "shop"',
  });

export const imageName = () =>
  string({
    pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.:/@-]*$",
    description: 'an image, such as "docker.io/library/nginx:1.27"',
  });

const port = () =>
  string({
    pattern: "^((([0-9.]+|\\[[0-9a-fA-F:]+\\]):)?[0-9-]*:)?[0-9]+(-[0-9]+)?(/(tcp|udp|sctp))?$",
    description: 'a published port, such as "127.0.0.1:8080:80/tcp"',
  });

const volume = () =>
  string({
    pattern: "^[^:\\s]+:/[^:\\s]*(:[a-zA-Z,]+)?$",
    description:
      'a volume or an absolute path, and where it is in the container, such as "/srv/shop:/data:ro"',
  });

const variables = () => record(line(), { propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" } });

/** The members of the arguments of a property that runs a container. */
export const containerArgs = {
  name: containerName(),
  image: imageName(),
  command: optional(list(line())),
  env: optional(variables()),
  envFiles: optional(list(absolutePath())),
  ports: optional(list(port())),
  volumes: optional(list(volume())),
  network: optional(string({ pattern: "^[a-zA-Z0-9][a-zA-Z0-9_.:-]*$" })),
  user: optional(string({ pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_.-]+)?$" })),
  labels: optional(record(line())),
  restart: optional(oneOf("always", "on-failure", "no")),
  options: optional(
    list(string({ pattern: "^-[^\\n]*$", description: 'an option with its value, such as "--memory=512m"' })),
  ),
};
const args = object(containerArgs);
export type ContainerArgs = schema.Infer<typeof args>;

/** What is known of a container besides its name and image. */
export interface ContainerOptions {
  /** The words of the command in it; without it, that of the image. */
  readonly command?: readonly string[];
  /** Environment variables. Whoever may inspect the container sees them; secrets belong into a file of `envFiles`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files on the host with lines such as `NAME=value`. */
  readonly envFiles?: readonly string[];
  /** Ports, as "80", "8080:80", "127.0.0.1:8080:80/tcp". */
  readonly ports?: readonly string[];
  /** As "/srv/shop:/data:ro" or "volume:/data". */
  readonly volumes?: readonly string[];
  /** The network, such as "host", "none", or one that was made. */
  readonly network?: string;
  /** Whose processes run in it, such as "1000:1000". */
  readonly user?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** When it is started again after it has ended. Default: "always". */
  readonly restart?: "always" | "on-failure" | "no";
  /** Further words for `run`, each with its value, such as "--memory=512m". */
  readonly options?: readonly string[];
}

/** The arguments of a property from those of its call. */
export const containerArgsFrom = (
  name: string,
  { image, ...options }: ContainerOptions & { readonly image: string },
): ContainerArgs => ({ name, image, ...options }) as ContainerArgs;

/** The words of `run` that describe the container, from the options to those of its command. */
export function runWords(args: ContainerArgs): string[] {
  const each = (option: string, values: readonly string[] = []) =>
    values.map((value) => `--${option}=${value}`);
  const pairs = (values: Readonly<Record<string, string>> = {}) =>
    Object.entries(values).map(([key, value]) => `${key}=${value}`);
  return [
    ...each("env", pairs(args.env)),
    ...each("env-file", args.envFiles),
    ...each("publish", args.ports),
    ...each("volume", args.volumes),
    ...each("network", args.network === undefined ? [] : [args.network]),
    ...each("user", args.user === undefined ? [] : [args.user]),
    ...each("label", pairs(args.labels)),
    ...(args.options ?? []),
    args.image,
    ...(args.command ?? []),
  ];
}
