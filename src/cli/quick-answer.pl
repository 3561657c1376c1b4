# Prints what a command printed before, if nothing that it depended on has changed. bin/tsnix runs this where an earlier
# run left such an answer (src/cli/cache/quick-entry.ts says what is in one); Node takes 30 ms to start, this takes 2. So it
# loads no modules, strict and warnings neither.
#
#   quick-answer.pl FILE NAME WORDS...
#
# Exit status: 0 answered; 141 nobody reads; 98 the answer could not be written; 3 (or any other) Node is to answer, and
# nothing was written.

my ($file, @words) = @ARGV;
sub give_up { exit 3 }

# Nobody else may have written it, or be able to.
my ($folder) = $file =~ m{\A(/.*)/[^/]*\z}s or give_up;
my @stat;
for ([$folder, 0040000], [$file, 0100000]) {
  my ($path, $type) = @$_;
  @stat = lstat $path or give_up;
  give_up unless ($stat[2] & 0170000) == $type && $stat[4] == $> && !($stat[2] & 022);
}
my ($dev, $ino, $size, $written) = @stat[0, 1, 7, 9];
# Once a day Node looks, which then notes that the answer is in use.
my $age = time - $written;
give_up if $age < 0 || $age > 86400;
open my $in, '<', $file or give_up;
@stat = stat $in or give_up;
give_up unless $stat[0] == $dev && $stat[1] == $ino;
give_up unless (sysread $in, my $data, $size + 1) == $size && $size > 24 && length pack('L!', 0) == 8;
my ($magic, $sum, $length) = unpack 'a8 Q< Q<', $data;
give_up unless $magic eq 'tsnixqa1' && unpack('x16 %64V*', $data) == $sum && $length + 24 <= $size;
my @part = eval { unpack '(V/a*)*', substr $data, 24, $length };
give_up if @part < 23;

my ($calls, $ids, $machine, $where, $asked, $unread, $env, $terminals) = splice @part, 0, 8;
my ($statx, $getcwd, $uname, $faccessat) = map { $_ + 0 } split / /, $calls;

give_up unless join("\0", scalar @words, @words) eq $asked && join(' ', $<, $>, $( + 0, $) + 0) eq $ids;
give_up unless (-t STDOUT ? 1 : 0) . (-t STDERR ? 1 : 0) eq $terminals;
# A descriptor that was closed may be something else by now.
for (\*STDOUT, \*STDERR) { give_up unless (fcntl($_, 3, 0) || 0) & 3 }
delete @ENV{split /\0/, $unread};
my $variables = join "\0", map { "$_=$ENV{$_}" } sort keys %ENV;
my ($m, $x, $n, $y, $o, $z) = map { $_ + 0 } split / /, $env;
my ($i, $j, $k) = (0, 0, 0);
for (length $variables, unpack 'V*', $variables . "\0" x (-length($variables) % 4)) {
  $i = ($i * $m + $_) % 4294967291;
  $j = ($j * $n + $_) % 4294967291;
  $k = ($k * $o + $_) % 4294967291;
}
give_up unless $i == $x && $j == $y && $k == $z;
my $cwd = "\0" x 4096;
$size = syscall $getcwd, $cwd, 4096;
give_up unless $size > 1 && substr($cwd, 0, $size - 1) eq $where;
my $names = "\0" x 400;
give_up unless syscall($uname, $names) == 0 && unpack('x260 Z65', $names) eq $machine;

my $seen = "\0" x 256;    # struct statx

# What decides about a file: owner, mode, inode, size, times, device.
sub stamped {
  my ($paths, $stamps, $flags, $below) = @_;
  my $at = 0;
  for (split /\0/, $paths) {
    give_up
      unless syscall($statx, -100, $below . $_, $flags, 0x7ff, $seen) == 0
      && substr($seen, 20, 28) . substr($seen, 96, 32) . substr($seen, 136, 8) eq substr $stamps, $at, 68;
    $at += 68;
  }
  give_up unless $at == length $stamps;
}

# Types alone: `a` for nothing, else a letter for the bits of the mode.
sub typed {
  my ($paths, $types, $flags) = @_;
  my $at = 0;
  for (split /\0/, $paths) {
    my $type = substr $types, $at++, 1;
    if (syscall($statx, -100, $_, $flags, 0x7ff, $seen) == 0) {
      give_up unless $type eq chr(97 + (unpack('x28 v', $seen) >> 12));
    } else {
      # ENOENT, EACCES, ENOTDIR, ENAMETOOLONG, ELOOP
      give_up unless $type eq 'a' && grep { $! == $_ } 2, 13, 20, 36, 40;
    }
  }
  give_up unless $at == length $types;
}

my ($dist) = $0 =~ m{\A(.*/)}s or give_up;
my $lock = $part[14];
# No collector runs now, nor begins before the answer is given.
my $held;
give_up if $lock ne '' && !(open($held, '<', $lock) && flock $held, 5);
stamped(@part[0, 1], 0, $dist);
stamped(@part[2, 3], 0x100, '');
stamped(@part[4, 5], 0, '');
typed(@part[6, 7], 0x100);
typed(@part[8, 9], 0);
my $at = 0;
for (split /\0/, $part[10]) {
  my $can = substr $part[11], $at++, 1;
  give_up unless (syscall($faccessat, -100, $_, 6) == 0 ? '1' : '0') eq $can;
}
my %links = split /\0/, $part[12];
for (keys %links) {
  my $target = readlink;
  give_up unless defined $target && $target eq $links{$_};
}
for (split /\0/, $part[13]) { give_up if -s }

$SIG{PIPE} = 'IGNORE';
my $begun;
for (@part[15 .. $#part]) {
  my $to = substr($_, 0, 1) eq '1' ? \*STDOUT : \*STDERR;
  my $at = 1;
  while ($at < length) {
    my $count = syswrite $to, $_, length($_) - $at, $at;
    if (defined $count) {
      $begun = 1;
      $at += $count;
      next;
    }
    next if $! == 4;    # EINTR
    exit 141 if $! == 32;    # EPIPE
    if ($! == 11) {          # EAGAIN
      select undef, undef, undef, 0.002;
      next;
    }
    last if $to == \*STDERR;    # messages may be lost
    give_up unless $begun;
    syswrite STDERR, "error: writing to file: $!\n";
    exit 98;
  }
}
exit 0;
