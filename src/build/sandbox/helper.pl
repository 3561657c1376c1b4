#!/usr/bin/perl
# tsnix's sandbox helper: one process that makes every system call itself, so that after the change of root nothing of
# the host is needed any more. Needs perl-base only (no modules). src/build/sandbox/perl.ts writes the plans that this
# program reads on standard input, one after the other, and describes them; layout.ts says what the sandbox holds.
#
#   node ── server (S) ── builder (P, pid 1 of its own namespaces), one a build
#
# S is there to be forked: it is small, and has been compiled. It relays the builder's terminal to standard output and
# reports on descriptor 3 (P tells what happens before the builder runs):
#   "begun\n"            the plan has come
#   "ready\n"            the builder's program is about to start
#   "setup MESSAGE\n"    the sandbox could not be made
#   "exec ERRNO-TEXT\n"  the builder's program could not be started
#   "exit N\n" | "signal N\n"
#   "end BYTES\n"        all is over, and so much was relayed; the next plan may come
# TERM makes S kill P and end once the whole tree is gone. S also ends after a P that failed before it had read its plan. If
# node dies S is killed, if S dies P is killed.
#
# A plan has two parts. The frame says what many builds have in common: ids, namespaces, /dev, /etc, /proc. S reads it,
# makes P, and P puts the frame together; the rest P reads itself. Where node says that more builds are to come, S makes
# the next P from the same frame ahead of its plan, while node registers the last one's outputs.
#
# Ids. ns0 is the first user namespace: as an ordinary user it maps 0 to the caller (or to the caller and a range of
# subordinate ids); as root it maps every id to itself, so that directories of any owner can be reached while the
# sandbox is put together. The builder never runs in it: ns1, made last, maps 1000 (or 0..65535, mode vm) to ids that
# own nothing of the host, and locks the read-only flags of all mounts.
use strict;

BEGIN { my $dir = $0 =~ s{[^/]*\z}{}r; require "$dir$_" for qw(helper-calls.pl helper-builder.pl) }

# ---- plan -----------------------------------------------------------------------------------------------------------
our (%SYSCALL, %NAMESPACE, $arm);    # helper-calls.pl
our %plan;                           # of the build that is going on, or is being got ready
open my $status, '>&=', 3 or die "no descriptor 3: $!\n";
fcntl $status, 2, 1;    # F_SETFD, FD_CLOEXEC
sub report { syswrite $status, $_[0] }
sub fail { my ($kind, $text) = @_; $text =~ s/\s+\z//; $text =~ tr/\n/ /; report("$kind $text\n"); exit 1 }
sub setup { my $body = shift; return if eval { $body->(); 1 }; fail('setup', $@) }

# Unbuffered: what follows is another process's.
sub read_bytes {
  my ($count) = @_;
  my $bytes = '';
  while (length $bytes < $count) {
    my $n = sysread STDIN, $bytes, $count - length $bytes, length $bytes;
    last if defined $n ? !$n : $! != EINTR;
  }
  return $bytes;
}
# Each part of a plan comes after its length, 4 bytes.
sub read_part {
  my $length = read_bytes(4);
  return length $length < 4 ? undef : read_bytes(unpack 'N', $length);
}

sub understand {
  my @words = split /\0/, $_[0] // '', -1;
  while (@words) {
    my ($verb, $count) = splice @words, 0, 2;
    return if $verb eq 'end';
    my @values = splice @words, 0, $count;
    if ($verb eq 'step' || $verb eq 'scratch') { push @{$plan{$verb}}, \@values }
    else { $plan{$verb} = \@values }
  }
  die "the plan is cut short\n";    # node died while writing it
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
my ($build, $ready, $stopped);    # what runs, what is ready to run: { pid, reader, socket, frame }
my ($caller_uid, $caller_gid) = ($>, $) + 0);

setup(sub {
  sys('prctl', PR_SET_PDEATHSIG, SIGKILL);
  exit 1 if getppid() != $ARGV[0];    # node died before the line above
  $SIG{TERM} = sub { exit 1 unless $build; $stopped = 1; kill 9, $build->{pid} };
  $SIG{PIPE} = sub { };    # P's end says why it is gone; unlike 'IGNORE' this does not outlive exec
});
while (defined(my $frame = next_frame())) {
  my $more = read_bytes(1) eq 'm';
  discard() if $ready && ($ready->{frame} ne $frame || waitpid($ready->{pid}, 1) == $ready->{pid});
  setup(sub { $build = $ready // prepare($frame) });
  undef $ready;
  syswrite $build->{socket}, 'g';
  run_to_end();
  exit 1 if $stopped;
  # Failing is told when the plan comes: then it is tried again.
  eval { $ready = prepare($frame) } if $more;
}
discard() if $ready;
exit 0;

# What is ready holds on to all that is mounted on this machine: not for long.
sub next_frame {
  if ($ready) {
    my $bits = '';
    vec($bits, fileno STDIN, 1) = 1;
    discard() unless select($bits, undef, undef, 1);
  }
  return read_part();
}

sub discard { kill 9, $ready->{pid}; reap($ready->{pid}); undef $ready }
sub reap { 1 while waitpid($_[0], 0) != $_[0] && $! == EINTR; return $? }

# Makes P, which waits for the rest of its plan.
sub prepare {
  my ($frame) = @_;
  %plan = ();
  understand($frame);
  my ($reader, $writer) = open_terminal($plan{'host-user'});
  my $flags = 0;
  if (exists $plan{namespaces}) {
    $flags = $NAMESPACE{user} | $NAMESPACE{pid} | $NAMESPACE{mount} | $NAMESPACE{uts} | $NAMESPACE{ipc};
    $flags |= $NAMESPACE{net} if exists $plan{'private-network'};
  } else { sys('prctl', PR_SET_CHILD_SUBREAPER, 1) }
  my ($pid, $socket) = spawn($flags, sub { close $reader; builder($_[0], $writer) });
  return { pid => $pid, reader => $reader, socket => $socket, frame => $frame };
}

# A child, in new namespaces; in a user namespace it waits for a byte until its ids are mapped. It dies with us.
sub spawn {
  my ($flags, $body) = @_;
  socketpair my $ours, my $theirs, 1, 1, 0 or die "socketpair: $!\n";    # AF_UNIX, SOCK_STREAM
  my ($all, $zero) = ($flags | SIGCHLD, 0);
  # clone(2), because a fork after unshare(2) would leave S itself in the namespaces.
  my $pid = $flags ? syscall($SYSCALL{clone}, $all, $zero, $zero, $zero, $zero) : fork // -1;
  die "clone: $!\n" if $pid < 0;
  if (!$pid) {
    $SIG{TERM} = $SIG{PIPE} = 'DEFAULT';
    close $ours;
    setup(sub { sys('prctl', PR_SET_PDEATHSIG, SIGKILL) });
    exit 1 if $flags && !sysread $theirs, my $mapped, 1;
    $body->($theirs);
    exit 0;
  }
  close $theirs;
  if ($flags) {
    eval { write_maps($pid); 1 } or do { my $error = $@; kill 9, $pid; reap($pid); die $error };
    syswrite $ours, 'm';
  }
  return ($pid, $ours);
}

# ns0's. Only a process outside may write a map of more than its own id.
sub write_maps {
  my ($pid) = @_;
  my ($how, $newuidmap, $newgidmap, $first_uid, $first_gid, $count) = @{$plan{'id-map'}};
  if ($how eq 'all') {
    put("/proc/$pid/$_", identity_map("/proc/self/$_")) for qw(uid_map gid_map);
  } elsif ($how eq 'range') {
    system($newuidmap, $pid, 0, $caller_uid, 1, 1, $first_uid, $count) == 0 or die "newuidmap failed\n";
    system($newgidmap, $pid, 0, $caller_gid, 1, 1, $first_gid, $count) == 0 or die "newgidmap failed\n";
  } else { map_one($pid, 0, 0, $caller_uid, $caller_gid) }
}

sub run_to_end {
  my ($pid, $reader) = @$build{qw(pid reader)};
  my $relayed = 0;
  # One read from the terminal, passed on. False at the end: the last user of the terminal is gone (EIO, or 0 bytes).
  my $pass_on = sub {
    my $n = sysread $reader, my $buffer, 65536;
    return $! == EINTR || $! == EAGAIN if !defined $n;
    my $at = 0;
    while ($at < $n && !$stopped) { $at += syswrite(STDOUT, $buffer, $n - $at, $at) // ($! == EINTR ? 0 : last) }
    $relayed += $at;
    return $n;
  };
  my $result;
  if (exists $plan{namespaces}) {
    1 while $pass_on->();
    # As Nix does: with the log ends the build, even where a builder has only closed it. One that is ending, ends as it
    # was. Not so in a VM, whose console stays open whatever runs in it.
    kill 9, $pid unless exists $plan{vm};
    $result = reap($pid);
  } else { $result = relay_until_exit($pid, $reader, $pass_on) }
  eval { give_back() };
  # Else somebody has killed it, and the rest of its plan lies in our standard input: node tries again.
  my $had_plan = sysread $build->{socket}, my $byte, 1;
  exit 1 unless $had_plan || $stopped;
  report(($result & 127 ? 'signal ' . ($result & 127) : 'exit ' . ($result >> 8)) . "\nend $relayed\n");
  undef $build;
}

# Without a pid namespace a grandchild may keep the terminal open for ever: the builder's own end counts.
sub relay_until_exit {
  my ($pid, $reader, $pass_on) = @_;
  pipe my $exited, my $notify or die;
  local $SIG{CHLD} = sub { syswrite $notify, '.' };
  my $open = 1;
  syswrite $notify, '.';    # it may have ended before the handler was there
  while (1) {
    my $bits = '';
    vec($bits, fileno $exited, 1) = 1;
    vec($bits, fileno $reader, 1) = 1 if $open;
    # Perl runs handlers between its own steps: what comes just before the call would not end it.
    next if select($bits, undef, undef, 0.2) <= 0;
    if (vec $bits, fileno $exited, 1) {
      sysread $exited, my $dots, 100;
      last if waitpid($pid, 1) == $pid;
    }
    next unless vec $bits, fileno $reader, 1;
    kill 9, $pid unless $open &&= $pass_on->();
  }
  my $result = $?;
  local $SIG{CHLD} = 'DEFAULT';
  kill_orphans();
  if ($open) { 1 while $pass_on->() }
  return $result;
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

# Mode vm: gives what the builder made under foreign ids back to the caller. Only a process that has those ids can.
sub give_back {
  my @paths = @{$plan{reclaim} // []} or return;
  my $all = sub { reclaim($_) for @paths };
  return $all->() unless $plan{'id-map'}[0] eq 'range';
  my ($pid) = spawn($NAMESPACE{user}, $all);
  reap($pid);
}
sub reclaim {
  my ($path) = @_;
  my @st = lstat $path or return;
  # The builder's root: what the build's outputs have to belong to.
  my ($uid, $gid) = $plan{'id-map'}[0] eq 'self' ? ($caller_uid, $caller_gid) : map { $_ + 0 } @{$plan{vm}};
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

