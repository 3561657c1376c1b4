# The builder's side of helper.pl (P): puts the sandbox together, gives up all rights and becomes the builder's program.
use strict;
our (%SYSCALL, $arm, %NAMESPACE, @made);    # helper-calls.pl
our %plan;                                 # helper.pl
my $server;                                # the socket to S

sub builder {
  ($server, my $writer) = @_;
  my $namespaces = exists $plan{namespaces};
  my $framed = eval {
    soft_limit(4, 0);    # RLIMIT_CORE
    # The evaluator's own stack is far deeper than what its caller gave us: builders get that.
    soft_limit(3, $plan{stack}[0] * 1024) if exists $plan{stack};    # RLIMIT_STACK
    umask 022;
    syscall $arm ? 157 : 112;    # setsid: no controlling terminal, a process group of its own
    assemble() if $namespaces;
    1;
  };
  my $error = $@;
  sysread $server, my $go, 1 or exit 1;
  my $rest = read_part();
  report("begun\n");
  syswrite $server, 'r';
  setup(sub {
    die $error unless $framed;
    understand($rest);
    if ($namespaces) { put_steps('scratch'); show_store(); put_steps('step'); change_root() }
    chdir $plan{cwd}[0] or die "changing into $plan{cwd}[0]: $!\n";
    sys('personality', $plan{personality}[0] + 0) if exists $plan{personality};
    $namespaces ? become_builder() : become_user();
    # Descriptors: standard input /dev/null, output and error the terminal, no others.
    open STDIN, '<', '/dev/null' or die "/dev/null: $!\n";
    open STDOUT, '>&', $writer or die "terminal: $!\n";
    open STDERR, '>&', $writer or die "terminal: $!\n";
    close $writer;
    close $server;
    load_filter($plan{seccomp}[0]) if exists $plan{seccomp};
  });
  { my ($first, $last, $flags) = (4, 0xffffffff, 0); syscall $SYSCALL{close_range}, $first, $last, $flags }    # 3 closes itself
  my @env = @{$plan{env}};
  %ENV = ();
  while (@env) { my ($name, $value) = splice @env, 0, 2; $ENV{$name} = $value }
  report("ready\n");
  exec { $plan{program}[0] } @{$plan{args}};
  fail('exec', "$!");
}

sub soft_limit {
  my ($resource, $value) = @_;
  my $old = pack 'QQ', 0, 0;
  my ($zero, $which, $none) = (0, $resource, 0);
  syscall $SYSCALL{prlimit}, $zero, $which, $none, $old;
  my $new = pack 'QQ', $value, (unpack 'QQ', $old)[1];
  sys('prlimit', 0, $resource, $new, 0);
}

# Also after each change of credentials, which makes the kernel forget it. What S has to say it has said: there is
# something to read only where it has ended.
sub die_with_server {
  sys('prctl', PR_SET_PDEATHSIG, SIGKILL);
  my $bits = '';
  vec($bits, fileno $server, 1) = 1;
  exit 1 if select($bits, undef, undef, 0) > 0;
}

sub assemble {
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
  mnt('none', $root, 'tmpfs', MS_NOSUID | MS_NODEV, exists $plan{vm} ? 'mode=755' : "mode=750,gid=$group");
  put_steps('step');
}

# What is made belongs to whoever runs this, and in mode vm to the builder's root.
sub put_steps {
  my ($verb) = @_;
  my $root = $plan{root}[0];
  my @steps = @{delete $plan{$verb} // []};
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
  return unless exists $plan{vm} && $plan{vm}[2];
  chown $plan{vm}[0], $plan{vm}[1], $root, @made;
}

# There may be thousands of inputs: one system call each where the place to mount on is there.
sub show_store {
  my ($path, $outputs, $inputs) = @{$plan{store}};
  my $target = $plan{root}[0] . $path;
  make_directories($target);
  mnt($outputs, $target, undef, MS_BIND);
  for my $name (@{$plan{directories}}) { mkdir "$target/$name" or die "$target/$name: $!\n" }
  # Links of one empty file, which cost no inode each.
  my $file;
  for my $name (@{$plan{files}}) {
    next if defined $file && link $file, "$target/$name";
    make_mount_point($file = "$target/$name", 0);
  }
  # A symlink can't be mounted: it is copied, as Nix does.
  for my $name (@{$plan{symlinks}}) {
    my $goal = readlink "$inputs/$name" // die "$inputs/$name: $!\n";
    symlink $goal, "$target/$name" or die "$target/$name: $!\n";
  }
  my @mounted = (@{$plan{directories}}, @{$plan{files}});
  my ($mount, $none, $flags) = ($SYSCALL{mount}, 0, MS_BIND | MS_REC);
  for my $name (@mounted) {
    my ($from, $to) = ("$inputs/$name\0", "$target/$name\0");
    die "binding $inputs/$name on $target/$name: $!\n" if syscall $mount, $from, $to, $none, $flags, $none;
  }
  if (mount_attributes($target, AT_RECURSIVE, READ_ONLY | NOSUID, 0)) {
    mount_attributes($target, 0, 0, READ_ONLY | NOSUID) || mount_attributes($target, 0, 0, READ_ONLY) || die "mount_setattr: $!\n";
  } else { make_read_only("$target/$_") for @mounted }
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
  return if exists $plan{vm};
  mount_attributes('/', 0, READ_ONLY, 0) or mnt('none', '/', undef, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV);
}

# From ns0's root to the user that the builder runs as.
sub become_builder {
  if (exists $plan{vm}) {
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
    die_with_server();
    return;
  }
  # One more user namespace may be made below ns0, the builder's own: it can't make any itself.
  eval { put('/proc/sys/user/max_user_namespaces', '1') };
  my ($uid, $gid) = (0, 0);
  if (my $user = $plan{'host-user'}) { ($uid, $gid) = @$user; drop_ids($uid, $gid) }
  sys('unshare', $NAMESPACE{user});
  map_one('self', @{$plan{'inner-user'}}, $uid, $gid);
  restrict();
}

# No namespaces: only, as root, another user.
sub become_user {
  if (my $user = $plan{'host-user'}) { drop_ids(@$user) }
  sys('prctl', PR_SET_NO_NEW_PRIVS, 1);
  die_with_server();
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
  die_with_server();    # credentials have changed, which clears it
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
1;
