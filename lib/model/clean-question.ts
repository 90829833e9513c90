import { ProtocolViolation } from "./host-events";
import type { DataPiece, Question } from "./questions";

const MAX_TEXT = 4096;

function pieceIn(given: unknown): DataPiece {
  const { at, sha256 } = (given ?? {}) as Record<string, unknown>;
  if (!Number.isSafeInteger(at) || (at as number) < 0 || !/^[0-9a-f]{64}$/.test(String(sha256)))
    throw new ProtocolViolation("a question for a piece of data that is none");
  return { at: at as number, sha256: sha256 as string };
}

/** A question as it came from a host, which may lie: only what belongs to its kind, of the right types. */
export function cleanQuestion(given: unknown): Question {
  const question = (given ?? {}) as Record<string, unknown>;
  const text = (value: unknown, what: string): string => {
    if (typeof value !== "string" || value.length > MAX_TEXT)
      throw new ProtocolViolation(`a question whose ${what} is not a text of at most ${MAX_TEXT} characters`);
    return value;
  };
  switch (question["kind"]) {
    case "secret":
    case "confirm":
      return { kind: question["kind"], text: text(question["text"], "text") };
    case "data":
      return {
        kind: "data",
        iden1: text(question["iden1"], "iden1"),
        iden2: text(question["iden2"], "iden2"),
        ...(question["planning"] === true && { planning: true }),
        ...(question["piece"] !== undefined && { piece: pieceIn(question["piece"]) }),
      };
    case "password": {
      const { hop, host, account, credential, after } = (question["request"] ?? {}) as Record<
        string,
        unknown
      >;
      const request = {
        hop: text(hop, "hop"),
        host: text(host, "host"),
        account: text(account, "account"),
        ...(credential !== undefined && { credential: text(credential, "credential") }),
        ...(Number.isSafeInteger(after) && { after: after as number }),
      };
      return { kind: "password", request };
    }
    default:
      throw new ProtocolViolation("a question of an unknown kind");
  }
}
