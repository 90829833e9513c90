import path from "node:path";
import type ts from "typescript";
import { seqprops } from "../lib/combinators";
import { hops } from "../lib/connection/hop";
import { type Host, hosts } from "../lib/host";
import { prepare, said } from "../lib/prepare";
import { openConsfig } from "../lib/source/consfig";
import { root as packageRoot } from "../lib/source/register.js";
import { colour } from "./_colour";
import { printError } from "./print";
import type { Out } from "./views/view";

/**
 * Checks the consfig in `directory` without connecting to anything: it loads, its types fit, and every host can be
 * prepared. Gives the exit code: 0, or 2 when something is wrong, after saying all that is.
 */
export function check(directory: string, out: Out): number {
  const consfig = openConsfig(directory);
  const { error, notices } = consfig.refresh();
  const say = (text: string) => void out.write(`${text}\n`);
  for (const notice of notices) say(notice);
  const types = typeErrors(consfig.root);
  for (const text of types) say(text);
  if (error) say(printError(error));
  const wrong = error ? [] : hosts.values().flatMap(complaintsOf);
  for (const text of wrong) say(colour.red(text));
  const count = types.length + wrong.length + (error ? 1 : 0);
  if (count > 0) say(`${count} ${count === 1 ? "thing is" : "things are"} wrong`);
  else say(`types fit, and every host can be prepared: ${hosts.names().join(", ") || "there is none"}`);
  return count > 0 ? 2 : 0;
}

/** What would be refused before anybody is connected to. */
function complaintsOf(host: Host): string[] {
  try {
    const { agentOnly } = prepare(host, seqprops(...host.applications));
    const hasAgent = host.deploy === undefined || host.deploy.some(({ hop }) => hops.get(hop)?.agent);
    return hasAgent
      ? []
      : agentOnly.map(
          (each) => `${host.name}: ${said(each)} needs an agent on the host; add via.agent() to its hops`,
        );
  } catch (error) {
    return [(error as Error).message];
  }
}

/** What TypeScript says of the files of the consfig, with the options of its tsconfig.json when it has one. */
function typeErrors(root: string): string[] {
  const typescript = require("typescript") as typeof ts;
  const { options, files } = settings(typescript, root);
  const program = typescript.createProgram(files, options);
  return typescript
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file === undefined || isOf(root, file.fileName))
    .map((diagnostic) => asText(typescript, diagnostic, root));
}

const isOf = (root: string, file: string): boolean =>
  !path.relative(root, file).startsWith("..") && !file.includes("/node_modules/");

function settings(typescript: typeof ts, root: string): { options: ts.CompilerOptions; files: string[] } {
  const own = path.join(root, "tsconfig.json");
  const base = typescript.sys.fileExists(own) ? own : path.join(packageRoot, "tsconfig.json");
  const read = typescript.readConfigFile(base, typescript.sys.readFile).config as Record<string, unknown>;
  const include = ["hosts", "properties"];
  const { options } = typescript.parseJsonConfigFileContent({ ...read, include }, typescript.sys, root);
  const files = typescript.sys.readDirectory(
    root,
    [".ts", ".tsx"],
    ["node_modules"],
    include.map((part) => `${part}/**/*`),
  );
  const types = path.join(packageRoot, "node_modules", "@types");
  return {
    files,
    options: {
      ...options,
      noEmit: true,
      skipLibCheck: true,
      typeRoots: [types, path.join(root, "node_modules", "@types")],
      paths: {
        ...options.paths,
        consfigurator: [path.join(packageRoot, "lib/index.ts")],
        "consfigurator/properties": [path.join(packageRoot, "properties/index.ts")],
      },
    },
  };
}

function asText(typescript: typeof ts, { file, start, messageText }: ts.Diagnostic, root: string): string {
  const message = typescript.flattenDiagnosticMessageText(messageText, "\n");
  if (!file || start === undefined) return colour.red(message);
  const { line, character } = file.getLineAndCharacterOfPosition(start);
  return `${path.relative(root, file.fileName)}:${line + 1}:${character + 1}: ${colour.red(message)}`;
}
