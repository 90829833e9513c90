import { passwordFrom } from "../connection/passwords";
import { appliedAnywhere, hostsIn } from "../model/application";
import { type Asker, unlessWithdrawn } from "../model/asker";
import { errorOf, FailedChange, type Failure, failureOf, MissingData } from "../model/errors";
import { type Hop, hopDefinition } from "../model/hop";
import { shared } from "../model/host-facts";
import { NotFetched } from "../model/plan";
import type { Nested } from "../model/property";
import type {
  DataFacts,
  DataLookup,
  GivenPassword,
  LargeDatum,
  PasswordRequest,
  Question,
  Reply,
} from "../model/questions";
import { cleanLine } from "../util/clean-text";
import type { DeploymentContext } from "./deployment-context";

/** Gives a question to the process that handed this work over. Rejects when it cannot be answered any longer. */
export type Put = (question: Question) => Promise<Reply>;

/** The user and the data of the process that handed this work over. */
export function answersFrom(put: Put): { readonly ask: Asker; readonly data: DataLookup } {
  const replyTo = async <T>(question: Question, signal?: AbortSignal): Promise<T | undefined> => {
    const reply = await unlessWithdrawn(put(question), signal);
    if ("failure" in reply) throw replyError(reply.failure);
    return (reply.value ?? undefined) as T | undefined;
  };
  return {
    ask: {
      secret: (text, { signal } = {}) => replyTo<string>({ kind: "secret", text }, signal),
      confirm: async (text, { signal } = {}) =>
        (await replyTo<boolean>({ kind: "confirm", text }, signal)) === true,
      password: (request, { signal } = {}) => replyTo<GivenPassword>({ kind: "password", request }, signal),
    },
    data: async (iden1, iden2, planning) => {
      const question = { kind: "data", iden1, iden2, ...(planning && { planning }) } as const;
      const found = (await replyTo<Buffer | DataFacts>(question)) ?? Buffer.alloc(0);
      if (found instanceof Uint8Array) return found;
      const { size, sha256 } = found;
      const piece = async (at: number) =>
        (await replyTo<Buffer>({ ...question, piece: { at, sha256 } })) ?? Buffer.alloc(0);
      return { size, sha256, piece };
    },
  };
}

/** The error of a reply, in its own class where the engine tells it from others. */
function replyError(failure: Failure): Error {
  if (failure.name === "MissingData") return new MissingData(failure.message);
  return failure.name === "NotFetched" ? new NotFetched(failure.message) : errorOf(failure);
}

/** The most questions that one deployment of a host may put. */
const MAX_QUESTIONS = 1000;
/** The most that it may put to the user in its own words. */
const MAX_FREE_QUESTIONS = 20;

/**
 * JobAnswers the questions of the process to which `work` was handed. A host may lie, so it is given only what this work
 * itself names: the passwords of hops in it, and the data that its hosts require.
 */
export class JobAnswers {
  readonly #hops: readonly { readonly host: string; readonly hop: Hop }[];
  readonly #data: ReadonlySet<string>;
  /** By number: a question that is put again gets the same answer. */
  readonly #given = new Map<number, Promise<Reply>>();
  /** By name, while its pieces are asked for. */
  readonly #large = new Map<string, LargeDatum>();
  #free = 0;

  constructor(
    private readonly work: Nested,
    private readonly context: Pick<DeploymentContext, "ask" | "data" | "cancellation" | "plan">,
  ) {
    const nested = [...appliedAnywhere(work.application)].flatMap((each) => each.nested ?? []);
    this.#hops = [work, ...nested].flatMap(({ host, hops }) =>
      hops.map((hop) => ({ host: nameOf(host), hop })),
    );
    this.#data = new Set(hostsIn(work).flatMap(({ attributes }) => pairs(attributes[shared.data.key])));
  }

  /** Never rejects. */
  to(number: number, question: Question): Promise<Reply> {
    const known = this.#given.get(number);
    if (known) return known;
    const answer = this.#answer(question).catch((error: unknown) => ({ failure: withoutPlaces(error) }));
    // Pieces are not kept, and may be many: one that is put again is read again.
    if (question.kind !== "data" || !question.piece) this.#given.set(number, answer);
    return answer;
  }

  async #answer(question: Question): Promise<Reply> {
    if (this.#given.size >= MAX_QUESTIONS) throw this.#refusal(`more than ${MAX_QUESTIONS} questions`);
    switch (question.kind) {
      case "data":
        return { value: await this.#datum(question) };
      case "password":
        return { value: await this.#password(question.request) };
      case "secret":
        return { value: await this.#asker().secret(this.#attributed(question.text)) };
      case "confirm":
        return { value: await this.#asker().confirm(this.#attributed(question.text)) };
      default:
        throw this.#refusal("a question of an unknown kind");
    }
  }

  async #datum(question: Extract<Question, { kind: "data" }>): Promise<Buffer | DataFacts> {
    const { iden1, iden2, planning, piece } = question;
    if (!this.#data.has(pair([iden1, iden2])))
      throw this.#refusal(`the data (${cleanLine(`${iden1}, ${iden2}`)}), which no property of it requires`);
    const onlyPlanning = planning === true || this.context.plan !== undefined;
    const key = pair([iden1, iden2]);
    const known = piece && this.#large.get(key);
    const found = known ?? (await this.context.data(iden1, iden2, onlyPlanning));
    if (found instanceof Uint8Array) {
      if (!piece) return found;
      throw new MissingData(`the data (${iden1}, ${iden2}) was replaced while it was fetched; deploy again`);
    }
    this.#large.set(key, found);
    const { size, sha256 } = found;
    if (!piece) return { size, sha256 };
    if (piece.sha256 !== sha256 || piece.at >= size)
      throw new MissingData(`the data (${iden1}, ${iden2}) was replaced while it was fetched; deploy again`);
    return found.piece(piece.at);
  }

  async #password({
    hop,
    host,
    account,
    credential,
    after,
  }: PasswordRequest): Promise<GivenPassword | undefined> {
    const named = this.#hops.some(
      (each) =>
        each.hop.hop === hop &&
        (credential === undefined ? each.host === host : credentialOf(each.hop) === credential),
    );
    if (!named)
      throw this.#refusal(`a password of ${cleanLine(`${account} on ${host}`)}, which no hop of it needs`);
    const request = {
      hop,
      host,
      account: cleanLine(account),
      ...(credential !== undefined && { credential }),
      ...(after !== undefined && { after }),
    };
    return passwordFrom(this.#asker(), request, this.context.cancellation.signal);
  }

  #attributed(text: string): string {
    const { name } = this.work.host;
    this.#free += 1;
    if (!this.#hops.some(({ hop }) => hopDefinition(hop).asks))
      throw this.#refusal("a question, and has no hop that asks");
    if (this.#free > MAX_FREE_QUESTIONS) throw this.#refusal(`more than ${MAX_FREE_QUESTIONS} questions`);
    return `${name} asks: ${cleanLine(text).slice(0, 500)}`;
  }

  #asker(): Asker {
    const { ask } = this.context;
    if (!ask) throw new FailedChange("there is no terminal to ask on");
    return ask;
  }

  #refusal(what: string): FailedChange {
    return new FailedChange(`refused to answer ${this.work.host.name}: it asked for ${what}`);
  }
}

/** A host is not told where the error happened, nor what a command printed here. */
function withoutPlaces(error: unknown): Failure {
  const { name, message } = failureOf(error);
  return { name, message };
}

const nameOf = (host: Nested["host"]): string =>
  (host.attributes[shared.hostname.key]?.[0] as string | undefined) ?? host.name;

const credentialOf = ({ args }: Hop): unknown =>
  typeof args === "object" && args !== null && "credential" in args ? args.credential : undefined;

const pair = (identifiers: readonly unknown[]): string => JSON.stringify(identifiers);

const pairs = (required: readonly unknown[] = []): string[] =>
  required.flatMap((each) => (Array.isArray(each) ? [pair(each)] : []));

/** The questions of this process that have no reply yet. */
export class OpenQuestions {
  readonly #open = new Map<
    number,
    { readonly question: Question; readonly resolve: (reply: Reply) => void }
  >();
  #last = 0;

  constructor(private readonly send: (number: number, question: Question) => void) {}

  readonly put: Put = (question) =>
    new Promise((resolve) => {
      this.#last += 1;
      this.#open.set(this.#last, { question, resolve });
      this.send(this.#last, question);
    });

  reply(number: number, reply: Reply): void {
    this.#open.get(number)?.resolve(reply);
    this.#open.delete(number);
  }

  /** Puts those again that have no reply: the connection was lost. */
  repeat(): void {
    for (const [number, { question }] of this.#open) this.send(number, question);
  }
}
