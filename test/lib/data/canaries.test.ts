/**
 * A marked secret from every source, through every hop, to every property that takes one: afterwards it is in the file that
 * the property writes, and nowhere else. Each row has a secret of its own, so that a failure names the row.
 */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { unapplied } from "../../../lib/combinators";
import { discardSandbox } from "../../../lib/connection/sandbox";
import { deployThese, plan } from "../../../lib/controller/deploy";
import { session } from "../../../lib/controller/session";
import { registerDataSource } from "../../../lib/data/register";
import * as source from "../../../lib/data/sources";
import { dataSources } from "../../../lib/model/data-source";
import type { Hop } from "../../../lib/model/hop";
import { defhost, hosts } from "../../../lib/model/host";
import type { PropApp } from "../../../lib/model/property";
import type { Report } from "../../../lib/model/report";
import { openConsfig } from "../../../lib/source/consfig";
import { cacheHome } from "../../../lib/util/package";
import * as via from "../../../lib/via";
import { certificate, cmd, disk, file, gnupg, ssh, sshd, systemd, user } from "../../../properties";
import { debianStable } from "../../../properties/os";
import { run } from "../../repl/_consfig";
import { ALL } from "../../support/breadth";
import { Canaries } from "../../support/canaries";
import { limit } from "../../support/load";
import { needsMachines } from "../../support/machines";
import { prop } from "../agent/_rig";
import { bootContexts, type Contexts, type Start, starts } from "../connection/_contexts";
import { answering } from "../connection/_sshd";
import { everySource } from "./_everySource";

const HOST = "web1.example.org";

/** Properties of the consfig that do with a secret what can be done, and some that leak it. */
const PROBE = `import { inspect } from "node:util";
import { defprop, FailedChange, schema, Secret } from "consfigurator";

const taking = (name, apply) => defprop({
  name: "canary." + name,
  kind: "posix",
  args: schema.object({ iden2: schema.string() }),
  call: (iden2: string) => ({ iden2 }),
  hostattrs: ({ iden2 }, host) => host.requireData("_canary", iden2),
  apply: async ({ iden2 }, target) => {
    await apply(target, await target.data("_canary", iden2));
    return "changed";
  },
});

export const input = taking("input", (target, input) => target.run(["sh", "-c", "cat >/dev/null"], { input }));
export const printed = taking("printed", (target, input) => target.run(["cat"], { input, inform: true }));
export const printedAndFailed = taking("printedAndFailed", (target, input) => target.run("cat; cat >&2; exit 3", { input }));
export const echoed = taking("echoed", (target, input) => target.run("read -r x; echo \\"bad: $x\\" >&2; exit 3", { input, inform: true }));
export const asked = taking("asked", (target, input) => target.query(["cat"], { input }));
export const secretCommand = taking("secretCommand", (target, s) => target.run(["echo", s.reveal().toString()], { secret: true }));
export const temporary = taking("temporary", (target, content) => target.withTemporaryFile((file) => target.run(["test", "-s", file]), { content }));
export const notWritten = taking("notWritten", (target, content) => target.writeFile("/proc/nowhere/x", content));
export const inError = taking("inError", (target, s) => { throw new FailedChange("it was " + inspect({ s }, { showHidden: true })); });
export const inText = taking("inText", (target, s) => target.run("echo " + s));
export const inTemplate = taking("inTemplate", (target, s) => target.run(["echo", \`\${s}\`]));
export const inJson = taking("inJson", (target, s) => target.inform(JSON.stringify({ s })));
export const inState = taking("inState", (target, s) => target.state.set("canary", s));

const leaked = (s) => s.reveal().toString();
export const leaksArgument = taking("leaksArgument", (target, s) => target.run(["sh", "-c", "sleep 0.5", leaked(s)]));
export const leaksVariable = taking("leaksVariable", (target, s) => target.run("sh -c 'sleep 0.5'", { env: { TOKEN: leaked(s) } }));
export const leaksFile = taking("leaksFile", (target, s) => target.run(["tee", "/var/tmp/leaked"], { input: s.reveal() }));
export const leaksBase64 = taking("leaksBase64", (target, s) => target.run("base64 -w0 >/run/leaked", { input: "x" + leaked(s) }));
export const leaksLog = taking("leaksLog", (target, s) => target.run(["logger", "-t", "leak"], { input: s.reveal() }));
export const leaksOutput = taking("leaksOutput", (target, s) => target.inform("the secret is " + leaked(s)));
export const leaksError = taking("leaksError", (target, s) => { throw new FailedChange("cannot use " + leaked(s)); });
`;

/** What becomes of the steps of the consfig's own properties: the failure, or the output. */
const OWN_PROPERTIES: Readonly<Record<string, string>> = {
  input: "",
  printed: "[secret]\n",
  printedAndFailed: "`…` ended with exit code 3: [secret]",
  echoed: "`…` ended with exit code 3: bad: [secret]",
  asked: "",
  secretCommand: "",
  temporary: "",
  notWritten: "cannot write /proc/nowhere/x: no such file or directory",
  inError: "it was { s: [secret, 38 bytes] }",
  inText:
    "a secret cannot be made into text; pass it on as the content of a file or as the input of a command, or call its reveal()",
  inTemplate:
    "a secret cannot be made into text; pass it on as the content of a file or as the input of a command, or call its reveal()",
  inJson: "a secret cannot be serialised",
};

/** The properties of the library that take data, by file; those of public data are not of interest here. */
const FILES_WITH_DATA: Readonly<Record<string, readonly string[]>> = {
  "_certificates.ts": ["certificate.issued"],
  "_fileData.ts": ["file.secretUploaded", "file.hostSecretUploaded"],
  "_fileTemplate.ts": ["file.hasTemplate"],
  "_gitSnapshot.ts": [],
  // Tested with its server, in its own file.
  "_postgresPasswords.ts": [],
  "_userPasswords.ts": ["user.hasEnabledPassword"],
  // Has a test of its own below.
  "_volumeOpening.ts": [],
  "gnupg.ts": ["gnupg.secretKeyImported"],
};
const TAKING_SECRETS = [...Object.values(FILES_WITH_DATA).flat(), "ssh.hasUserKey", "sshd.hasHostKey"];

/** The hops to an agent that differ in how its messages travel, of those where an agent can be. */
const TO_AGENT = ["via.sandbox", "via.ssh", "via.sudo", "via.as", "via.podman", "via.systemdMachined"];

/** The hops behind an agent that differ in how the agent passes on what arrives. */
const BEHIND_AGENT = ["via.sudo", "via.as", "via.chroot", "via.podman"];

describe("canaries", needsMachines(), () => {
  let contexts: Contexts;
  /** Where secrets may be here: what the sources read. */
  let origin: string;
  /** Where they must not be: state, home directories, consfigs. */
  let scratch: string;
  let marker: string;
  const canaries = new Canaries();
  let watching: ReturnType<Canaries["watch"]>;
  /** Everything that was reported, as events, reports, output of the command line and failures with their stacks. */
  const told: string[] = [];
  const saved = { ...process.env };

  before(async () => {
    origin = realpathSync(mkdtempSync("/tmp/origin-"));
    scratch = realpathSync(mkdtempSync(path.join(tmpdir(), "canary-test-")));
    process.env["XDG_STATE_HOME"] = path.join(scratch, "state");
    write(path.join(scratch, "consfig/properties/canary.ts"), PROBE);
    marker = write(path.join(scratch, "marker"), "");
    session.consfig = openConsfig(path.join(scratch, "consfig"));
    const { error } = session.consfig.refresh();
    if (error) throw error;
    session.verbose = true;
    contexts = await bootContexts();
    watching = canaries.watch();
  });
  after(async () => {
    watching?.stop();
    dataSources.restore(new Map());
    hosts.restore(new Map());
    session.verbose = false;
    session.ask = undefined;
    await session.close();
    await discardSandbox(`conformance-${process.pid}`).catch(() => {});
    await contexts?.stop();
    session.consfig?.close();
    session.consfig = undefined;
    restore("XDG_STATE_HOME");
    for (const directory of [origin, scratch]) rmSync(directory, { recursive: true, force: true });
    canaries.dispose();
  });

  const restore = (name: string) => {
    const value = saved[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  };

  /** A new canary, which source.filesTree has as (`iden1`, `iden2`). */
  function planted(
    iden1: string,
    iden2: string,
    around: (secret: string) => string = (secret) => secret,
  ): string {
    const secret = canaries.issue(`${iden1} ${iden2}`);
    write(path.join(origin, "data", iden1, iden2), around(secret));
    return secret;
  }
  const filesTree = () => source.filesTree(path.join(origin, "data"));

  const root = (): Hop => {
    const { machine, config } = contexts;
    return via.ssh({ user: "root", hop: machine.address, config, identity: machine.identity });
  };

  async function deployed(applications: readonly PropApp[], hops: readonly Hop[]): Promise<Report> {
    const deployment = deployThese(HOST, hops as unknown as Hop, ...applications);
    deployment.subscribe((event) => told.push(JSON.stringify(event)));
    const report = await deployment;
    told.push(inspect(report, { depth: Number.POSITIVE_INFINITY, showHidden: true }), JSON.stringify(report));
    return report;
  }
  const ok = (report: Report) => assert.ok(report.ok, JSON.stringify(report.failure ?? report.failed));

  describe("through every kind of hop", () => {
    before(() => registerDataSource(filesTree()));
    after(() => dataSources.restore(new Map()));
    for (const start of starts)
      for (const way of waysOf(start))
        test(`${start.name}, ${way}`, { timeout: limit(120) }, async () => {
          const { machine, config } = contexts;
          const login = via.ssh({
            user: start.from,
            hop: machine.address,
            config,
            identity: machine.identity,
          });
          const hops = [
            ...(start.from === "here" ? [] : [login]),
            ...(way === "behind an agent" ? [via.agent()] : []),
            ...start.hops(contexts),
            ...(way === "to an agent" ? [via.agent()] : []),
          ];
          const name = `${start.name} ${way}`.replaceAll(/\W+/g, "-");
          const size = planted("_hop", name).length;
          const uploaded = file.secretUploaded("_hop", name, `at/${name}`);
          const arrived = cmd.single(`test "$(stat -c %a at/${name}) $(wc -c <at/${name})" = "600 ${size}"`);
          ok(await deployed([uploaded, arrived], hops));
          ok(await deployed([unapplied(uploaded)], hops));
        });
  });

  for (const kind of ["shell", "agent"] as const) {
    const hops = () => [root(), ...(kind === "agent" ? [via.agent()] : [])];

    test(`from every source, ${kind}`, { timeout: limit(120) }, async (t) => {
      const all = await everySource(t, path.join(origin, `sources-${kind}`), (name) =>
        canaries.issue(`${name} over ${kind}`),
      );
      assert.deepEqual(
        all.map(({ name }) => name).sort(),
        Object.keys(source)
          .filter((name) => !/Data$/.test(name))
          .sort(),
      );
      t.after(() => dataSources.restore(new Map()));
      registerDataSource(...all.map(({ from }) => from));
      const typed = all.find(({ name }) => name === "askpass")?.secret;
      session.ask = answering({ secrets: [typed, typed] }).ask;
      const uploads = all.map(({ name, datum: [iden1, iden2] }) =>
        file.secretUploaded(iden1, iden2, `/etc/from/${name}`),
      );
      ok(await deployed(uploads, hops()));
      for (const { name, secret, contains = secret } of all)
        assert.ok(
          readFileSync(path.join(contexts.machine.root, "etc/from", name)).includes(contains, 0, "latin1"),
          name,
        );
      ok(
        await deployed(
          uploads.map((each) => unapplied(each)),
          hops(),
        ),
      );
    });

    test(`to every property, ${kind}`, { timeout: limit(120) }, async (t) => {
      t.after(() => dataSources.restore(new Map()));
      registerDataSource(filesTree());
      const { machine } = contexts;
      await machine.run("useradd enabled");
      const secretKey = gpgKey();
      const authority = certificateAuthority();
      const host = keyPair("ecdsa");
      const own = keyPair("ed25519");
      planted("_app", `token-${kind}`);
      planted(HOST, `/etc/to/own-${kind}.key`);
      planted("_app", `password-${kind}`);
      const template = write(path.join(scratch, "template"), "password: <%= it.password %>\n");
      write(path.join(origin, "data/_ca/certificate"), authority.certificate);
      planted(`--user-passwd--${HOST}`, "enabled");
      for (const [iden1, iden2, { secret }] of [
        [HOST, "/etc/ssh/ssh_host_ecdsa_key", host],
        ["_deploy", `.ssh/id_${kind}`, own],
        ["--pgp-seckey", secretKey.fingerprint, secretKey],
        ["_ca", "key", authority],
      ] as const) {
        write(path.join(origin, "data", iden1, iden2), secret);
        // The last whole line is of the private part.
        canaries.add(`the key ${iden2} over ${kind}`, secret.trim().split("\n").at(-2) ?? "");
      }
      const report = await deployed(
        [
          debianStable("bookworm", "amd64"),
          file.secretUploaded("_app", `token-${kind}`, "/etc/to/token"),
          file.hostSecretUploaded(`/etc/to/own-${kind}.key`),
          user.hasEnabledPassword("enabled"),
          sshd.hasHostKey("ecdsa", host.line),
          ssh.hasUserKey(`.ssh/id_${kind}`, own.line, { iden1: "_deploy" }),
          file.hasTemplate(
            "/etc/to/template",
            template,
            {},
            { data: { password: ["_app", `password-${kind}`] } },
          ),
          gnupg.secretKeyImported(secretKey.fingerprint),
          certificate.issued(`to-${kind}`, {
            by: { certificate: ["_ca", "certificate"], key: ["_ca", "key"] },
          }),
        ],
        hops(),
      );
      ok(report);
      const applied = new Set(report.steps.map(({ property }) => property));
      assert.deepEqual(
        TAKING_SECRETS.filter((name) => !applied.has(name)),
        [],
      );
      assert.deepEqual(
        filesWithData(),
        [...new Set(Object.keys(FILES_WITH_DATA))].sort(),
        "every property that takes data has a row",
      );
      await machine.run(
        "userdel enabled; rm -rf /etc/to /etc/ssh/ssh_host_ecdsa_key* /root/.ssh/id_*; gpgconf --kill all; rm -rf /root/.gnupg",
      );
    });

    // A machine in a container has no device mapper: the passphrase gets as far as cryptsetup, which then fails.
    test(`to a volume that is decrypted, ${kind}`, async (t) => {
      t.after(() => dataSources.restore(new Map()));
      registerDataSource(filesTree());
      const { machine } = contexts;
      await machine.run(
        "command -v cryptsetup || { apt-get update -q && apt-get install -qy --no-install-recommends cryptsetup-bin; }; truncate -s 20M /srv/encrypted; ln -sf /srv/encrypted /dev/encrypted",
      );
      planted("--luks-passphrase", `canary_${kind}`);
      const volume = disk.luksContainer({ volumeLabel: `canary_${kind}` });
      const volumes = disk.volumes(disk.physicalDisk({ deviceFile: "/dev/encrypted" }, volume));
      const report = await deployed(
        [
          debianStable("bookworm", "amd64"),
          disk.withOpenedVolumes(volumes, {}, file.hasContent("/srv/x", "x")),
        ],
        hops(),
      );
      assert.match(
        report.failed[0]?.failure?.message ?? "",
        /^`cryptsetup open --type luks --key-file - \/dev\/encrypted canary_\w+` ended with exit code \d+: /,
      );
      await machine.run("rm /srv/encrypted /dev/encrypted");
    });

    for (const [name, how] of Object.entries(OWN_PROPERTIES))
      test(`${name}, ${kind}`, async (t) => {
        t.after(() => dataSources.restore(new Map()));
        registerDataSource(filesTree());
        planted("_canary", `${name}-${kind}`, (secret) => `${secret}\n`);
        const planned = plan(
          defhost(HOST, {}, prop(`canary.${name}`, `${name}-${kind}`)),
          hops() as unknown as Hop,
        );
        planned.subscribe((event) => told.push(JSON.stringify(event)));
        told.push(inspect(await planned, { depth: Number.POSITIVE_INFINITY }));
        hosts.restore(new Map());
        const report = await deployed([prop(`canary.${name}`, `${name}-${kind}`)], hops());
        const outcome =
          report.failed[0]?.failure?.message ?? report.failure?.message ?? report.steps[0]?.output;
        assert.equal(outcome?.replace(/`.*?`/, "`…`"), how);
      });
  }

  test("kept to repeat the deployment: in the place for that, until it is unapplied", {
    timeout: limit(120),
  }, async (t) => {
    t.after(() => dataSources.restore(new Map()));
    registerDataSource(filesTree());
    const { machine } = contexts;
    for (const name of ["kept", "left-out"]) planted("_repeated", name);
    const uploads = ["kept", "left-out"].map((name) =>
      file.secretUploaded("_repeated", name, `/etc/${name}`),
    );
    const repeats = systemd.runsConfigurator("daily", { without: [["_repeated", "left-out"]] });
    const [system, hops] = [debianStable("bookworm", "amd64"), [root(), via.agent()]];
    ok(await deployed([system, ...uploads, repeats], hops));
    await machine.run("rm /etc/kept");
    const { exit, stdout, stderr } = await machine.exec("/root/.cache/consfigurator/images/latest");
    assert.equal(exit, 1, stdout + stderr);
    assert.match(
      stdout,
      /^changed: \/etc\/kept .*\nfailed: \/etc\/left-out .* does not keep \(_repeated, left-out\)/,
    );
    told.push(stdout, stderr);
    const places = canaries.inFiles([machine.upper]).map((found) => found.replace(machine.upper, ""));
    assert.deepEqual(
      places
        .filter((found) => found.startsWith("_repeated"))
        .map((found) => found.replace(/[0-9a-f]{32}$/, "HASH")),
      [
        "_repeated kept in /etc/kept",
        "_repeated kept in /root/.cache/consfigurator/images/data/HASH",
        "_repeated left-out in /etc/left-out",
      ],
    );
    ok(await deployed([system, ...uploads.map((each) => unapplied(each)), unapplied(repeats)], hops));
  });

  test("on the command line: plans, their files, --json, failures", { timeout: limit(120) }, async () => {
    const { machine, config } = contexts;
    const home = path.join(scratch, "home");
    const consfig = path.join(scratch, "with hosts");
    planted("_canary", "line");
    planted("_canary", "broken");
    write(path.join(consfig, "properties/canary.ts"), PROBE);
    const login = JSON.stringify({ user: "root", hop: machine.address, config, identity: machine.identity });
    write(
      path.join(consfig, "hosts/web1.ts"),
      `import { defhost, registerDataSource, source, via } from "consfigurator";
import { file } from "consfigurator/properties";
import * as canary from "../properties/canary";
registerDataSource(source.filesTree(${JSON.stringify(path.join(origin, "data"))}));
export const good = defhost("${HOST}", { deploy: [via.ssh(${login}), via.agent()] }, file.secretUploaded("_canary", "line", "/etc/line"));
export const bad = defhost("web2.example.org", { deploy: [via.ssh(${login}), via.agent()] }, canary.printedAndFailed("broken"));
`,
    );
    mkdirSync(home, { recursive: true });
    const env = {
      ...process.env,
      HOME: home,
      XDG_CACHE_HOME: path.dirname(cacheHome),
      XDG_STATE_HOME: path.join(home, "state"),
      CI: "",
    };
    const file_ = path.join(home, "plan");
    const command = async (code: number, ...args: string[]) => {
      const ran = await run([...args, "--consfig", consfig], { env });
      assert.equal(ran.code, code, ran.stdout + ran.stderr);
      told.push(ran.stdout, ran.stderr);
    };
    await command(3, "plan", "--json", "--out", file_, HOST);
    await command(0, "apply", "--json", file_);
    await command(0, "deploy", "--json", HOST);
    await command(1, "deploy", "--json", "web2.example.org");
    await command(1, "deploy", "web2.example.org");
    await command(3, "plan", "web2.example.org");
    assert.ok(canaries.in(readFileSync(path.join(machine.root, "etc/line"), "utf8")).length > 0);
    await machine.run("rm /etc/line");
  });

  /** Where canaries were found, by what is searched. */
  const findings = {
    "what was reported": () => canaries.in(told.join("\n")),
    "arguments and environments": () => watching.seen(),
    "files on the host": () => {
      const { machine } = contexts;
      const memory = ["run", "tmp", "dev/shm"].map((each) => `/proc/${machine.leader}/root/${each}`);
      return canaries.inFiles([machine.upper, ...memory]);
    },
    "logs of the host": async () => {
      await contexts.machine.run("journalctl --sync");
      return canaries.in(await contexts.machine.run("journalctl --no-pager -o export"));
    },
    "files here": () =>
      canaries
        .inFilesSince(marker, [scratch, "/tmp", "/var/tmp", "/dev/shm", cacheHome])
        .filter((found) => !found.includes(` in ${origin}/`)),
    "memory of supervisors and spare workers": () =>
      agentProcesses().flatMap((pid) => canaries.inMemory(pid)),
  };

  /** The processes of agents on the machine that outlive deployments, and links. */
  function agentProcesses(): number[] {
    const inside = readlinkSync(`/proc/${contexts.machine.leader}/ns/pid`);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
          return (
            /\.js\0supervisor|lib\/worker\/worker\.js/.test(line) &&
            readlinkSync(`/proc/${pid}/ns/pid`) === inside
          );
        } catch {
          return false;
        }
      });
  }

  for (const [what, find] of Object.entries(findings))
    test(`no secret is in ${what}`, { timeout: limit(120) }, async () => {
      assert.deepEqual(await find(), []);
    });

  test("all of this was looked at", () => {
    assert.ok(watching.looks() > 100, `${watching.looks()} looks at processes`);
    assert.ok(told.length > 100, `${told.length} reports`);
    assert.ok(agentProcesses().length > 0);
  });

  describe("a leak is found", () => {
    before(() => registerDataSource(filesTree()));
    const leaks: Readonly<Record<string, keyof typeof findings>> = {
      leaksArgument: "arguments and environments",
      leaksVariable: "arguments and environments",
      leaksFile: "files on the host",
      leaksBase64: "files on the host",
      leaksLog: "logs of the host",
      leaksOutput: "what was reported",
      leaksError: "what was reported",
    };
    for (const [name, where] of Object.entries(leaks))
      test(name, async () => {
        planted("_canary", name);
        await deployed([prop(`canary.${name}`, name)], [root(), via.agent()]);
        const found = await findings[where]();
        assert.ok(
          found.some((each) => each.startsWith(`_canary ${name}`)),
          JSON.stringify(found),
        );
      });

    test("files here", () => {
      write(path.join(scratch, "leaked"), Buffer.from(canaries.issue("here")).toString("base64"));
      assert.deepEqual(findings["files here"](), [`here in ${path.join(scratch, "leaked")}`]);
    });

    test("memory of a process", async (t) => {
      const secret = canaries.issue("in memory");
      const holder = spawn(
        process.execPath,
        ["-e", "process.stdin.on('data', (data) => { globalThis.held = data; console.log('held'); })"],
        { stdio: ["pipe", "pipe", "inherit"] },
      );
      t.after(() => holder.kill());
      holder.stdin.write(secret);
      await once(holder.stdout, "data");
      assert.deepEqual(canaries.inMemory(holder.pid ?? 0), ["in memory"]);
    });
  });
});

/** The files of the library with properties that take data. */
function filesWithData(): string[] {
  const directory = path.resolve(__dirname, "../../../properties");
  return readdirSync(directory)
    .filter((name) => /target\.data(Stream)?\(/.test(readFileSync(path.join(directory, name), "utf8")))
    .sort();
}

/** A new secret key of gpg. */
function gpgKey(): { readonly fingerprint: string; readonly secret: string } {
  const home = mkdtempSync("/tmp/gpg-");
  const gpg = (...words: string[]) =>
    execFileSync("gpg", ["--homedir", home, "--batch", "--quiet", "--passphrase", "", ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  try {
    gpg("--quick-generate-key", "Canary <canary@example.org>", "rsa2048", "default");
    const fingerprint = /^fpr:+([0-9A-F]+):$/m.exec(gpg("--with-colons", "--list-keys"))?.[1] ?? "";
    // The checksum is not in the last whole line but one.
    return {
      fingerprint,
      secret: gpg("--armor", "--export-secret-keys", fingerprint).replace(/\n=.*\n/, "\n"),
    };
  } finally {
    execFileSync("gpgconf", ["--homedir", home, "--kill", "all"]);
    rmSync(home, { recursive: true, force: true });
  }
}

function certificateAuthority(): { readonly certificate: string; readonly secret: string } {
  const directory = mkdtempSync(path.join(tmpdir(), "authority-"));
  try {
    const [key, certificate] = ["key", "certificate"].map((name) => path.join(directory, name)) as [
      string,
      string,
    ];
    const request = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      "/CN=canary",
      "-days",
      "2",
      "-keyout",
      key,
      "-out",
      certificate,
    ];
    execFileSync("openssl", request, { stdio: "ignore" });
    return { certificate: readFileSync(certificate, "utf8"), secret: readFileSync(key, "utf8") };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A new pair of keys. */
function keyPair(type: string): { readonly secret: string; readonly line: string } {
  const directory = mkdtempSync(path.join(tmpdir(), "key-"));
  try {
    const name = path.join(directory, "key");
    execFileSync("ssh-keygen", ["-q", "-t", type, "-N", "", "-C", "test", "-f", name]);
    return { secret: readFileSync(name, "utf8"), line: readFileSync(`${name}.pub`, "utf8").trim() };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function waysOf({ name, from }: Start): string[] {
  const behind = from !== "here" && (ALL || BEHIND_AGENT.includes(name)) ? ["behind an agent"] : [];
  return ["over a shell", ...behind, ...(TO_AGENT.includes(name) ? ["to an agent"] : [])];
}

function write(name: string, content: string | Buffer): string {
  mkdirSync(path.dirname(name), { recursive: true });
  writeFileSync(name, content);
  return name;
}
