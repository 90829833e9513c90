import { X509Certificate } from "node:crypto";
import { list, object, string } from "../model/schema";
import { deftable } from "../model/table";
import { pathsMatching } from "./_glob";

/** Where servers on Debian have the certificates that they show. */
const USUAL = [
  "/etc/letsencrypt/live/*/cert.pem",
  "/etc/ssl/localcerts/*.pem",
  "/etc/ssl/localcerts/*.crt",
  "/etc/apache2/ssl/*.crt",
  "/etc/nginx/ssl/*.crt",
];

/**
 * The certificates in the files that match patterns of the shell; default: where servers usually have theirs. Of a file with
 * several, the first, which is the server's own. `days`: until it expires, below 0 when it has. What is no certificate, or
 * cannot be read without root, is left out; keys are not looked at.
 */
export const certificates = deftable({
  name: "tables.certificates",
  args: object({ patterns: list(string()) }),
  call: (...patterns: string[]) => ({ patterns: patterns.length > 0 ? patterns : USUAL }),
  rows: async ({ patterns }, target) => {
    const paths = await pathsMatching(target, patterns);
    const texts = await Promise.all(paths.map((path) => target.readFile(path).catch(() => "")));
    return paths.flatMap((path, index) => {
      const certificate = firstIn(texts[index] ?? "");
      if (!certificate) return [];
      const { subject, issuer, subjectAltName = "", validFrom, validTo } = certificate;
      const expires = new Date(validTo);
      return [
        {
          path,
          names: subjectAltName
            .split(", ")
            .flatMap((each) => /^(?:DNS|IP Address):(.*)$/.exec(each)?.[1] ?? []),
          subject: onOneLine(subject),
          issuer: onOneLine(issuer),
          from: new Date(validFrom).toISOString(),
          expires: expires.toISOString(),
          days: Math.floor((expires.getTime() - Date.now()) / 86_400_000),
        },
      ];
    });
  },
});

function firstIn(text: string): X509Certificate | undefined {
  const [block] = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(text) ?? [];
  try {
    return block === undefined ? undefined : new X509Certificate(block);
  } catch {
    return undefined;
  }
}

const onOneLine = (name: string | undefined): string => (name ?? "").replaceAll("\n", ", ");
