/** The exchange of a running system's root directory for another one. */
import { FailedChange, type PosixTarget } from "consfigurator";
import { parentOf } from "./_paths";
import { execWord } from "./_unitText";

/** Where the new system is made, and where the old one is afterwards. */
export const NEW = "/new-os";
export const OLD = "/old-os";

/** There from before the exchange until all of it is done: the inode and the name of each entry of the new root directory. */
const JOURNAL = "/.os-being-replaced";
/** The program that does it. */
const PROGRAM = `${JOURNAL}.pl`;

/** What stays where it is: what the kernel and the running system have mounted there goes on as before. */
export const KEPT = ["dev", "proc", "run", "sys", "tmp", "lost+found"] as const;

/** The number of the system call renameat2(2), by `uname -m`. */
export const EXCHANGE_CALLS: Readonly<Record<string, number>> = {
  ...{ x86_64: 316, i686: 353, i586: 353, aarch64: 276, armv7l: 382, armv6l: 382 },
  ...{ riscv64: 276, ppc64le: 357, s390x: 347 },
};

const callOn = async (target: PosixTarget): Promise<string> =>
  String(EXCHANGE_CALLS[(await target.query(["uname", "-m"], { about: {} })).stdout.trim()]);

/** True: an exchange has begun, or may have, and is to be finished. */
export const isExchanging = async (target: PosixTarget): Promise<boolean> =>
  (await target.lstat(JOURNAL)) !== undefined;

/** Fails where two entries of the root directory cannot be exchanged; leaves nothing behind. */
const TRIAL = `my ($one, $other) = ("/.exchange-$$-1", "/.exchange-$$-2");
mkdir $_, 0700 or die "$_: $!" for $one, $other;
my $result = syscall($ARGV[0] + 0, -100, $one, -100, $other, 2);
my $why = $!;
rmdir $_ for $one, $other;
die "$why\\n" if $result != 0;`;

/** Throws `FailedChange` where the exchange would not work, as on some file systems. */
export async function refuseUnlessExchangeable(target: PosixTarget): Promise<void> {
  const { exit, stderr } = await target.run(["perl", "-", await callOn(target)], {
    input: TRIAL,
    mayFail: true,
    cwd: "/",
    predict: () => undefined,
  });
  if (exit !== 0)
    throw new FailedChange(`directories of / cannot be exchanged: ${stderr.trim() || `exit code ${exit}`}`);
}

/**
 * Each entry is exchanged in one system call, all of them within about a millisecond, by one process: an exchange that was
 * interrupted goes on where it was, as the journal knows each new entry by its inode.
 */
const EXCHANGE = `use strict; use warnings;
$SIG{$_} = "IGNORE" for qw(HUP INT TERM PIPE);
my ($call, $new, $old, $journal, $kept, @moved) = @ARGV;
my %kept = map { $_ => 1 } split(/,/, $kept), ".", "..", map { s{^/}{}r } $new, $old, $journal, "$journal.pl";
sub entries { opendir(my $d, $_[0]) or die "$_[0]: $!\\n"; return grep { !$kept{$_} } readdir($d); }
sub renamed { rename($_[0], $_[1]) or die "$_[0] cannot be renamed to $_[1]: $!\\n"; }
if (!-e $journal) {
  open(my $f, ">", "$journal.draft") or die "$journal: $!\\n";
  print $f map { (lstat "$new/$_")[1] . " $_\\n" } entries($new) or die "$journal: $!\\n";
  close $f or die "$journal: $!\\n";
  system("sync");
  renamed("$journal.draft", $journal);
  system("sync");
}
open(my $f, "<", $journal) or die "$journal: $!\\n";
my %inode = map { chomp; my ($inode, $name) = split / /, $_, 2; $name => $inode } <$f>;
close $f;
if (-d $new) {
  for my $name (sort keys %inode) {
    my @there = lstat "/$name";
    next if @there && $there[1] eq $inode{$name};
    if (!@there) { renamed("$new/$name", "/$name"); next; }
    my ($from, $to) = ("$new/$name", "/$name");
    syscall($call + 0, -100, $from, -100, $to, 2) == 0 or die "$from and $to cannot be exchanged: $!\\n";
  }
  for my $name (entries("/")) { renamed("/$name", "$new/$name") if !exists $inode{$name}; }
  for my $path (@moved) {
    next if !-d "$new$path" || -e $path;
    for my $at (1 .. length($path) - 1) { mkdir substr($path, 0, $at), 0700 if substr($path, $at, 1) eq "/"; }
    renamed("$new$path", $path);
  }
  renamed($new, $old);
}
system("sync");
`;

/** What the rest of the running system needs then. What was mounted in the old tree went along with it. */
const SETTLE = `set -u
for m in /boot/efi /efi; do
  grep -Eq "^[^#][^ ]* $m " /etc/fstab 2>/dev/null || continue
  mountpoint -q $m && continue
  mount --make-private /
  mkdir -p $m
  mount --move ${OLD}$m $m 2>/dev/null || { umount -l ${OLD}$m 2>/dev/null; mount $m; } || exit
done
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
systemctl stop ssh.socket 2>/dev/null
systemctl restart ssh.service`;

const UNIT = "/etc/systemd/system/os-replacement.service";
const WANTED = "/etc/systemd/system/sysinit.target.wants/os-replacement.service";

/** Goes on with an exchange during which the power failed: whichever entries are exchanged, one of the two systems has this. */
const unit = (words: readonly string[]): string => `[Unit]
Description=The operating system is replaced
DefaultDependencies=no
ConditionPathExists=${JOURNAL}
ConditionPathIsDirectory=${NEW}
After=systemd-remount-fs.service
Before=sysinit.target

[Service]
Type=oneshot
ExecStart=perl ${words.map(execWord).join(" ")}
ExecStart=systemctl reboot --force
`;

/**
 * What is in `NEW` is the root directory, and what was there is in `OLD`. `moved` are absolute paths of directories that the new
 * system gets from the old one. Called again after an interruption, it goes on with what is left.
 */
export async function exchangeRoots(target: PosixTarget, moved: readonly string[]): Promise<void> {
  const words = [PROGRAM, await callOn(target), NEW, OLD, JOURNAL, KEPT.join(","), ...moved];
  if (!(await isExchanging(target))) {
    await target.writeFile(PROGRAM, EXCHANGE, { mode: 0o700 });
    for (const root of ["", NEW]) {
      await target.ensureContent(root + UNIT, unit(words));
      await target.makeDirectory(parentOf(root + WANTED));
      await target.symlink(root + WANTED, `../${UNIT.split("/").at(-1)}`);
    }
  }
  const { exit, stderr } = await target.run(["perl", ...words], { mayFail: true, cwd: "/" });
  if (exit !== 0)
    throw new FailedChange(
      `the new system could not be put in place: ${stderr.trim() || `exit code ${exit}`}. DO NOT REBOOT ${target.host.name}: parts of ${NEW} are at their places already. Deploy again, which goes on from here`,
    );
  await target.forget();
  const settled = await target.run(["sh", "-s"], { input: SETTLE, mayFail: true, cwd: "/" });
  if (settled.exit !== 0)
    throw new FailedChange(
      `the new system is in place, but what runs could not be changed over to it: ${settled.stderr.trim() || `exit code ${settled.exit}`}. Correct that, and deploy again before ${target.host.name} is rebooted`,
    );
  for (const each of [WANTED, UNIT, PROGRAM, JOURNAL]) await target.remove(each);
}
