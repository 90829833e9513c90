/**
 * What is called how elsewhere: the rows of docs/equivalents.md. test/docs/equivalents.test.ts holds the last column to what there is.
 */
export interface Equivalent {
  readonly purpose: string;
  /** Modules of Ansible, without their collection where it is the builtin one. */
  readonly ansible?: string;
  readonly pyinfra?: string;
  readonly consfigurator?: string;
  readonly propellor?: string;
  /** Properties, combinators and hops of this library. Empty: there is none. */
  readonly here: readonly string[];
  /** What to do instead, or how it differs. */
  readonly note?: string;
}

export interface Family {
  readonly title: string;
  readonly rows: readonly Equivalent[];
}

const packages: Family = {
  title: "Packages",
  rows: [
    {
      purpose: "packages are installed",
      ansible: "apt, package",
      pyinfra: "apt.packages, server.packages",
      consfigurator: "apt:installed",
      propellor: "Apt.installed",
      here: ["apt.installed", "apt.installedMinimally", "packages.installed", "pkgng.installed"],
    },
    {
      purpose: "packages are not installed",
      ansible: "apt (state=absent)",
      pyinfra: "apt.packages (present=False)",
      consfigurator: "apt:removed",
      propellor: "Apt.removed",
      here: ["apt.removed", "pkgng.deleted"],
    },
    {
      purpose: "lists of packages are up to date",
      ansible: "apt (update_cache)",
      pyinfra: "apt.update",
      consfigurator: "apt:updated",
      propellor: "Apt.update",
      here: ["apt.updated", "pkgng.updated"],
    },
    {
      purpose: "everything is upgraded",
      ansible: "apt (upgrade)",
      pyinfra: "apt.upgrade, apt.dist_upgrade",
      consfigurator: "apt:upgraded",
      propellor: "Apt.upgrade",
      here: ["apt.upgraded", "pkgng.upgraded"],
    },
    {
      purpose: "a repository with its key",
      ansible: "apt_repository, deb822_repository, apt_key",
      pyinfra: "apt.repo, apt.key, apt.ppa",
      consfigurator: "apt:additional-sources, apt:trusts-key",
      propellor: "Apt.setSourcesListD, Apt.trustsKey",
      here: ["apt.hasRepository", "apt.additionalSources", "apt.hasKeyring", "apt.trustsKey"],
    },
    {
      purpose: "packages are pinned, or from backports",
      consfigurator: "apt:pinned, apt:backports-installed",
      propellor: "Apt.pinnedTo, Apt.backportInstalled",
      here: ["apt.pinned", "apt.suitesAvailablePinned", "apt.backportsInstalled"],
    },
    {
      purpose: "answers to debconf",
      ansible: "debconf",
      consfigurator: "apt:reconfigured",
      propellor: "Apt.reConfigure",
      here: ["apt.reconfigured"],
    },
    {
      purpose: "upgrades by themselves",
      consfigurator: "apt:unattended-upgrades",
      propellor: "Apt.unattendedUpgrades",
      here: ["apt.unattendedUpgrades", "apt.periodicUpdates"],
    },
    {
      purpose: "a package from a file",
      ansible: "apt (deb=…)",
      pyinfra: "apt.deb",
      here: [],
      note: '`file.downloaded`, then `cmd.single("apt-get install -y ./x.deb")`',
    },
    {
      purpose: "packages of other systems and languages",
      ansible: "dnf, apk, pip, npm, gem",
      pyinfra: "dnf.packages, apk.packages, pip.packages, npm.packages",
      here: ["packages.installed", "packages.managedBy"],
      note: "`packages.managedBy` adds a manager of packages; those of languages have none: `cmd.single`",
    },
    {
      purpose: "what is restarted after an upgrade",
      here: ["needrestart.configured"],
    },
  ],
};

const files: Family = {
  title: "Files",
  rows: [
    {
      purpose: "a file has a content",
      ansible: "copy (content)",
      pyinfra: "files.put",
      consfigurator: "file:has-content, file:exists-with-content",
      propellor: "File.hasContent",
      here: ["file.hasContent", "file.existsWithContent"],
    },
    {
      purpose: "a file from a template",
      ansible: "template",
      pyinfra: "files.template",
      here: ["file.hasTemplate"],
    },
    {
      purpose: "a file or directory of your own machine",
      ansible: "copy (src), synchronize",
      pyinfra: "files.put, files.sync, files.rsync",
      consfigurator: "file:data-uploaded",
      propellor: "File.hasPrivContent",
      here: ["file.hasTree", "file.dataUploaded", "file.secretUploaded"],
    },
    {
      purpose: "lines are in a file, or not",
      ansible: "lineinfile",
      pyinfra: "files.line",
      consfigurator: "file:contains-lines, file:lacks-lines, file:lacks-lines-matching",
      propellor: "File.containsLine, File.lacksLine",
      here: ["file.containsLines", "file.lacksLines", "file.lacksLinesMatching"],
    },
    {
      purpose: "text is replaced",
      ansible: "replace",
      pyinfra: "files.replace",
      consfigurator: "file:regex-replaced-lines",
      propellor: "File.fileProperty",
      here: ["file.regexReplacedLines"],
    },
    {
      purpose: "a marked block of lines",
      ansible: "blockinfile",
      pyinfra: "files.block",
      here: ["file.hasBlock"],
    },
    {
      purpose: "settings of a file",
      ansible: "ini_file",
      consfigurator: "file:contains-conf-equals, file:contains-ini-settings",
      propellor: "ConfFile.containsIniSetting",
      here: [
        "file.containsIniSettings",
        "file.containsConfEquals",
        "file.containsConfSpace",
        "file.containsConfTab",
        "file.containsConfUnspaced",
        "file.containsConfShell",
        "etcDefault.contains",
        "rcConf.contains",
      ],
    },
    {
      purpose: "directories, links, deletion",
      ansible: "file",
      pyinfra: "files.directory, files.link, files.file",
      consfigurator: "file:directory-exists, file:symlinked, file:does-not-exist",
      propellor: "File.dirExists, File.isSymlinkedTo, File.notPresent",
      here: [
        "file.directoryExists",
        "file.containingDirectoryExists",
        "file.symlinked",
        "file.doesNotExist",
        "file.directoryDoesNotExist",
        "file.emptyDirectoryDoesNotExist",
      ],
    },
    {
      purpose: "mode, owner, ACL",
      ansible: "file, acl",
      pyinfra: "files.file (mode, user)",
      consfigurator: "file:has-mode, file:has-ownership",
      propellor: "File.mode, File.ownerGroup",
      here: ["file.hasMode", "file.hasOwnership", "file.hasAcl"],
    },
    {
      purpose: "a copy on the host",
      ansible: "copy (remote_src)",
      pyinfra: "files.copy",
      consfigurator: "file:is-copy-of",
      propellor: "File.isCopyOf",
      here: ["file.isCopyOf"],
    },
    {
      purpose: "a download, an archive",
      ansible: "get_url, unarchive",
      pyinfra: "files.download",
      here: ["file.downloaded", "file.extracted"],
    },
    {
      purpose: "a file is fetched from the host",
      ansible: "fetch, slurp",
      pyinfra: "files.get",
      here: [],
      note: "a deployment does not bring files back; `scp` does",
    },
  ],
};

const accounts: Family = {
  title: "Accounts and access",
  rows: [
    {
      purpose: "an account",
      ansible: "user",
      pyinfra: "server.user",
      consfigurator: "user:has-account, user:has-account-with-uid",
      propellor: "User.accountFor, User.hasLoginShell",
      here: [
        "user.hasAccount",
        "user.hasAccountWithUid",
        "user.hasLoginShell",
        "user.hasHome",
        "user.doesNotExist",
      ],
    },
    {
      purpose: "groups",
      ansible: "group, user (groups)",
      pyinfra: "server.group",
      consfigurator: "user:has-groups, user:has-desktop-groups",
      propellor: "User.hasGroup, User.hasDesktopGroups",
      here: [
        "user.hasGroups",
        "user.hasDesktopGroups",
        "user.groupExists",
        "group.hasOnlyMembers",
        "group.doesNotExist",
      ],
    },
    {
      purpose: "passwords",
      ansible: "user (password)",
      pyinfra: "server.user (password)",
      consfigurator: "user:has-enabled-password, user:has-locked-password",
      propellor: "User.hasPassword, User.lockedPassword",
      here: ["user.hasEnabledPassword", "user.hasLockedPassword"],
    },
    {
      purpose: "keys that may log in",
      ansible: "ansible.posix.authorized_key",
      pyinfra: "server.user_authorized_keys",
      consfigurator: "ssh:authorized-keys",
      propellor: "Ssh.authorizedKeys",
      here: ["ssh.authorizedKeys"],
    },
    {
      purpose: "known hosts, keys of a user",
      ansible: "known_hosts, community.crypto.openssh_keypair",
      pyinfra: "ssh.keyscan",
      consfigurator: "ssh:known-host, ssh:has-user-key",
      propellor: "Ssh.knownHost, Ssh.userKeys",
      here: ["ssh.knownHost", "ssh.systemKnownHost", "ssh.hasUserKey", "ssh.configured"],
    },
    {
      purpose: "the ssh server",
      ansible: "lineinfile",
      consfigurator: "sshd:configured, sshd:no-passwords, sshd:has-host-key",
      propellor: "Ssh.setSshdConfig, Ssh.noPasswords, Ssh.hostKeys",
      here: ["sshd.configured", "sshd.noPasswords", "sshd.hasHostKey", "sshd.installed"],
    },
    {
      purpose: "who may use sudo",
      ansible: "community.general.sudoers",
      propellor: "Sudo.enabledFor",
      here: ["sudo.allows"],
    },
    {
      purpose: "limits of sessions",
      ansible: "community.general.pam_limits",
      pyinfra: "server.security_limits",
      here: ["limits.configured"],
    },
  ],
};

const services: Family = {
  title: "Services and time",
  rows: [
    {
      purpose: "a service runs, at boot too",
      ansible: "service, systemd_service",
      pyinfra: "systemd.service, server.service",
      consfigurator: "service:running, systemd:started, systemd:enabled",
      propellor: "Service.running, Systemd.started, Systemd.enabled",
      here: ["service.running", "systemd.started", "systemd.enabled", "rcConf.contains"],
    },
    {
      purpose: "a service is stopped, disabled or masked",
      ansible: "systemd_service (state=stopped)",
      pyinfra: "systemd.service (running=False)",
      consfigurator: "systemd:stopped, systemd:disabled, systemd:masked",
      propellor: "Systemd.stopped, Systemd.disabled, Systemd.masked",
      here: ["systemd.stopped", "systemd.disabled", "systemd.masked"],
    },
    {
      purpose: "a handler: reloaded or restarted after a change",
      ansible: "handlers, notify",
      pyinfra: "_if=op.did_change",
      consfigurator: "on-change",
      propellor: "onChange",
      here: ["onChange", "systemd.reloaded", "systemd.restarted", "service.reloaded", "service.restarted"],
    },
    {
      purpose: "units of your own",
      ansible: "copy, systemd_service (daemon_reload)",
      pyinfra: "systemd.daemon_reload",
      consfigurator: "systemd:daemon-reloaded",
      propellor: "Systemd.configured",
      here: [
        "systemd.hasUnit",
        "systemd.hasDropIn",
        "systemd.hasTimer",
        "systemd.daemonReloaded",
        "daemon.running",
      ],
    },
    {
      purpose: "the journal, log files",
      propellor: "Journald.configured",
      ansible: "template",
      here: ["journald.configured", "logrotate.configured"],
    },
    {
      purpose: "jobs at certain times",
      ansible: "cron",
      pyinfra: "crontab.crontab",
      consfigurator: "cron:system-job, cron:user-crontab-installed",
      propellor: "Cron.job, Cron.niceJob",
      here: ["cron.systemJob", "cron.niceSystemJob", "cron.userCrontabInstalled", "systemd.hasTimer"],
    },
    {
      purpose: "the clock, the time zone",
      ansible: "community.general.timezone",
      consfigurator: "timezone:configured",
      propellor: "Timezone.configured",
      here: [
        "timezone.configured",
        "timezone.configuredFromParent",
        "chrony.configured",
        "timesyncd.configured",
      ],
    },
    {
      purpose: "nothing is started",
      consfigurator: "service:no-services",
      propellor: "Service.noServices",
      here: ["service.noServices", "service.withoutStartingServices"],
    },
  ],
};

const host: Family = {
  title: "The host",
  rows: [
    {
      purpose: "its name, names of others",
      ansible: "hostname",
      pyinfra: "server.hostname",
      consfigurator: "hostname:configured, hostname:mailname-configured, hostname:search-configured",
      propellor: "Hostname.sane",
      here: ["hostname.configured", "hostname.mailnameConfigured", "hostname.searchConfigured", "hosts.has"],
    },
    {
      purpose: "settings and modules of the kernel",
      ansible: "ansible.posix.sysctl, community.general.modprobe",
      pyinfra: "server.sysctl, server.modprobe",
      here: ["sysctl.set", "kernelModule.loaded", "kernelModule.blacklisted"],
    },
    {
      purpose: "reboot",
      ansible: "reboot",
      pyinfra: "server.reboot",
      consfigurator: "reboot:at-end",
      propellor: "Reboot.atEnd, Reboot.now",
      here: ["reboot.atEnd"],
    },
    {
      purpose: "file systems are mounted, and at boot",
      ansible: "ansible.posix.mount",
      pyinfra: "server.mount",
      consfigurator: "fstab:has-entries, mount:mounted, mount:unmounted-below",
      propellor: "Fstab.mounted, Mount.unmountBelow",
      here: ["fstab.hasEntries", "mount.mounted", "mount.unmountedBelow", "mount.unmountedBelowAndRemoved"],
    },
    {
      purpose: "encrypted devices are opened at boot",
      ansible: "community.general.crypttab",
      consfigurator: "crypttab:has-entries-for-opened-volumes",
      here: ["crypttab.hasEntries", "crypttab.hasEntriesForOpenedVolumes"],
    },
    {
      purpose: "swap space",
      consfigurator: "swap:has-swap-file",
      here: ["swap.hasSwapFile"],
    },
    {
      purpose: "hibernation",
      consfigurator: "swap:resume-configured",
      here: ["swap.resumeConfigured"],
    },
    {
      purpose: "disks and what is on them are declared",
      ansible: "community.general.filesystem, community.general.parted",
      consfigurator: "disk:has-volumes, fstab:has-entries-for-volumes",
      propellor: "DiskImage.imageBuilt",
      here: ["disk.hasVolumes", "fstab.hasEntriesForVolumes"],
      note: "on disks, partitions and file systems are not made yet; `cmd.single` with `creates`",
    },
    {
      purpose: "disks, partitions and logical volumes are opened for a while",
      consfigurator: "disk:with-opened-volumes, fstab:has-entries-for-opened-volumes",
      here: ["disk.withOpenedVolumes", "fstab.hasEntriesForOpenedVolumes"],
    },
    {
      purpose: "logical volumes",
      ansible: "community.general.lvol",
      consfigurator: "disk:host-logical-volumes-exist",
      here: ["disk.hostLogicalVolumesExist"],
    },
    {
      purpose: "an image of a disk, from a host or a directory",
      consfigurator: "disk:raw-image-built-for",
      propellor: "DiskImage.imageBuiltFrom",
      here: ["disk.imageBuiltFrom", "disk.rawImageBuiltFor"],
    },
    {
      purpose: "the operating system is replaced in place",
      consfigurator: "installer:cleanly-installed-once",
      propellor: "OS.cleanInstallOnce",
      here: ["installer.cleanlyInstalledOnce"],
      note: "the host keys stay, and the deployment waits for the reboot",
    },
    {
      purpose: "a boot loader on a disk",
      consfigurator: "grub:grub-installed, installer:bootloaders-installed, u-boot:installed-rockchip",
      propellor: "Grub.installed, Grub.boots",
      here: [
        "grub.grubInstalled",
        "grub.configured",
        "uBoot.installedRockchip",
        "installer.bootloadersInstalled",
        "installer.bootloaderBinariesInstalled",
      ],
    },
    {
      purpose: "locales",
      ansible: "community.general.locale_gen",
      pyinfra: "server.locale",
      consfigurator: "locale:available, locale:selected-for",
      propellor: "Locale.available, Locale.selectedFor",
      here: ["locale.available", "locale.selectedFor"],
    },
    {
      purpose: "an interface has a fixed address",
      ansible: "community.general.nmcli, community.general.interfaces_file",
      consfigurator: "network:static, network:preserve-static-once, network:clean-/etc/network/interfaces",
      propellor: "Network.static, Network.preserveStatic, Network.cleanInterfacesFile",
      here: [
        "network.static",
        "network.preserveStaticOnce",
        "network.cleanEtcNetworkInterfaces",
        "network.cloudInitDisabled",
      ],
      note: "with ifupdown; for others, `file.hasContent` of the files of systemd-networkd or netplan",
    },
    {
      purpose: "which system it is",
      ansible: "gather_facts, when",
      pyinfra: "host.get_fact",
      consfigurator: "os:typecase, os:debian-stable",
      propellor: "osDebian, withOS",
      here: ["os.debianStable", "os.freebsdRelease", "os.typecase", "os.hostTypecase"],
    },
  ],
};

const applications: Family = {
  title: "Servers",
  rows: [
    {
      purpose: "web servers",
      ansible: "community.general.apache2_module, template",
      consfigurator: "apache:site-enabled, apache:https-vhost",
      propellor: "Apache.siteEnabled, Apache.httpsVirtualHost",
      here: [
        "nginx.site",
        "nginx.siteDisabled",
        "apache.siteEnabled",
        "apache.modEnabled",
        "apache.httpsVhost",
      ],
    },
    {
      purpose: "certificates",
      ansible: "community.crypto.acme_certificate, community.crypto.x509_certificate",
      consfigurator: "lets-encrypt:certificate-obtained",
      propellor: "LetsEncrypt.letsEncrypt",
      here: [
        "letsEncrypt.certificateObtained",
        "letsEncrypt.certificateObtainedStandalone",
        "certificate.authority",
        "certificate.issued",
        "certificate.trusted",
      ],
    },
    {
      purpose: "firewalls",
      ansible: "iptables, ansible.posix.firewalld, community.general.ufw",
      pyinfra: "iptables.rule",
      consfigurator: "firewalld:has-service",
      propellor: "Firewall.rule, Fail2Ban.installed",
      here: [
        "nftables.ruleset",
        "ufw.enabled",
        "ufw.allows",
        "ufw.denies",
        "ufw.limits",
        "firewalld.zoneHasService",
        "firewalld.zoneHasPort",
        "firewalld.zoneHasRichRule",
        "fail2ban.jail",
      ],
    },
    {
      purpose: "databases",
      ansible: "community.postgresql.postgresql_db, community.postgresql.postgresql_user",
      pyinfra: "postgresql.database, postgresql.role",
      consfigurator: "postgres:database-exists, postgres:has-role",
      here: [
        "postgres.hasDatabase",
        "postgres.databaseHasOwner",
        "postgres.hasRole",
        "postgres.userCanLogin",
        "postgres.userHasPassword",
        "postgres.hasGroup",
      ],
    },
    {
      purpose: "mail",
      ansible: "lineinfile, template",
      consfigurator: "postfix:main-configured, postfix:mapped-file",
      propellor: "Postfix.mainCfFile, Postfix.mappedFile",
      here: ["postfix.mainConfigured", "postfix.mappedFile", "postfix.daemonSocketDirectory"],
    },
    {
      purpose: "chroots",
      ansible: "debootstrap as a command",
      consfigurator: "chroot:os-bootstrapped, sbuild:built, schroot:uses-overlays",
      propellor: "Chroot.provisioned, Sbuild.built, Schroot.overlaysInTmpfs, Ccache.hasLimits",
      here: [
        "chroot.osBootstrapped",
        "chroot.osBootstrappedFor",
        "chroot.deploys",
        "sbuild.built",
        "schroot.overlaysInTmpfs",
        "ccache.hasLimits",
      ],
    },
    {
      purpose: "working copies of git",
      ansible: "git, community.general.git_config",
      pyinfra: "git.repo, git.config",
      consfigurator: "git:cloned, git:pulled, git:repo-configured",
      propellor: "Git.cloned, Git.pulled, Git.repoConfigured",
      here: ["git.cloned", "git.pulled", "git.repoConfigured"],
    },
    {
      purpose: "containers of Docker and Podman, with their images and networks",
      ansible:
        "community.docker.docker_container, docker_image, docker_network, containers.podman.podman_container",
      pyinfra: "docker.container, docker.image, docker.network",
      propellor: "Docker.docked",
      here: [
        "docker.installed",
        "docker.configured",
        "docker.container",
        "docker.imagePulled",
        "docker.network",
        "podman.installed",
        "podman.container",
      ],
    },
    {
      purpose: "virtual machines of libvirt",
      ansible: "community.libvirt.virt, virt_net",
      consfigurator: "libvirt:defined-for, libvirt:started, libvirt:kvm-boots-chroot-for",
      propellor: "Libvirt.defined, Libvirt.kvmBootsChroot",
      here: [
        "libvirt.installed",
        "libvirt.definedFor",
        "libvirt.started",
        "libvirt.destroyed",
        "libvirt.whenStarted",
        "libvirt.defaultNetworkStarted",
        "libvirt.defaultNetworkAutostarted",
        "libvirt.kvmBootsChrootFor",
        "libvirt.kvmBootsChroot",
      ],
    },
    {
      purpose: "containers of LXC that belong to a user",
      ansible: "community.general.lxc_container",
      consfigurator: "lxc:user-container-for, lxc:user-container, lxc:usernet-veth-usable-by",
      here: [
        "lxc.installed",
        "lxc.userContainerFor",
        "lxc.userContainer",
        "lxc.userContainerStarted",
        "lxc.userContainerStopped",
        "lxc.userContainersAutostart",
        "lxc.usernetVethUsableBy",
        "lxc.whenUserContainerRunning",
      ],
    },
  ],
};

const running: Family = {
  title: "Commands, and how things are combined",
  rows: [
    {
      purpose: "a command",
      ansible: "command, shell",
      pyinfra: "server.shell",
      consfigurator: "cmd:single",
      propellor: "Cmd.cmdProperty",
      here: ["cmd.single"],
    },
    {
      purpose: "a script of your own machine",
      ansible: "script",
      pyinfra: "server.script",
      here: [],
      note: "a property of your own, with `target.run`: see [writing a property](../properties.md)",
    },
    {
      purpose: "an order, which stops at a failure or not",
      ansible: "tasks, block, ignore_errors",
      consfigurator: "eseqprops, seqprops",
      propellor: "propertyList, combineProperties",
      here: ["eseqprops", "seqprops", "silentSeqprops", "withRequirements"],
    },
    {
      purpose: "undone",
      ansible: "state=absent",
      pyinfra: "present=False",
      consfigurator: "unapplied",
      propellor: "revert, undo",
      here: ["unapplied", "withUnapply"],
    },
    {
      purpose: "as another user",
      ansible: "become_user",
      pyinfra: "_sudo_user, _su_user",
      consfigurator: "as",
      propellor: "User.runAs",
      here: ["as", "via.sudo", "via.su", "via.as"],
    },
    {
      purpose: "only once, or once in a time",
      ansible: "creates",
      consfigurator: "with-flagfile, periodic:at-most",
      propellor: "flagFile, period",
      here: ["withFlagfile", "periodic.atMost", "periodic.reappliedAtMost"],
    },
    {
      purpose: "in a container or chroot",
      ansible: "connection: community.docker.docker, chroot",
      pyinfra: "@docker, @chroot",
      consfigurator: ":chroot, :lxc, :systemd-machined",
      propellor: "Chroot.provisioned, Docker.docked",
      here: ["via.chroot", "via.docker", "via.podman", "via.lxc", "via.systemdMachined", "via.nsenter"],
    },
    {
      purpose: "a dry run",
      ansible: "--check --diff",
      pyinfra: "--dry",
      here: ["plan", "rehearse"],
      note: "see [plans](../plan.md)",
    },
    {
      purpose: "secrets",
      ansible: "ansible-vault",
      consfigurator: "data sources",
      propellor: "PrivData",
      here: ["registerDataSource", "file.secretUploaded"],
      note: "see [secrets](../secrets.md)",
    },
  ],
};

const looking: Family = {
  title: "Looking at hosts",
  rows: [
    {
      purpose: "what a host is",
      ansible: "setup, gather_facts",
      pyinfra: "host.get_fact",
      here: ["on", "tables.facts", "tables.interfaces", "tables.mounts", "tables.disks"],
      note: "live, as `on(web1).facts()`; what properties know of a host is declared, not gathered",
    },
    {
      purpose: "what is installed and runs there",
      ansible: "package_facts, service_facts",
      pyinfra: "apt.AptPackages, systemd.SystemdStatus",
      here: ["tables.packages", "tables.services", "tables.processes", "tables.ports", "tables.logs"],
    },
    {
      purpose: "a command on many hosts",
      ansible: "ansible -m command",
      pyinfra: "pyinfra exec",
      here: ["on"],
      note: '`on(hosts).run("uptime")`',
    },
    {
      purpose: "what differs between two hosts",
      here: ["diff"],
    },
    {
      purpose: "what is there, as a definition",
      here: [],
      note: "at the prompt, `.adopt web1`",
    },
  ],
};

export const families: readonly Family[] = [
  packages,
  files,
  accounts,
  services,
  host,
  applications,
  running,
  looking,
];
