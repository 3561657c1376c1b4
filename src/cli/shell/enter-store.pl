#!/usr/bin/perl
# Shows a store that lies elsewhere at its logical place and runs a program there: `enter-store.pl STOREDIR REALDIR ARGV0
# PROGRAM ARG…`. A mount namespace (as an ordinary user in a user namespace that maps the caller to itself) with the
# store directory bound; where the machine has no such directory, on a root of links and binds to everything that the
# machine's root has. The program keeps the caller's ids, directory, files and terminal. Needs perl-base only.
use strict;

my ($logical, $real, $argv0, $program, @args) = @ARGV;
my $arm = `/bin/uname -m` =~ /^aarch64/;
my ($UNSHARE, $MOUNT) = $arm ? (97, 40) : (272, 165);
my ($BIND, $REC, $PRIVATE) = (4096, 16384, 1 << 18);
my ($NEWNS, $NEWUSER) = (0x20000, 0x10000000);

sub fail { print STDERR "error: cannot show the store at '$logical': $_[0]\n"; exit 126 }
sub mnt {
  my ($source, $target, $type, $flags) = @_;
  my ($s, $t, $f, $none) = ("$source\0", "$target\0", $flags, 0);
  my $k = defined $type ? "$type\0" : 0;
  syscall($MOUNT, $s, $t, $k, $f, $none) == 0 or fail("mounting '$target': $!");
}
sub put { my ($file, $text) = @_; open my $h, '>', $file or fail("$file: $!"); syswrite $h, $text; close $h or fail("$file: $!") }
sub directories {
  my ($path) = @_;
  return if -d $path;
  directories($path =~ s{/[^/]*\z}{}r) if $path =~ m{/.*/};
  mkdir $path or -d $path or fail("$path: $!");
}

my ($uid, $gid) = ($>, $) + 0);
if ($uid != 0 || syscall($UNSHARE, $NEWNS) != 0) {
  my $flags = $NEWNS | $NEWUSER;
  syscall($UNSHARE, $flags) == 0 or fail("unshare: $! (are unprivileged user namespaces switched off?)");
  put('/proc/self/setgroups', 'deny');
  put('/proc/self/uid_map', "$uid $uid 1");
  put('/proc/self/gid_map', "$gid $gid 1");
}
mnt('none', '/', undef, $REC | $PRIVATE);

if (-d $logical) {
  mnt($real, $logical, undef, $BIND | $REC);
} else {
  my $cwd = readlink '/proc/self/cwd';
  opendir my $top, '/' or fail("/: $!");
  my @names = grep { !/^\.\.?\z/ } readdir $top;
  my ($first) = $logical =~ m{^/([^/]+)};
  # The new root is seen by this namespace only; the directory below it stays empty, and serves others too.
  my $place = "$ENV{TSNIX_ROOT_PLACE}";
  directories($place);
  mnt('none', $place, 'tmpfs', 0);
  for my $name (@names) {
    my ($from, $to) = ("/$name", "$place/$name");
    if (-l $from) { symlink readlink($from), $to or fail("$to: $!") }
    elsif (-d _) {
      mkdir $to or fail("$to: $!");
      if ($name eq $first) {
        # Part of the store directory is there already: its other entries are bound one by one.
        opendir my $in, $from or next;
        for my $entry (grep { !/^\.\.?\z/ } readdir $in) {
          next unless -d "$from/$entry" && !-l "$from/$entry";
          mkdir "$to/$entry";
          mnt("$from/$entry", "$to/$entry", undef, $BIND | $REC);
        }
      } else { mnt($from, $to, undef, $BIND | $REC) }
    } elsif (-e $from) { put($to, ''); mnt($from, $to, undef, $BIND) }
  }
  directories("$place$logical");
  mnt($real, "$place$logical", undef, $BIND | $REC);
  chroot $place or fail("chroot: $!");
  chdir $cwd or chdir '/';
}
delete $ENV{TSNIX_ROOT_PLACE};
exec { $program } $argv0, @args;
print STDERR "error: executing '$program': $!\n";
exit 127;
