/** What a host may ask of the process that handed it a deployment, and what it is told. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { answersFrom, JobAnswers, OpenQuestions } from "../../../lib/engine/questions";
import { Cancellation } from "../../../lib/model/cancellation";
import { cleanQuestion } from "../../../lib/model/clean-question";
import { FailedChange, MissingData } from "../../../lib/model/errors";
import { HostModel } from "../../../lib/model/host";
import { NotFetched } from "../../../lib/model/plan";
import type { Nested } from "../../../lib/model/property";
import type { Question, Reply } from "../../../lib/model/questions";
import { SecretStream } from "../../../lib/model/secret-stream";
import * as via from "../../../lib/via";
import * as toy from "../../support/toy";
import { answering } from "../connection/_sshd";

/** Work on web1 that is handed over in front of `hops`, and requires one datum. */
function work(...hops: Nested["hops"]): Nested {
  const model = HostModel.named("web1");
  model.requireData("_app", "token");
  return { host: model.toJSON(), hops, application: toy.rests("holds") };
}

interface Circumstances {
  readonly secrets?: readonly (string | undefined)[];
  readonly attended?: boolean;
  readonly plan?: boolean;
}

function answers(given: Nested, { secrets = [], attended = true, plan = false }: Circumstances = {}) {
  const asker = answering({ secrets, confirm: true });
  const fetched: string[] = [];
  const made = new JobAnswers(given, {
    ask: attended ? asker.ask : undefined,
    data: async (iden1, iden2, planning) => {
      fetched.push(`${iden1} ${iden2}${planning ? " for a plan" : ""}`);
      return Buffer.from("s3cret");
    },
    cancellation: new Cancellation(),
    plan: plan ? { after: [] } : undefined,
  });
  return { made, fetched, asked: asker.asked };
}

const failureIn = (reply: Reply): string => ("failure" in reply ? reply.failure.message : "answered");
const password = (request: Partial<Extract<Question, { kind: "password" }>["request"]>): Question => ({
  kind: "password",
  request: { hop: "sudo", host: "web1", account: "ana", ...request },
});

describe("passwords", () => {
  test("are given for the hops of the deployment, asked for once, and again when rejected", async () => {
    const { made, asked } = answers(work(via.sudo()), { secrets: ["first", "second"] });
    const ask = async (number: number, after?: number) => {
      const reply = await made.to(number, password(after === undefined ? {} : { after }));
      assert.ok("value" in reply && typeof reply.value === "object" && "password" in reply.value);
      return reply.value;
    };
    const first = await ask(1);
    assert.deepEqual([first.password, first.typed], ["first", true]);
    const remembered = await ask(2);
    assert.deepEqual(remembered, { ...first, typed: false });
    const second = await ask(3, first.number);
    assert.equal(second.password, "second");
    assert.deepEqual(asked, [
      "[sudo] password for ana on web1:",
      "Wrong password, try again. [sudo] password for ana on web1:",
    ]);
  });

  const refused: [string, Nested, Question][] = [
    ["of another host", work(via.sudo()), password({ host: "bank" })],
    ["of a host without such a hop", work(via.ssh({ hop: "192.0.2.1" })), password({})],
    ["of a credential that no hop names", work(via.sudo()), password({ credential: "corp" })],
    ["of a hop that is none", work(via.sudo()), password({ hop: "doas" })],
  ];
  for (const [what, given, question] of refused)
    test(`are refused: ${what}`, async () => {
      const { made, asked } = answers(given, { secrets: ["never"] });
      const { host } = (question as Extract<Question, { kind: "password" }>).request;
      assert.equal(
        failureIn(await made.to(1, question)),
        `refused to answer web1: it asked for a password of ana on ${host}, which no hop of it needs`,
      );
      assert.deepEqual(asked, []);
    });

  test("that several hosts share are given for the hops that name them", async () => {
    const { made, asked } = answers(work(via.sudo({ credential: "corp" })), { secrets: ["shared"] });
    const reply = await made.to(1, password({ host: "any", credential: "corp" }));
    assert.ok("value" in reply);
    assert.deepEqual(asked, ["[sudo] password for ana (corp):"]);
  });

  test("cannot be asked for where nobody is", async () => {
    const { made } = answers(work(via.sudo()), { attended: false });
    assert.deepEqual(await made.to(1, password({})), {
      failure: { name: "FailedChange", message: "there is no terminal to ask on" },
    });
  });
});

describe("data", () => {
  const datum: Question = { kind: "data", iden1: "_app", iden2: "token" };

  test("that the deployment requires is fetched; a question put again is not asked again", async () => {
    const { made, fetched } = answers(work());
    assert.deepEqual(await made.to(1, datum), { value: Buffer.from("s3cret") });
    await made.to(1, datum);
    assert.deepEqual(fetched, ["_app token"]);
    await made.to(2, { ...datum, planning: true });
    assert.deepEqual(fetched, ["_app token", "_app token for a plan"]);
  });

  test("is fetched for a plan in a plan, whatever the host says", async () => {
    const { made, fetched } = answers(work(), { plan: true });
    await made.to(1, datum);
    assert.deepEqual(fetched, ["_app token for a plan"]);
  });

  test("that no property requires is refused", async () => {
    const { made, fetched } = answers(work());
    assert.equal(
      failureIn(await made.to(1, { ...datum, iden2: "other\u001b[2J" })),
      "refused to answer web1: it asked for the data (_app, other), which no property of it requires",
    );
    assert.deepEqual(fetched, []);
  });
});

describe("large data", () => {
  const datum: Question = { kind: "data", iden1: "_app", iden2: "token" };
  const facts = { size: 5, sha256: "5".repeat(64) };
  const answering = (sha256 = facts.sha256) => {
    const content = Buffer.from("large");
    const found = { ...facts, sha256, piece: async (at: number) => content.subarray(at, at + 2) };
    return new JobAnswers(work(), {
      ask: undefined,
      data: async () => found,
      cancellation: new Cancellation(),
      plan: undefined,
    });
  };

  test("is announced, and travels in pieces through any number of processes", async () => {
    let number = 0;
    const through = (made: JobAnswers) =>
      answersFrom(async (question) => {
        number += 1;
        return structuredClone(await made.to(number, cleanQuestion(question)));
      }).data;
    const between = new JobAnswers(work(), {
      ask: undefined,
      data: through(answering()),
      cancellation: new Cancellation(),
      plan: undefined,
    });
    const found = await through(between)("_app", "token", false);
    assert.ok(!(found instanceof Uint8Array));
    const stream = new SecretStream({ ...found, sha256: createHash("sha256").update("large").digest("hex") });
    const pieces: string[] = [];
    for await (const piece of stream.pieces()) pieces.push(Buffer.from(piece).toString());
    assert.deepEqual(pieces, ["la", "rg", "e"]);
    assert.deepEqual([found.size, found.sha256], [facts.size, facts.sha256]);
  });

  test("that is not what was announced is refused", async () => {
    const stream = new SecretStream({ ...facts, piece: async (at) => Buffer.from("large").subarray(at) });
    await assert.rejects(
      async () => {
        for await (const piece of stream.pieces()) assert.equal(piece.length, 5);
      },
      { message: "the data is not what it was when it was announced; deploy again" },
    );
    const piece = { at: 0, sha256: "6".repeat(64) };
    const replaced = "the data (_app, token) was replaced while it was fetched; deploy again";
    assert.equal(failureIn(await answering().to(1, { ...datum, piece })), replaced);
    assert.equal(
      failureIn(await answering().to(1, { ...datum, piece: { ...piece, sha256: facts.sha256, at: 5 } })),
      replaced,
    );
    assert.equal(failureIn(await answers(work()).made.to(1, { ...datum, piece })), replaced);
  });

  test("is not kept: a thousand pieces are as many questions as one", async () => {
    const made = answering();
    for (let number = 1; number <= 1100; number++)
      assert.deepEqual(await made.to(number, { ...datum, piece: { at: 1, sha256: facts.sha256 } }), {
        value: Buffer.from("ar"),
      });
    assert.deepEqual(await made.to(1101, datum), { value: facts });
  });
});

describe("questions in a host's own words", () => {
  const question: Question = { kind: "confirm", text: "Trust\u001b]0;title\u0007 this key?" };

  test("are put with the name of the host, where it opens ssh connections", async () => {
    const { made, asked } = answers(work(via.ssh({ hop: "192.0.2.1" })));
    assert.deepEqual(await made.to(1, question), { value: true });
    assert.deepEqual(asked, ["web1 asks: Trust this key?"]);
  });

  test("are refused elsewhere, and when there are too many", async () => {
    const { made, asked } = answers(work(via.sudo()));
    assert.equal(
      failureIn(await made.to(1, question)),
      "refused to answer web1: it asked for a question, and has no hop that asks",
    );
    assert.deepEqual(asked, []);
    const many = answers(work(via.ssh({ hop: "192.0.2.1" })));
    const replies: string[] = [];
    for (let number = 1; number <= 21; number++)
      replies.push(failureIn(await many.made.to(number, question)));
    assert.equal(replies.filter((each) => each === "answered").length, 20);
    assert.equal(replies.at(-1), "refused to answer web1: it asked for more than 20 questions");
  });
});

describe("a question travels", () => {
  /** The asking side, whose questions are answered by `reply`. */
  const asking = (reply: (question: Question) => Reply) =>
    answersFrom(async (question) => structuredClone(reply(cleanQuestion(question))));

  test("and its answer comes back", async () => {
    const seen: Question[] = [];
    const { ask, data } = asking((question) => {
      seen.push(question);
      return {
        value: question.kind === "data" ? Buffer.from("x") : question.kind === "confirm" ? true : "typed",
      };
    });
    assert.equal(await ask.secret("Password:"), "typed");
    assert.equal(await ask.confirm("Sure?"), true);
    assert.equal(Buffer.from((await data("_app", "token", true)) as Buffer).toString(), "x");
    assert.deepEqual(seen, [
      { kind: "secret", text: "Password:" },
      { kind: "confirm", text: "Sure?" },
      { kind: "data", iden1: "_app", iden2: "token", planning: true },
    ]);
  });

  test("and comes back declined, or failed in the class that it has", async () => {
    const declined = asking(() => ({}));
    assert.equal(await declined.ask.secret("Password:"), undefined);
    assert.equal(await declined.ask.confirm("Sure?"), false);
    const failing = (name: string) => asking(() => ({ failure: { name, message: "no source has it" } }));
    for (const [name, type] of [
      ["MissingData", MissingData],
      ["NotFetched", NotFetched],
      ["Error", FailedChange],
    ] as const)
      await assert.rejects(failing(name).data("_app", "token", false), (error) => {
        assert.ok(error instanceof type);
        assert.equal((error as Error).message, "no source has it");
        return true;
      });
  });

  test("again after the connection was lost, until it is answered", async () => {
    const sent: [number, string][] = [];
    const open = new OpenQuestions((number, question) => sent.push([number, question.kind]));
    const first = open.put({ kind: "secret", text: "1" });
    const second = open.put({ kind: "confirm", text: "2" });
    open.reply(1, { value: "one" });
    open.repeat();
    assert.deepEqual(sent, [
      [1, "secret"],
      [2, "confirm"],
      [2, "confirm"],
    ]);
    open.reply(2, { value: true });
    assert.deepEqual(await Promise.all([first, second]), [{ value: "one" }, { value: true }]);
  });

  for (const [what, given] of Object.entries({
    "no object": null,
    "another kind": { kind: "shell", text: "rm" },
    "a text that is none": { kind: "secret", text: { toString: "x" } },
    "a long text": { kind: "confirm", text: "x".repeat(4097) },
    "a password of nobody": { kind: "password" },
    "a piece that is none": {
      kind: "data",
      iden1: "_a",
      iden2: "b",
      piece: { at: -1, sha256: "5".repeat(64) },
    },
    "a piece of nothing": { kind: "data", iden1: "_a", iden2: "b", piece: { at: 0 } },
  }))
    test(`and is refused when it is ${what}`, () =>
      assert.throws(() => cleanQuestion(given), { name: "ProtocolViolation" }));
});
