import fs from "node:fs";
import path from "node:path";
import { root as packageRoot } from "../lib/source/register.js";
import { CommandError } from "./commands/command";
import type { Out } from "./views/view";

/** Makes a consfig in `directory`, which must be empty or not be there. Gives the exit code. */
export function init(directory: string, out: Out): number {
  const root = path.resolve(directory);
  if (fs.existsSync(root) && fs.readdirSync(root).length > 0) {
    throw new CommandError(`${root} is not empty; give a directory that is, or that is not there yet`);
  }
  for (const [name, text] of Object.entries(files(path.basename(root)))) {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
    out.write(`${path.join(directory, name)}\n`);
  }
  out.write(`\nNow: cd ${directory} && consfig, and at the prompt: deploy(here)\n`);
  return 0;
}

/** The last one is for editors: it says where the types are. */
const files = (name: string): Record<string, string> => ({
  "hosts/here.ts": HOSTS,
  "properties/greeting.ts": PROPERTIES,
  "greet.repl": PLAYBOOK,
  "package.json": `${JSON.stringify({ name: name.toLowerCase(), private: true, type: "commonjs" }, null, 2)}\n`,
  "tsconfig.json": `${JSON.stringify(tsconfig(), null, 2)}\n`,
});

const HOSTS = `import { defhost, via } from "consfigurator";
import * as greeting from "../properties/greeting";

/** This machine, as whoever runs consfig. Machines elsewhere: { deploy: [via.ssh({ user: "root" }), via.agent()] } */
export const here = defhost("localhost", { deploy: [via.local()] }, greeting.greets("hello from a consfig"));
`;

const PROPERTIES = `import { defproplist, schema } from "consfigurator";
import { file } from "consfigurator/properties";

/** The file \`greeting\` in the home directory says \`text\`. */
export const greets = defproplist({
  name: "greeting.greets",
  args: schema.object({ text: schema.line() }),
  call: (text: string) => ({ text }),
  desc: ({ text }) => \`the greeting is "\${text}"\`,
  parts: ({ text }) => [file.hasContent("greeting", [text])],
});
`;

const PLAYBOOK = `// Play it with: consfig play greet.repl
deploy(here)
`;

const tsconfig = () => ({
  compilerOptions: {
    target: "es2023",
    lib: ["es2024"],
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ["node"],
    typeRoots: [path.join(packageRoot, "node_modules/@types")],
    paths: {
      consfigurator: [path.join(packageRoot, "lib/index.ts")],
      "consfigurator/properties": [path.join(packageRoot, "properties/index.ts")],
    },
  },
  include: ["hosts", "properties"],
});
