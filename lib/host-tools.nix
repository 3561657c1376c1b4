# The tools that the package set takes from the host, by nixpkgs' names. Each is only looked for when it is used.
{ lib, host, bash, goarch }:
let
  inherit (host) tool;
  single = name: package: tool { inherit name package; programs = [ name ]; };
in
{
  # Essential on Debian: always there.
  bash = tool {
    name = "bash";
    programs = [ "bash" ];
    links."bin/sh" = "bash";
    passthru.shellPath = "/bin/bash";
  };
  dash = single "dash" "dash";
  coreutils = tool {
    name = "coreutils";
    programs = lib.splitString " " (
      "[ arch b2sum base32 base64 basename basenc cat chgrp chmod chown chroot cksum comm cp csplit cut date dd df dir "
      + "dircolors dirname du echo env expand expr factor false fmt fold groups head hostid id install join link ln "
      + "logname ls md5sum mkdir mkfifo mknod mktemp mv nice nl nohup nproc numfmt od paste pathchk pinky pr printenv "
      + "printf ptx pwd readlink realpath rm rmdir seq sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf sleep sort "
      + "split stat stdbuf stty sum sync tac tail tee test timeout touch tr true truncate tsort tty uname unexpand uniq "
      + "unlink users vdir wc who whoami yes"
    );
    optional = [ "chcon" "runcon" ];
  };
  findutils = tool { name = "findutils"; programs = [ "find" "xargs" ]; };
  diffutils = tool { name = "diffutils"; programs = [ "cmp" "diff" "diff3" "sdiff" ]; };
  gnused = tool { name = "gnused"; package = "sed"; programs = [ "sed" ]; };
  gnugrep = tool { name = "gnugrep"; package = "grep"; programs = [ "grep" "egrep" "fgrep" ]; };
  gnutar = tool { name = "gnutar"; package = "tar"; programs = [ "tar" ]; };
  gzip = tool { name = "gzip"; programs = [ "gzip" "gunzip" "zcat" ]; };
  utillinux = tool {
    name = "util-linux";
    package = "util-linux mount";
    programs = [ "mount" "umount" "unshare" "findmnt" "lsblk" "flock" "setsid" "getopt" "nsenter" "mountpoint" ];
    optional = [ "losetup" "mkfs" "mkswap" "blkid" "hexdump" "script" "setpriv" "taskset" "logger" "column" "rev" "cal" "kill" "more" "uuidgen" "prlimit" "chrt" "ionice" "fallocate" "lscpu" "dmesg" "switch_root" "pivot_root" "swapon" "swapoff" "fstrim" "su" "runuser" "login" "wdctl" "whereis" "namei" "look" "colrm" "col" "ul" ];
  };
  shadow = tool {
    name = "shadow";
    package = "passwd";
    programs = [ "useradd" "usermod" "userdel" "groupadd" "groupmod" "groupdel" "chpasswd" "pwck" "grpck" ];
    optional = [ "gpasswd" "chage" "chgpasswd" "newusers" "pwconv" "pwunconv" "grpconv" "grpunconv" "vipw" "passwd" "chfn" "chsh" "groupmems" "newuidmap" "newgidmap" "newgrp" "sg" ];
  };
  e2fsprogs = tool {
    name = "e2fsprogs";
    programs = [ "mke2fs" "mkfs.ext2" "mkfs.ext3" "mkfs.ext4" "e2fsck" "tune2fs" "resize2fs" ];
    optional = [ "dumpe2fs" "debugfs" "e2label" "chattr" "lsattr" "fsck.ext4" "fsck.ext3" "fsck.ext2" "badblocks" ];
  };
  gawk = tool { name = "gawk"; package = "mawk or gawk"; programs = [ "awk" ]; optional = [ "gawk" "mawk" ]; };
  hostname = single "hostname" "hostname";
  # The interpreter with its module trees; perl finds them through PERL5LIB.
  perl = tool {
    name = "perl";
    package = "perl-base";
    programs = [ "perl" ];
    trees = map (tree: { exclude = [ "*.pod" "*.ph" ]; optional = true; } // tree) [
      { to = "lib/perl-base"; from = [ "/usr/lib/@multiarch@/perl-base" ]; }
      { to = "lib/perl"; from = [ "/usr/lib/@multiarch@/perl/5.*" ]; }
      { to = "share/perl"; from = [ "/usr/share/perl/5.*" ]; }
    ];
    wrap.perl.PERL5LIB = "@out@/lib/perl-base:@out@/lib/perl:@out@/share/perl";
  };

  # Others: named packages have to be installed.
  jq = single "jq" "jq";
  # It reads past the end of its input until a byte is zero; so all memory that it gets is zeroed here.
  jshon = tool {
    name = "jshon";
    programs = [ "jshon" ];
    wrap.jshon = {
      MALLOC_PERTURB_ = "255";
      GLIBC_TUNABLES = "glibc.malloc.tcache_count=0";
    };
  };
  rsync = tool { name = "rsync"; programs = [ "rsync" ]; };
  pigz = tool { name = "pigz"; programs = [ "pigz" "unpigz" ]; };
  # Its settings lie in /etc, which builds do not see. Any image may be read (builds pin their hashes), and registries
  # on this machine need no encryption, as for Docker.
  skopeo = tool {
    name = "skopeo";
    programs = [ "skopeo" ];
    flags.skopeo = [
      "--policy" "@out@/etc/containers/policy.json"
      "--registries-conf" "@out@/etc/containers/registries.conf"
      "--tmpdir" "\"\${TMPDIR:-/tmp}\""
    ];
    texts = [
      { to = "etc/containers/policy.json"; executable = false; text = ''{"default": [{"type": "insecureAcceptAnything"}]}''; }
      {
        to = "etc/containers/registries.conf";
        executable = false;
        text = lib.concatMapStrings (host: "[[registry]]\nlocation = \"${host}\"\ninsecure = true\n") [ "localhost" "127.0.0.1" "[::1]" ];
      }
    ];
  };
  umoci = single "umoci" "umoci";
  crun = single "crun" "crun";
  moreutils = tool {
    name = "moreutils";
    programs = [ "sponge" ];
    optional = [ "ifdata" "ifne" "isutf8" "lckdo" "mispipe" "pee" "errno" "chronic" "combine" "ts" "vidir" "vipe" "zrun" ];
  };
  nix = tool {
    name = "nix";
    package = "nix-bin";
    programs = [ "nix-store" "nix" ];
    optional = [ "nix-build" "nix-channel" "nix-collect-garbage" "nix-copy-closure" "nix-env" "nix-hash" "nix-instantiate" "nix-prefetch-url" "nix-shell" ];
  };
  git = tool {
    name = "git";
    programs = [ "git" ];
    optional = [ "git-receive-pack" "git-upload-archive" "git-upload-pack" "git-shell" ];
    trees = [
      { to = "libexec/git-core"; from = [ "/usr/lib/git-core" "/usr/libexec/git-core" ]; }
      { to = "share/git-core/templates"; from = [ "/usr/share/git-core/templates" ]; }
    ];
    wrap.git = {
      GIT_EXEC_PATH = "@out@/libexec/git-core";
      GIT_TEMPLATE_DIR = "@out@/share/git-core/templates";
    };
  };
  # GOROOT is found from where the program lies, so the tree is copied whole. Links to a loader that is not there
  # without CGO_ENABLED=0, and GOPATH mode has to be asked for since Go 1.16; both can be set otherwise.
  go = tool {
    name = "go";
    package = "golang-go";
    trees = [
      {
        to = "share/go";
        from = [ "/usr/lib/go" "/usr/local/go" ];
        # Without the sources and objects of the go command itself, tests, and scripts for making Go.
        exclude = [
          "test" "api" "doc" "misc" "testdata" "*_test.go" "src/cmd" "pkg/*/cmd" "pkg/tool/*/pprof" "pkg/tool/*/trace"
          "*_race" "*_msan" "*_asan" "*_dynlink" "*_shared" "*.pl" "*.bash" "*.sh" "*.rc" "*.bat"
        ];
      }
    ];
    texts = map (program: {
      to = "bin/${program}";
      text = ''
        #!${bash}/bin/bash
        export CGO_ENABLED="''${CGO_ENABLED-0}" GO111MODULE="''${GO111MODULE-auto}" GOTOOLCHAIN="''${GOTOOLCHAIN-local}"
        exec -a "$0" @out@/share/go/bin/${program} "$@"
      '';
    }) [ "go" "gofmt" ];
    passthru = {
      GOARCH = goarch;
      GOOS = "linux";
      GOHOSTARCH = goarch;
    };
  };
  # Only what dockerTools takes of it: the sources of its tar checksum.
  docker = tool {
    name = "docker";
    package = "golang-github-docker-docker-dev";
    trees = [ { to = "components/engine/pkg/tarsum"; from = [ "/usr/share/gocode/src/github.com/docker/docker/pkg/tarsum" ]; exclude = [ "*_test.go" "testdata" ]; } ];
  };
  cacert = tool {
    name = "cacert";
    package = "ca-certificates";
    files = [
      {
        to = "etc/ssl/certs/ca-bundle.crt";
        from = [ "/etc/ssl/certs/ca-certificates.crt" "/etc/pki/tls/certs/ca-bundle.crt" "/etc/ssl/ca-bundle.pem" ];
      }
    ];
  };
  # Set LOCPATH to its lib/locale.
  glibcLocales = tool {
    name = "glibc-locales";
    package = "libc-bin";
    trees = [ { to = "lib/locale/C.utf8"; from = [ "/usr/lib/locale/C.utf8" "/usr/lib/locale/C.UTF-8" ]; } ];
  };
  iana-etc = tool {
    name = "iana-etc";
    package = "netbase";
    files = [
      { to = "etc/protocols"; from = [ "/etc/protocols" ]; }
      { to = "etc/services"; from = [ "/etc/services" ]; }
    ];
  };
  tzdata = tool { name = "tzdata"; trees = [ { to = "share/zoneinfo"; from = [ "/usr/share/zoneinfo" ]; exclude = [ "right" "posix" ]; } ]; };
  # /bin/sh and friends in one file; Debian's busybox-static needs no library.
  busybox = tool { name = "busybox"; package = "busybox-static"; programs = [ "busybox" ]; };
  fakeroot = tool {
    name = "fakeroot";
    required = false;
    programs = [ "faked-sysv" ];
    files = [
      {
        to = "lib/libfakeroot.so";
        from = [ "/usr/lib/@multiarch@/libfakeroot/libfakeroot-sysv.so" ];
      }
    ];
  };
  xz = tool { name = "xz"; package = "xz-utils"; programs = [ "xz" "unxz" "xzcat" ]; };
  bzip2 = tool { name = "bzip2"; programs = [ "bzip2" "bunzip2" "bzcat" ]; };
  zstd = tool { name = "zstd"; programs = [ "zstd" "unzstd" "zstdcat" ]; };
  unzip = tool { name = "unzip"; programs = [ "unzip" ]; };
  zip = tool { name = "zip"; programs = [ "zip" ]; };
  patch = tool { name = "patch"; programs = [ "patch" ]; };
  gnupatch = tool { name = "patch"; programs = [ "patch" ]; };
  file = tool {
    name = "file";
    programs = [ "file" ];
    files = [ { to = "share/misc/magic.mgc"; from = [ "/usr/lib/file/magic.mgc" "/usr/share/misc/magic.mgc" ]; } ];
    wrap.file.MAGIC = "@out@/share/misc/magic.mgc";
  };
  less = single "less" "less";
  which = tool { name = "which"; package = "debianutils"; programs = [ "which" ]; };
  procps = tool { name = "procps"; programs = [ "ps" "pgrep" "pkill" "free" "top" "uptime" ]; };
  iproute2 = tool { name = "iproute2"; programs = [ "ip" "ss" ]; };
  openssl = single "openssl" "openssl";
  sqlite = tool { name = "sqlite"; package = "sqlite3"; programs = [ "sqlite3" ]; };
  nano = single "nano" "nano";
  curl = tool { name = "curl"; programs = [ "curl" ]; };
  wget = tool { name = "wget"; programs = [ "wget" ]; };
}
