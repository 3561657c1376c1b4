# System calls by name, and the small steps that helper.pl and helper-builder.pl are made of.
use strict;

our $arm = machine() =~ /^aarch64/;
our %SYSCALL = $arm
  ? (unshare => 97, mount => 40, umount2 => 39, pivot_root => 41, prctl => 167, sethostname => 161, setdomainname => 162,
     clone => 220, prlimit => 261, mknodat => 33, capset => 91, statfs => 43, setgroups => 159, setresgid => 149, setresuid => 147, personality => 92)
  : (unshare => 272, mount => 165, umount2 => 166, pivot_root => 155, prctl => 157, sethostname => 170, setdomainname => 171,
     clone => 56, prlimit => 302, mknodat => 259, capset => 126, statfs => 137, setgroups => 116, setresgid => 119, setresuid => 117, personality => 135);
# The same numbers everywhere.
@SYSCALL{qw(mount_setattr landlock_create landlock_add landlock_restrict close_range)} = (442, 444, 445, 446, 436);

our @made;    # files and directories in the sandbox
our %NAMESPACE = (mount => 0x20000, uts => 0x04000000, ipc => 0x08000000, user => 0x10000000, pid => 0x20000000, net => 0x40000000);
# Plain subs and errno by number: the modules constant, warnings and Errno would double the time to start.
sub MS_RDONLY() { 1 } sub MS_NOSUID() { 2 } sub MS_NODEV() { 4 } sub MS_NOEXEC() { 8 } sub MS_REMOUNT() { 32 }
sub MS_NOATIME() { 1024 } sub MS_NODIRATIME() { 2048 } sub MS_BIND() { 4096 } sub MS_REC() { 16384 }
sub MS_PRIVATE() { 1 << 18 } sub SIGCHLD() { 17 } sub MS_RELATIME() { 1 << 21 } sub PR_SET_PDEATHSIG() { 1 } sub PR_SET_DUMPABLE() { 4 }
sub PR_SET_SECCOMP() { 22 } sub PR_CAPBSET_DROP() { 24 } sub PR_SET_CHILD_SUBREAPER() { 36 }
sub PR_SET_NO_NEW_PRIVS() { 38 } sub PR_CAP_AMBIENT() { 47 } sub SIGKILL() { 9 } sub AT_FDCWD() { -100 }
sub AT_RECURSIVE() { 0x8000 } sub ENOENT() { 2 } sub EINTR() { 4 } sub EAGAIN() { 11 } sub EEXIST() { 17 }

sub machine { open my $h, '<', '/proc/sys/kernel/arch' or return `/bin/uname -m`; return scalar <$h> }

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

sub READ_ONLY() { 1 } sub NOSUID() { 2 }    # MOUNT_ATTR_…
sub mount_attributes {
  my ($target, $flags, $set, $clear) = @_;
  my ($at, $path, $attributes, $size) = (AT_FDCWD, "$target\0", pack('QQQQ', $set, $clear, 0, 0), 32);
  my $how = $flags;
  return syscall($SYSCALL{mount_setattr}, $at, $path, $how, $attributes, $size) == 0;
}
# Read-only, with all that is mounted below. mount_setattr (Linux 5.12) only adds flags; before it a remount has to repeat
# those that are locked because a more privileged namespace set them.
sub make_read_only {
  my ($target) = @_;
  return if mount_attributes($target, AT_RECURSIVE, READ_ONLY | NOSUID, 0);
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
  my ($pid, $uid, $gid, $outer_uid, $outer_gid) = @_;
  put("/proc/$pid/setgroups", 'deny') if -e "/proc/$pid/setgroups";
  put("/proc/$pid/uid_map", "$uid $outer_uid 1");
  put("/proc/$pid/gid_map", "$gid $outer_gid 1");
}

1;
