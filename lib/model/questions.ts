/** What the process that does a deployment asks of the one that started it, up to the user's own machine. */

import type { Failure } from "./types";

/** A password of an account, which is asked for once in a session. */
export interface PasswordRequest {
  /** The hop that needs it, such as "sudo". */
  readonly hop: string;
  /** The host on which the account is. */
  readonly host: string;
  readonly account: string;
  /** The name of a password that several hosts share. */
  readonly credential?: string;
  /** The number of the password that was rejected: a newer one is wanted. */
  readonly after?: number;
}

/** A password as the user typed it, or as it was remembered. */
export interface GivenPassword {
  readonly password: string;
  /** Later ones have greater numbers. */
  readonly number: number;
  /** True: the user was asked for it now. */
  readonly typed: boolean;
}

export type Question =
  | { readonly kind: "password"; readonly request: PasswordRequest }
  /** A line that is typed without echo. */
  | { readonly kind: "secret"; readonly text: string }
  | { readonly kind: "confirm"; readonly text: string }
  /**
   * Prerequisite data. `planning`: nothing is done with it but a comparison. `piece`: of a large datum, the bytes from there
   * on, as many as the other end likes to send at once.
   */
  | {
      readonly kind: "data";
      readonly iden1: string;
      readonly iden2: string;
      readonly planning?: boolean;
      readonly piece?: DataPiece;
    };

/** A piece of a datum: where it begins, and the SHA-256 of the whole. */
export interface DataPiece {
  readonly at: number;
  readonly sha256: string;
}

/** The answer to a question for a datum that is too large for one message. */
export interface DataFacts {
  /** In bytes. */
  readonly size: number;
  readonly sha256: string;
}

/** Of a large datum, the most that travels at once. */
export const PIECE_BYTES = 1024 * 1024;

/** A datum that is fetched piece by piece. */
export interface LargeDatum extends DataFacts {
  /**
   * The bytes from `at` on, some of them, which may be put `into` a buffer. Rejects with `MissingData` when they cannot be
   * had any more.
   */
  piece(at: number, into?: () => Buffer): Promise<Buffer>;
}

/** `value` is undefined when the user declines. */
export type Reply =
  | { readonly value?: GivenPassword | string | boolean | Buffer | DataFacts | undefined }
  | { readonly failure: Failure };

/** Gets prerequisite data: rejects with `MissingData`, or, for a plan, with `NotFetched`. */
export type DataLookup = (iden1: string, iden2: string, planning: boolean) => Promise<Buffer | LargeDatum>;
