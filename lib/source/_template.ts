import path from "node:path";

/** The files of a new consfig in `directory`, by name; `engine` is the directory of this package. */
export function templateFor(directory: string, engine: string): Readonly<Record<string, string>> {
  return {
    "package.json": packageJson(directory, engine),
    "tsconfig.json": tsconfig,
    "hosts/example.ts": host,
    "properties/motd.ts": property,
    "playbooks/example.repl": playbook,
    ".gitignore": "node_modules/\n",
    "README.md": readme(path.basename(directory)),
  };
}

function packageJson(directory: string, engine: string): string {
  const name = path
    .basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  const dependencies = { consfigurator: `file:${path.relative(directory, engine)}` };
  return `${JSON.stringify({ name: name || "consfig", private: true, type: "commonjs", dependencies }, null, 2)}\n`;
}

const tsconfig = `{
  "compilerOptions": {
    "target": "es2023",
    "lib": ["es2024"],
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "jsx": "react-jsx",
    "strict": true,
    "isolatedModules": true,
    "esModuleInterop": true,
    "skipLibCheck": true,
    "resolveJsonModule": true,
    "typeRoots": ["node_modules/@types", "node_modules/consfigurator/node_modules/@types"],
    "types": ["node"],
    "noEmit": true
  },
  "include": ["hosts", "properties"]
}
`;

const host = `import { canClone, defhost, via } from "consfigurator";
import { file } from "consfigurator/properties";
import * as motd from "../properties/motd";

/** A copy-on-write clone of this machine: nothing outside the clone changes. */
export const example = defhost(
  "example",
  { deploy: canClone() ? [via.sandbox(), via.agent()] : [via.sandbox()], desc: "a clone of this machine" },
  file.directoryExists("notes"),
  file.containsLines("notes/today", "Deployed from hosts/example.ts."),
  motd.says("This machine is described in hosts/example.ts.", canClone() ? "/etc/motd" : "notes/motd"),
);
`;

const property = `import { defproplist, schema } from "consfigurator";
import { file } from "consfigurator/properties";

/**
 * Users see \`text\` when they log in. It is stored in the file \`path\`.
 *
 * @example motd.says("Be nice.")
 */
export const says = defproplist({
  name: "motd.says",
  args: schema.object({ text: schema.line(), path: schema.path() }),
  call: (text: string, path?: string) => ({ text, path: path ?? "/etc/motd" }),
  desc: ({ text }) => \`the message of the day is "\${text}"\`,
  parts: ({ text, path }) => [file.hasContent(path, [text])],
});
`;

const playbook = `// Run with: consfig play playbooks/example.repl
deploy(example)
`;

const readme = (name: string): string => `# ${name}

Hosts and properties for [Consfigurator](node_modules/consfigurator/README.md).

- \`hosts/\`: each file exports hosts; at the prompt they have the names they are exported under.
- \`properties/\`: your own properties; \`properties/motd.ts\` is \`motd\` at the prompt. Files that start with \`_\` are
  loaded only when another file imports them.
- \`playbooks/\`: saved prompt input: \`consfig play playbooks/example.repl\`.

Run \`consfig\` in this directory to open the prompt: enter \`deploy(example)\`, change a file, and enter it again.
\`consfig check\` checks the types and prepares every host without connecting to any.
`;
