import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { targetOf } from "consfigurator/testing";
import { eseqprops } from "../../lib/combinators";
import { prepare } from "../../lib/engine/prepare";
import { HostModel } from "../../lib/model/host";
import * as cmd from "../../properties/cmd";
import * as container from "../../properties/container";
import { applied } from "../support/_applied";

const model = (...applications: Parameters<typeof eseqprops>) =>
  prepare({ name: "web1" }, eseqprops(...applications)).model;
const apply = (...applications: Parameters<typeof eseqprops>) => {
  const { application, model } = prepare({ name: "web1" }, eseqprops(...applications));
  return applied(application, model, (context) => targetOf("agent", context));
};

describe("isContained", () => {
  test("a host that is not a container contains everything", () => {
    assert.equal(container.isContained(HostModel.named("web1"), "reboot", "hostname"), true);
  });

  test("a container contains the declared factors, from one or several declarations", () => {
    const host = model(container.contained("filesystem"), container.contained("hostname"));
    assert.equal(container.isContained(host, "filesystem", "hostname"), true);
    assert.equal(container.isContained(host, "filesystem", "reboot"), false);
    assert.equal(container.isContained(host), true);
  });

  test("a container without factors is still a container", () => {
    assert.equal(container.isContained(model(container.contained()), "reboot"), false);
  });

  test("a factor that does not exist is refused", () => {
    assert.throws(() => container.contained("rebot" as "reboot"), {
      message:
        'container.contained: args.factors[0] is "rebot"; it must be one of "filesystem", "hostname", "reboot", "efiNvram", "physicalDisks"',
    });
  });
});

describe("whenContained", () => {
  const both = container.whenContained(["reboot"], cmd.single("true"), cmd.single(": second"));

  test("applies in order if contained", async () => {
    const { change, steps } = await apply(both);
    assert.equal(change, "changed");
    assert.deepEqual(steps, ["true: changed", ": second: changed"]);
  });

  test("skips with a reason if not contained", async () => {
    const { change, steps } = await apply(container.contained("filesystem"), both);
    assert.equal(change, "unchanged");
    assert.deepEqual(steps, [
      "is a container with its own filesystem: unchanged",
      "true: skipped (not contained: reboot)",
      ": second: skipped (not contained: reboot)",
    ]);
  });

  test("null and false are ignored, and anything but a property is refused", () => {
    const [when, first] = [container.whenContained(["reboot"], null, cmd.single("true"), false), both];
    assert.equal((when.args as { applications: unknown[] }).applications.length, 1);
    assert.throws(() => container.whenContained(["reboot"], first, cmd.single as never), {
      name: "InvalidArguments",
      message:
        'container.whenContained: args.applications[1] is a function; it must be a property, such as cmd.single("true")',
    });
  });

  test("the facts of its applications always count", () => {
    const host = model(
      container.contained(),
      container.whenContained(["reboot"], container.contained("hostname")),
    );
    assert.equal(container.isContained(host, "hostname"), true);
  });
});
