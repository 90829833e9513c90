/** Chroots for users, by schroot(1). */
import { attribute, defprop, defproplist, type HostFacts, schema } from "consfigurator";
import { needed } from "./_needs";
import * as os from "./_os";
import { installed as aptInstalled } from "./apt";
import { existsWithContent } from "./file";

const { object } = schema;

const overlays = attribute<true>("schroot.usesOverlays");

/** Whether chroots of `host` are to be used through overlays, so that what is changed in a session is gone after it. */
export const areOverlaysUsed = (host: HostFacts): boolean => host.newest(overlays) === true;

/**
 * schroot is installed.
 *
 * @example schroot.installed()
 */
export const installed = defproplist({
  name: "schroot.installed",
  args: object({}),
  call: () => ({}),
  desc: () => "schroot installed",
  hostattrs: (_args, host) => os.required(host, "debianlike"),
  parts: () => [aptInstalled("schroot")],
});

/**
 * Properties that define chroots for schroot, such as `sbuild.built`, let sessions work in an overlay. Put it before them. Does
 * nothing on the host.
 *
 * @example schroot.usesOverlays()
 */
export const usesOverlays = defprop({
  name: "schroot.usesOverlays",
  kind: "posix",
  args: object({}),
  call: () => ({}),
  desc: () => "schroot uses overlays",
  hostattrs: (_args, host) => host.push(overlays, true),
});

const SCRIPT = `#!/bin/sh
# Sessions with an overlay work in memory.
set -e
. "$SETUP_DATA_DIR/common-data"

directory=/var/lib/schroot/union/overlay
case $STAGE in
  setup-start | setup-recover)
    mkdir -p "$directory"
    mountpoint -q "$directory" || mount -t tmpfs overlay "$directory"
    ;;
  setup-stop)
    # Other sessions may still use it.
    umount "$directory" 2>/dev/null || :
    ;;
esac
`;

/**
 * schroot is installed, and what sessions with an overlay change is in memory: see `schroot.usesOverlays`, which this
 * declares, too. Unapplying it has it on the disk again, such as for builds that need more than there is.
 *
 * @example schroot.overlaysInTmpfs()
 */
export const overlaysInTmpfs = defproplist({
  name: "schroot.overlaysInTmpfs",
  args: object({}),
  call: () => ({}),
  desc: () => "overlays of schroot in memory",
  hostattrs: (_args, host) => {
    os.required(host, "debianlike");
    host.push(overlays, true);
  },
  parts: () => [
    needed(installed()),
    existsWithContent("/etc/schroot/setup.d/04tmpfs", SCRIPT, { mode: 0o755 }),
  ],
});
