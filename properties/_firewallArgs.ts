/** Arguments of properties of firewalld. */
import { type HostFacts, schema } from "consfigurator";
import * as os from "./_os";

const { string } = schema;

export const debianlike = (_args: unknown, host: HostFacts): void => os.required(host, "debianlike");
export const name = (description: string, maxLength = 64) =>
  string({ pattern: "^[A-Za-z0-9][A-Za-z0-9_/-]*$", maxLength, description });
export const zone = () => name('a zone of at most 17 characters, such as "public"', 17);
export const service = () => name('a service of firewalld, such as "https"');
export const plain = (description: string) => string({ pattern: "^[^\\s-][^\\n\\r]*$", description });
