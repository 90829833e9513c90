import { defhost } from "consfigurator";
import { file, os, systemd, timezone, user } from "consfigurator/properties";
import * as banner from "../properties/banner";

/** A few properties of different kinds. */
export const six = defhost(
  "six.example.org",
  os.debianStable("bookworm", "amd64"),
  timezone.configured("Etc/UTC"),
  user.hasAccount("ada"),
  file.containsLines("/etc/hosts", "192.0.2.7 build.example.org"),
  systemd.started("cron"),
  banner.says("Described in hosts/six.ts."),
);
