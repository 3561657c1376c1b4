#!/usr/bin/perl
# tsnix's sandbox helper: one process that makes every system call itself, so that after the change of root nothing of
# the host is needed any more. Needs perl-base only (no modules). src/build/sandbox/perl.ts writes the plans that this
# program reads on standard input, one after the other, and describes them; layout.ts says what the sandbox holds.
#
#   node ── server (S) ── helper (H), one a build ── builder (P, pid 1 of its own namespace)
#
# S is there to be forked: it is small, and has been compiled. H makes the namespaces, relays the builder's terminal to
# standard output and reports on descriptor 3:
#   "begun\n"            the plan has come (says S)
#   "ready\n"            the builder's program is about to start
#   "setup MESSAGE\n"    the sandbox could not be made
#   "exec ERRNO-TEXT\n"  the builder's program could not be started
#   "exit N\n" | "signal N\n"
#   "end BYTES\n"        all is over, and so much was relayed; the next plan may come
# TERM makes H kill P and wait until the whole tree is gone, after which S ends too. S also ends after a helper that came to
# no "end". If node dies S is killed, if S dies H is killed, if H dies P is killed.
#
# Ids. ns0 is the first user namespace: as an ordinary user it maps 0 to the caller (or to the caller and a range of
# subordinate ids); as root it maps every id to itself, so that directories of any owner can be reached while the
# sandbox is put together. The builder never runs in it: ns1, made last, maps 1000 (or 0..65535, mode vm) to ids that
# own nothing of the host, and locks the read-only flags of all mounts.
use strict;

my $arm = machine() =~ /^aarch64/;
my %SYSCALL = $arm
  ? (unshare => 97, mount => 40, umount2 => 39, pivot_root => 41, prctl => 167, sethostname => 161, setdomainname => 162,
     prlimit => 261, mknodat => 33, capset => 91, statfs => 43, setgroups => 159, setresgid => 149, setresuid => 147, personality => 92)
  : (unshare => 272, mount => 165, umount2 => 166, pivot_root => 155, prctl => 157, sethostname => 170, setdomainname => 171,
     prlimit => 302, mknodat => 259, capset => 126, statfs => 137, setgroups => 116, setresgid => 119, setresuid => 117, personality => 135);
# The same numbers everywhere.
@SYSCALL{qw(open_tree move_mount mount_setattr landlock_create landlock_add landlock_restrict close_range)} = (428, 429, 442, 444, 445, 446, 436);

my %NAMESPACE = (mount => 0x20000, uts => 0x04000000, ipc => 0x08000000, user => 0x10000000, pid => 0x20000000, net => 0x40000000);
# Plain subs and errno by number: the modules constant, warnings and Errno would double the time to start.
sub MS_RDONLY() { 1 } sub MS_NOSUID() { 2 } sub MS_NODEV() { 4 } sub MS_NOEXEC() { 8 } sub MS_REMOUNT() { 32 }
sub MS_NOATIME() { 1024 } sub MS_NODIRATIME() { 2048 } sub MS_BIND() { 4096 } sub MS_REC() { 16384 }
sub MS_PRIVATE() { 1 << 18 } sub MS_RELATIME() { 1 << 21 } sub PR_SET_PDEATHSIG() { 1 } sub PR_SET_DUMPABLE() { 4 }
sub PR_SET_SECCOMP() { 22 } sub PR_CAPBSET_DROP() { 24 } sub PR_SET_CHILD_SUBREAPER() { 36 }
sub PR_SET_NO_NEW_PRIVS() { 38 } sub PR_CAP_AMBIENT() { 47 } sub SIGKILL() { 9 } sub AT_FDCWD() { -100 }
sub AT_RECURSIVE() { 0x8000 } sub ENOENT() { 2 } sub EINTR() { 4 } sub EAGAIN() { 11 } sub EEXIST() { 17 }

sub machine { open my $h, '<', '/proc/sys/kernel/arch' or return `/bin/uname -m`; return scalar <$h> }

# ---- plan -----------------------------------------------------------------------------------------------------------
my (%plan, @steps, @args, @env, @reclaim, @made);
open my $status, '>&=', 3 or die "no descriptor 3: $!\n";
fcntl $status, 2, 1;    # F_SETFD, FD_CLOEXEC
sub fail { my ($kind, $text) = @_; $text =~ s/\s+\z//; $text =~ tr/\n/ /; syswrite $status, "$kind $text\n"; exit 1 }
sub setup { my $body = shift; return if eval { $body->(); 1 }; fail('setup', $@) }

# Every plan comes after its length, 4 bytes. Unbuffered: what follows is the next process's.
sub read_bytes {
  my ($count) = @_;
  my $bytes = '';
  while (length $bytes < $count) {
    my $n = sysread STDIN, $bytes, $count - length $bytes, length $bytes;
    last if defined $n ? !$n : $! != EINTR;
  }
  return $bytes;
}

sub read_plan {
  my @t = split /\0/, read_bytes($_[0]), -1;
  die "bad plan\n" unless @t && shift(@t) eq 'tsnix-sandbox-1';
  my $end = 0;
  while (@t) {
    my $verb = shift @t;
    if ($verb eq 'end') { $end = 1; last }
    my $count = shift @t;
    my @a = splice @t, 0, $count;
    if ($verb eq 'step') { push @steps, \@a }
    elsif ($verb eq 'args') { @args = @a }
    elsif ($verb eq 'env') { @env = @a }
    elsif ($verb eq 'reclaim') { @reclaim = @a }
    else { $plan{$verb} = \@a }
  }
  die "the plan is cut short\n" unless $end;    # node died while writing it
}

# ---- system calls ---------------------------------------------------------------------------------------------------
sub try_sys {
  my $name = shift;
  my @a = map { my $x = $_; $x } @_;    # copies: syscall() tells numbers from strings by how they were last used
  push @a, 0 while @a < 5;
  return syscall($SYSCALL{$name}, @a);
}
sub sys { my $name = shift; my $r = try_sys($name, @_); die "$name: $!\n" if $r < 0; return $r }
sub mnt {
  my ($source, $target, $type, $flags, $data) = @_;
  my $r = try_sys('mount', "$source\0", "$target\0", defined $type ? "$type\0" : 0, $flags, defined $data ? "$data\0" : 0);
  die +(defined $type ? "mounting $type" : $flags & MS_BIND ? "binding $source" : "mounting") . " on $target: $!\n" if $r < 0;
}
sub put {
  my ($file, $text, $mode) = @_;
  open my $h, '>', $file or die "$file: $!\n";
  print $h $text;
  close $h or die "$file: $!\n";
  chmod $mode, $file if defined $mode;
  push @made, $file if defined $mode;
}
sub make_directories {
  my ($path) = @_;
  return if -d $path;
  my $parent = $path =~ s{/[^/]*\z}{}r;
  make_directories($parent) if $parent ne '';
  mkdir $path or $! == EEXIST or die "$path: $!\n";
  push @made, $path;
}
sub make_parent { make_directories($_[0] =~ s{/[^/]*\z}{}r) }
# One system call each where the parent is there, as it is for inputs, of which there may be thousands.
sub make_mount_point {
  my ($target, $is_directory) = @_;
  for my $last (0, 1) {
    my ($at, $path, $mode, $device) = (AT_FDCWD, "$target\0", 0100644, 0);
    if ($is_directory ? mkdir $target : syscall($SYSCALL{mknodat}, $at, $path, $mode, $device) == 0) {
      push @made, $target if $is_directory;
      return;
    }
    return if $! == EEXIST;
    die "$target: $!\n" if $last || $! != ENOENT;
    make_parent($target);
  }
}

# Read-only, with all that is mounted below. mount_setattr (Linux 5.12) only adds flags; before it a remount has to repeat
# those that are locked because a more privileged namespace set them.
sub make_read_only {
  my ($target) = @_;
  my $attr = pack 'QQQQ', 1 | 2, 0, 0, 0;    # MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID
  my ($at, $path, $flags, $size) = (AT_FDCWD, "$target\0", AT_RECURSIVE, 32);
  return if syscall($SYSCALL{mount_setattr}, $at, $path, $flags, $attr, $size) == 0;
  my $buffer = "\0" x 256;
  my $p = "$target\0";
  die "statfs $target: $!\n" if syscall($SYSCALL{statfs}, $p, $buffer) < 0;
  my $have = unpack 'Q', substr $buffer, 80, 8;
  my $keep = $have & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME);
  $keep |= MS_RELATIME if $have & 4096;
  mnt('none', $target, undef, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | $keep);
}

# Starts a child that stays in the present user namespace; the returned function makes it run `body` (which may write
# our id maps: only a process outside may write a map of more than its own id) and passes its failure on.
sub outside {
  my ($body) = @_;
  pipe my $go_r, my $go_w or die "pipe: $!\n";
  pipe my $done_r, my $done_w or die "pipe: $!\n";
  my $pid = fork // die "fork: $!\n";
  if (!$pid) {
    close $go_w; close $done_r;
    exit 0 unless defined(my $line = <$go_r>);    # end of file: the other side died
    eval { $body->(); 1 } and exit 0;
    syswrite $done_w, $@;
    exit 1;
  }
  close $go_r; close $done_w;
  return sub {
    syswrite $go_w, "go\n";
    close $go_w;
    my $message = join '', <$done_r>;
    waitpid $pid, 0;
    die $message ne '' ? $message : "could not write the id maps\n" if $?;
  };
}

# "first id, first id, count" for every id that this namespace itself has.
sub identity_map {
  my ($file) = @_;
  open my $h, '<', $file or die "$file: $!\n";
  my $map = '';
  while (defined(my $line = <$h>)) { my ($inside, undef, $count) = $line =~ /(\d+)/g; $map .= "$inside $inside $count\n" }
  return $map;
}
sub map_one {
  my ($uid, $gid, $outer_uid, $outer_gid) = @_;
  put('/proc/self/setgroups', 'deny') if -e '/proc/self/setgroups';
  put('/proc/self/uid_map', "$uid $outer_uid 1");
  put('/proc/self/gid_map', "$gid $outer_gid 1");
}

# ---- terminal -------------------------------------------------------------------------------------------------------
# As in Nix the builder writes to a pseudo-terminal in raw mode, which belongs to the user it runs as: /dev/stderr can
# be opened again. A pipe serves where there are no pseudo-terminals.
sub open_terminal {
  my ($owner) = @_;
  my ($reader, $writer);
  if ($plan{terminal}[0] && sysopen $reader, '/dev/ptmx', 2 | 0400) {    # O_RDWR | O_NOCTTY
    my ($unlock, $number) = (pack('i', 0), pack('i', 0));
    if (ioctl($reader, 0x40045431, $unlock) && ioctl($reader, 0x80045430, $number)) {    # TIOCSPTLCK, TIOCGPTN
      my $name = '/dev/pts/' . unpack 'i', $number;
      if (sysopen $writer, $name, 2 | 0400) {
        my $termios = "\0" x 60;
        if (ioctl $writer, 0x5401, $termios) {    # TCGETS
          my ($in, $out, $control, $local) = unpack 'L4', $termios;
          $in &= ~02753;        # IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
          $out &= ~01;          # OPOST
          $local &= ~0100113;   # ECHO ECHONL ICANON ISIG IEXTEN
          $control = $control & ~0460 | 060;    # CSIZE PARENB, CS8
          substr $termios, 0, 16, pack 'L4', $in, $out, $control, $local;
          ioctl $writer, 0x5402, $termios;
          chown $owner->[0], $owner->[1], $writer if $owner;
          chmod 0600, $writer;
          return ($reader, $writer);
        }
      }
    }
  }
  pipe $reader, $writer or die "pipe: $!\n";
  chown $owner->[0], $owner->[1], $writer if $owner;
  return ($reader, $writer);
}

# ---- S --------------------------------------------------------------------------------------------------------------
# Returns in each helper, with the length of its plan.
sub serve {
  my ($parent) = @_;
  my ($server, $helper, $stopped) = ($$, 0, 0);
  sys('prctl', PR_SET_PDEATHSIG, SIGKILL);
  exit 1 if getppid() != $parent;    # node died before the line above
  # Again each second: the helper may not have been listening yet.
  $SIG{TERM} = $SIG{ALRM} = sub { exit 1 unless $helper; $stopped = 1; kill 'TERM', $helper; alarm 1 };
  while (1) {
    my $length = read_bytes(4);
    exit 0 if length $length < 4;
    syswrite $status, "begun\n";
    my $pid = fork // fail('setup', "fork: $!");
    if (!$pid) {
      $SIG{TERM} = $SIG{ALRM} = 'DEFAULT';
      sys('prctl', PR_SET_PDEATHSIG, SIGKILL);
      exit 1 if getppid() != $server;
      return unpack 'N', $length;
    }
    $helper = $pid;
    1 while waitpid($pid, 0) != $pid && $! == EINTR;
    exit 1 if $? || $stopped;
    $helper = 0;
  }
}

# ---- H --------------------------------------------------------------------------------------------------------------
my ($pid, $stopped, $alive);
my $relayed = 0;
setup(sub {
  read_plan(serve(@ARGV));
  soft_limit(4, 0);    # RLIMIT_CORE
  # The evaluator's own stack is far deeper than what its caller gave us: builders get that.
  soft_limit(3, $plan{'stack'}[0] * 1024) if exists $plan{'stack'};    # RLIMIT_STACK
  umask 022;
});

sub soft_limit {
  my ($resource, $value) = @_;
  my $old = pack 'QQ', 0, 0;
  my ($zero, $which, $none) = (0, $resource, 0);
  syscall $SYSCALL{prlimit}, $zero, $which, $none, $old;
  my $new = pack 'QQ', $value, (unpack 'QQ', $old)[1];
  sys('prlimit', 0, $resource, $new, 0);
}

my ($reader, $writer);
my $namespaces = exists $plan{namespaces};
my $vm = exists $plan{vm};
my ($caller_uid, $caller_gid) = ($>, $) + 0);
setup(sub {
  ($reader, $writer) = open_terminal($plan{'host-user'});
  sys('prctl', PR_SET_CHILD_SUBREAPER, 1) unless $namespaces;
  if ($namespaces) {
    my $how = $plan{'id-map'}[0];
    my $self = $$;
    my $write_maps;
    if ($how eq 'all') {
      my ($uids, $gids) = map { identity_map("/proc/self/$_") } qw(uid_map gid_map);
      $write_maps = outside(sub { put("/proc/$self/uid_map", $uids); put("/proc/$self/gid_map", $gids) });
    } elsif ($how eq 'range') {
      my (undef, $newuidmap, $newgidmap, $uid, $gid, $first_uid, $first_gid, $count) = @{$plan{'id-map'}};
      $write_maps = outside(sub {
        system($newuidmap, $self, 0, $uid, 1, 1, $first_uid, $count) == 0 or die "newuidmap failed\n";
        system($newgidmap, $self, 0, $gid, 1, 1, $first_gid, $count) == 0 or die "newgidmap failed\n";
      });
    }
    sys('unshare', $NAMESPACE{user} | $NAMESPACE{pid});
    $write_maps ? $write_maps->() : map_one(0, 0, $caller_uid, $caller_gid);
  }
  pipe $alive, my $living or die "pipe: $!\n";
  $pid = fork // die "fork: $!\n";
  if ($pid) { close $alive; $alive = $living } else { close $living }
});

if ($pid) {
  close $writer;
  $SIG{TERM} = sub { $stopped = 1; kill 9, $pid };
  $SIG{INT} = $SIG{HUP} = 'IGNORE';
  $namespaces ? relay() : relay_until_exit();
  # As Nix does: with the log ends the build, even where a builder has only closed it. One that is ending, ends as it
  # was. Not so in a VM, whose console stays open whatever runs in it.
  kill 9, $pid unless $vm;
  1 while waitpid($pid, 0) != $pid && $! == EINTR;
  report($?);
}

# One read from the terminal, passed on. False at the end: the last user of the terminal is gone (EIO, or 0 bytes).
sub pass_on {
  my $n = sysread $reader, my $buffer, 65536;
  return $! == EINTR || $! == EAGAIN if !defined $n;
  my $at = 0;
  while ($at < $n && !$stopped) { $at += syswrite(STDOUT, $buffer, $n - $at, $at) // ($! == EINTR ? 0 : last) }
  $relayed += $at;
  return $n;
}
sub relay { 1 while pass_on() }

# Without a pid namespace a grandchild may keep the terminal open for ever: the builder's own end counts.
sub relay_until_exit {
  pipe my $exited, my $notify or die;
  local $SIG{CHLD} = sub { syswrite $notify, '.' };
  my $open = 1;
  syswrite $notify, '.';    # it may have ended before the handler was there
  while (1) {
    my $bits = '';
    vec($bits, fileno $exited, 1) = 1;
    vec($bits, fileno $reader, 1) = 1 if $open;
    next if select($bits, undef, undef, undef) < 0;
    if (vec $bits, fileno $exited, 1) {
      sysread $exited, my $dots, 100;
      last if waitpid($pid, 1) == $pid;
    }
    next unless vec $bits, fileno $reader, 1;
    kill 9, $pid unless $open &&= pass_on();
  }
  my $result = $?;
  local $SIG{CHLD} = 'DEFAULT';
  kill_orphans();
  relay() if $open;
  report($result);
}

sub report {
  my ($result) = @_;
  eval { reclaim($_) for @reclaim };
  syswrite $status, ($result & 127 ? 'signal ' . ($result & 127) : 'exit ' . ($result >> 8)) . "\nend $relayed\n";
  exit 0;
}

# Everything that the builder left behind is a child of ours by now (we are the subreaper) or a descendant of one.
sub kill_orphans {
  my %parent;
  for my $round (1 .. 100) {
    # The usual case, without a look at every process of the machine: no child, so no descendant either.
    1 while waitpid(-1, 1) > 0;
    last if waitpid(-1, 1) < 0;
    opendir my $d, '/proc' or last;
    %parent = ();
    for my $p (grep { /^\d+$/ } readdir $d) {
      open my $h, '<', "/proc/$p/stat" or next;
      my $line = <$h>;
      $parent{$p} = $1 if defined $line && $line =~ /^\d+ \(.*\) \S (\d+)/s;
    }
    my @mine = grep { my $q = $_; $q = $parent{$q} while defined $q && $q != $$ && $q > 1; defined $q && $q == $$ && $_ != $$ } keys %parent;
    last unless @mine;
    kill 9, @mine;
    1 while waitpid(-1, 1) > 0;
    select undef, undef, undef, 0.005;
  }
}

# Gives what the builder made under foreign ids back to the caller (mode vm): only a process with those ids mapped can.
sub reclaim {
  my ($path) = @_;
  my @st = lstat $path or return;
  # The builder's root: what the build's outputs have to belong to.
  my ($uid, $gid) = map { $_ + 0 } @{$plan{vm}};
  if (-l _) {
    my $p = "$path\0"; my ($at, $flags) = (AT_FDCWD, 0x100);
    syscall $arm ? 54 : 260, $at, $p, $uid, $gid, $flags;    # fchownat, AT_SYMLINK_NOFOLLOW
    return;
  }
  chown $uid, $gid, $path if $st[4] != $uid || $st[5] != $gid;
  if (-d _) {
    chmod 0700 | $st[2] & 0777, $path;
    opendir my $d, $path or return;
    reclaim("$path/$_") for grep { $_ ne '.' && $_ ne '..' } readdir $d;
  } else { chmod $st[2] & 07777, $path if $st[2] & 06000 }
}

# ---- P --------------------------------------------------------------------------------------------------------------
sub die_with_helper {
  sys('prctl', PR_SET_PDEATHSIG, SIGKILL);
  my $bits = '';
  vec($bits, fileno $alive, 1) = 1;
  exit 1 if select($bits, undef, undef, 0) > 0;    # end of file: H died before the line above
}

setup(sub {
  close $reader;
  die_with_helper();
  # New session: no controlling terminal, a process group of its own.
  syscall $arm ? 157 : 112;
  if ($namespaces) { assemble(); change_root() }
  chdir $plan{cwd}[0] or die "changing into $plan{cwd}[0]: $!\n";
  sys('personality', $plan{personality}[0] + 0) if exists $plan{personality};
});
setup(sub { $namespaces ? become_builder() : become_user() });

# Descriptors: standard input /dev/null, output and error the terminal, no others.
open STDIN, '<', '/dev/null' or fail('setup', "/dev/null: $!");
open STDOUT, '>&', $writer or fail('setup', "terminal: $!");
open STDERR, '>&', $writer or fail('setup', "terminal: $!");
close $writer;
close $alive;
setup(sub { load_filter($plan{seccomp}[0]) }) if exists $plan{seccomp};
{ my ($first, $last, $flags) = (4, 0xffffffff, 0); syscall $SYSCALL{close_range}, $first, $last, $flags }    # 3 closes itself
%ENV = ();
while (@env) { my ($name, $value) = splice @env, 0, 2; $ENV{$name} = $value }
syswrite $status, "ready\n";
exec { $plan{program}[0] } @args;
fail('exec', "$!");

sub assemble {
  my $flags = $NAMESPACE{mount} | $NAMESPACE{uts} | $NAMESPACE{ipc};
  $flags |= $NAMESPACE{net} if exists $plan{'private-network'};
  sys('unshare', $flags);
  my ($host, $domain) = ('localhost', '(none)');
  sys('sethostname', $host, length $host);
  sys('setdomainname', $domain, length $domain);
  if (exists $plan{'private-network'}) {
    socket my $s, 2, 2, 0 or die "socket: $!\n";
    my $ifreq = pack 'a16 s x22', 'lo', 0x49;    # IFF_UP | IFF_LOOPBACK | IFF_RUNNING
    ioctl $s, 0x8914, $ifreq or die "bringing up the loopback interface: $!\n";
    close $s;
  }
  mnt('none', '/', undef, MS_REC | MS_PRIVATE);
  my $root = $plan{root}[0];
  # As Nix: only the builder's group may look around.
  my $group = $plan{'host-user'} ? $plan{'host-user'}[1] : 0;
  mnt('none', $root, 'tmpfs', MS_NOSUID | MS_NODEV, $vm ? 'mode=755' : "mode=750,gid=$group");
  put_steps($root);
}

# What is made belongs to whoever runs this, and in mode vm to the builder's root.
sub put_steps {
  my ($root) = @_;
  for my $step (@steps) {
    my ($op, $path, @rest) = @$step;
    my $target = "$root$path";
    if ($op eq 'directory') {
      make_directories($target);
      chmod oct $rest[0], $target;
    } elsif ($op eq 'file') {
      make_parent($target);
      put($target, $rest[1], oct $rest[0]);
    } elsif ($op eq 'symlink') {
      make_parent($target);
      symlink $rest[0], $target or die "$target: $!\n";
    } elsif ($op eq 'bind') {
      my ($source, $access) = @rest;
      if (!lstat $source) { die "getting attributes of path '$source': $!\n" }
      # A symlink can't be mounted: it is copied, as Nix does.
      if (-l _) { make_parent($target); symlink readlink $source, $target or die "$target: $!\n"; next }
      make_mount_point($target, -d _);
      mnt($source, $target, undef, MS_BIND | MS_REC);
      make_read_only($target) if $access eq 'ro';
    } elsif ($op eq 'tmpfs') {
      make_directories($target);
      mnt('none', $target, 'tmpfs', MS_NOSUID | MS_NODEV, $rest[0]);
    } elsif ($op eq 'proc') {
      make_directories($target);
      # A container may hide parts of /proc; then a fresh one is refused, and the old one must do. $rest[0] says
      # whether that is allowed: it shows foreign processes, whose insides only Landlock keeps shut.
      eval { mnt('none', $target, 'proc', MS_NOSUID | MS_NODEV | MS_NOEXEC); 1 } or do {
        my $error = $@;
        die $error unless $rest[0] eq 'bind-allowed' && landlock_version() >= 2;
        mnt('/proc', $target, undef, MS_BIND | MS_REC);
      };
    } elsif ($op eq 'devpts') {
      make_directories($target);
      mnt('devpts', $target, 'devpts', MS_NOSUID | MS_NOEXEC, 'newinstance,ptmxmode=0666,mode=0620');
    } else { die "unknown step '$op'\n" }
  }
  return unless $vm && $plan{vm}[2];
  chown $plan{vm}[0], $plan{vm}[1], $root, @made;
}

sub change_root {
  my $root = $plan{root}[0];
  mkdir "$root/.old-root" or die "$root/.old-root: $!\n";
  chdir $root or die "$root: $!\n";
  my ($new, $old) = (".\0", ".old-root\0");
  sys('pivot_root', $new, $old);
  chdir '/' or die "/: $!\n";
  my $path = "/.old-root\0";
  sys('umount2', $path, 2);    # MNT_DETACH
  rmdir '/.old-root' or die "/.old-root: $!\n";
  return if $vm;
  my ($at, $slash, $flags, $attr, $size) = (AT_FDCWD, "/\0", 0, pack('QQQQ', 1, 0, 0, 0), 32);
  syscall($SYSCALL{mount_setattr}, $at, $slash, $flags, $attr, $size) == 0
    or mnt('none', '/', undef, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV);
}

# From ns0's root to the user that the builder runs as.
sub become_builder {
  if ($vm) {
    my ($first, $first_gid, $count) = @{$plan{vm}};
    # "0 FIRST COUNT", or the very ids of ns0 (which may come in several pieces).
    my ($uids, $gids) = map { identity_map("/proc/self/$_") } qw(uid_map gid_map);
    ($uids, $gids) = ("0 $first $count\n", "0 $first_gid $count\n") if $count;
    my $map = outside(sub { put('/proc/1/uid_map', $uids); put('/proc/1/gid_map', $gids) });
    # A mount namespace of its own: its owner may mount, but what came from here keeps its read-only flags.
    sys('unshare', $NAMESPACE{user} | $NAMESPACE{mount});
    $map->();
    my $none = pack 'L', 0;
    try_sys('setgroups', 0, $none);    # refused, and needless, where only one id is mapped
    sys('setresgid', 0, 0, 0);
    sys('setresuid', 0, 0, 0);
    sys('prctl', PR_SET_DUMPABLE, 1);
    die_with_helper();
    return;
  }
  # One more user namespace may be made below ns0, the builder's own: it can't make any itself.
  eval { put('/proc/sys/user/max_user_namespaces', '1') };
  my ($uid, $gid) = (0, 0);
  if (my $user = $plan{'host-user'}) { ($uid, $gid) = @$user; drop_ids($uid, $gid) }
  sys('unshare', $NAMESPACE{user});
  map_one(@{$plan{'inner-user'}}, $uid, $gid);
  restrict();
}

# No namespaces: only, as root, another user.
sub become_user {
  if (my $user = $plan{'host-user'}) { drop_ids(@$user) }
  sys('prctl', PR_SET_NO_NEW_PRIVS, 1);
  die_with_helper();
}

sub drop_ids {
  my ($uid, $gid) = map { $_ + 0 } @_;
  my $none = pack 'L', 0;
  sys('setgroups', 0, $none);
  sys('setresgid', $gid, $gid, $gid);
  sys('setresuid', $uid, $uid, $uid);
  sys('prctl', PR_SET_DUMPABLE, 1);    # else /proc/self belongs to root and the id maps can't be written
}

sub restrict {
  for my $capability (0 .. 63) { last if try_sys('prctl', PR_CAPBSET_DROP, $capability) < 0 }
  sys('prctl', PR_SET_NO_NEW_PRIVS, 1);
  sys('prctl', PR_CAP_AMBIENT, 4);    # PR_CAP_AMBIENT_CLEAR_ALL
  my ($header, $sets) = (pack('LL', 0x20080522, 0), pack('L6', (0) x 6));
  sys('capset', $header, $sets);
  landlock();
  die_with_helper();    # credentials have changed, which clears it
}

sub landlock_version {
  my ($none, $size, $flags) = (0, 0, 1);
  my $version = syscall $SYSCALL{landlock_create}, $none, $size, $flags;
  return $version < 0 ? 0 : $version;
}
# A Landlock domain keeps the builder from looking into processes outside of it (through a /proc that shows them) and,
# from version 6 on, from abstract sockets of the host (fixed-output builds share its network).
sub landlock {
  my $version = landlock_version();
  return if $version < 2;
  my $scoped = $version >= 6;
  my $attr = $scoped ? pack('QQQ', 0, 0, 1) : pack('Q', 1 << 13);    # handled: LANDLOCK_ACCESS_FS_REFER
  my ($size, $flags) = (length $attr, 0);
  my $ruleset = syscall $SYSCALL{landlock_create}, $attr, $size, $flags;
  return if $ruleset < 0;
  if (!$scoped) {    # moving and linking between directories is refused by every ruleset that does not allow it
    sysopen my $slash, '/', 0 or die "/: $!\n";
    my $rule = pack 'Ql', 1 << 13, fileno $slash;
    my $type = 1;    # LANDLOCK_RULE_PATH_BENEATH
    die "landlock_add_rule: $!\n" if syscall($SYSCALL{landlock_add}, $ruleset, $type, $rule, $flags) < 0;
    close $slash;
  }
  die "landlock_restrict_self: $!\n" if syscall($SYSCALL{landlock_restrict}, $ruleset, $flags) < 0;
  open my $close, '<&=', $ruleset;
}

sub load_filter {
  my $filter = pack 'H*', $_[0];
  my $program = pack 'S x6 Q', length($filter) / 8, unpack 'Q', pack 'P', $filter;
  sys('prctl', PR_SET_SECCOMP, 2, $program);
}
