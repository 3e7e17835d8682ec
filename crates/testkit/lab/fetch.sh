#!/bin/bash
# fetch.sh DEST WORLD SUITE PROGRAM FILES PACKAGE...: unpack a database server and everything it loads under DEST.
#
# PROGRAM is the server itself. FILES are patterns of what to unpack beside libraries, such as './usr/bin/mysql* ./usr/share/mysql/*'.
#
# The packages come from the package sources this machine already uses (apt's own list; only the suite is chosen here) and
# are unpacked, not installed: no maintainer script runs, nothing outside DEST and WORLD changes, no root is needed.
# WORLD is a private apt state for one suite, which kinds of the same suite share so that its index is read once.
#
# What is unpacked brings its own C library, so a server of a newer Debian runs on an older one: every program is
# a wrapper that starts it through the unpacked loader. Wrappers find their folder from $0, so DEST may be renamed.
set -euo pipefail
DEST=${1:?dest} WORLD=${2:?world} SUITE=${3:?suite} PROGRAM=${4:?program}; read -ra FILES <<<"${5:?files}"
shift 5; PACKAGES="${*:?package}"
# Of the closure, what no database program loads: interpreters, init systems, maintainer-script helpers, the JIT compiler.
SKIP='^(perl|libperl|perl-modules|lib.*-perl|libgdbm|libdb5|python3|systemd|libsystemd-shared|dbus|locales|libc-gconv|fonts-|fontconfig|gnupg|gpg|dirmngr|openssl$|ucf|debconf|sensible|adduser|passwd|procps|psmisc|lsof|gawk|socat|rsync|galera|mariadb-common|mysql-common|libpam-|login|postgresql-common|postgresql-client-common|ssl-cert|netbase|libllvm|libz3|tzdata|readline-common|init-system-helpers|libjson|dpkg|tar|coreutils)'
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

need() { command -v "$1" >/dev/null || { echo "fetch.sh: '$1' is not here; $2" >&2; exit 3; }; }
ELSE="this way of getting servers needs a Debian with apt; start a container engine, or give TIDELOCK_TEST_*_URL for a server of your own"
need apt-get "$ELSE"; need dpkg-deb "$ELSE"
[ -r $KEYRING ] || { echo "fetch.sh: $KEYRING is not here; $ELSE" >&2; exit 3; }

mkdir -p "$DEST" "$WORLD"/lists/partial "$WORLD"/archives/partial
DEST=$(cd "$DEST" && pwd) WORLD=$(cd "$WORLD" && pwd)

sites() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u; }
SITES=$(sites); [ -n "$SITES" ] || { apt-get -qq update; SITES=$(sites); }
MAIN=$(grep -m1 '/debian/*$' <<<"$SITES") || { echo "fetch.sh: apt's sources name no Debian archive; $ELSE" >&2; exit 3; }
cat > "$WORLD/apt.conf" <<C
Dir::Etc::sourcelist "$WORLD/sources.list"; Dir::Etc::sourceparts "-"; Dir::State::lists "$WORLD/lists"; Dir::State::status "$WORLD/status";
Dir::Cache "$WORLD"; Dir::Cache::archives "$WORLD/archives"; Acquire::Check-Valid-Until "false"; Acquire::Languages "none"; Acquire::Retries "3";
APT::Sandbox::User ""; APT::Install-Recommends "false"; Debug::NoLocking "true";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"; Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
C
export APT_CONFIG="$WORLD/apt.conf"
fetched() { # the index, where it was not read yet, and all packages by it
  if [ ! -e "$WORLD/updated" ]; then
    : > "$WORLD/status"   # nothing counts as installed, so a closure is whole whatever this machine has
    echo "deb [signed-by=$KEYRING] $MAIN $SUITE main" > "$WORLD/sources.list"
    if [ "$SUITE" = bookworm ] && SECURITY=$(grep -m1 '/debian-security/*$' <<<"$SITES"); then
      echo "deb [signed-by=$KEYRING] $SECURITY $SUITE-security main" >> "$WORLD/sources.list"
    fi
    apt-get -qq update || return 1
    touch "$WORLD/updated"
  fi
  WANTED=$(apt-get -s install $PACKAGES | awk '/^Inst /{print $2}' | grep -vE "$SKIP") || return 1
  rm -f "$WORLD"/archives/*.deb
  (cd "$WORLD/archives" && apt-get -qq download $WANTED)
}
# The archive may change between its index and its packages.
for try in 1 2 3; do
  if fetched; then break; fi
  [ $try -lt 3 ] || { echo "fetch.sh: $PACKAGES cannot be had from $SUITE" >&2; exit 5; }
  rm -f "$WORLD/updated"; sleep 5
done
for deb in "$WORLD"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$DEST" --no-same-owner --no-same-permissions --wildcards \
    --exclude='*/gconv' --exclude='*/perl*' --exclude='*/bitcode' --exclude='*/systemd' --exclude='*/locale' --exclude='*/doc' --exclude='*/man' \
    --exclude='*/llvmjit*' --exclude='*/udev' --exclude='*/mysql-test' --exclude='*/share/zoneinfo' \
    './lib/*' './lib64/*' './usr/lib/*' './usr/lib64/*' "${FILES[@]}" 2>/dev/null || true
done
rm -f "$WORLD"/archives/*.deb
chmod -R u+w,go+rX "$DEST"
# Older Debians keep the loader and libc in /lib; bring both layouts to one.
if [ -d "$DEST/lib" ] && [ ! -L "$DEST/lib" ]; then cp -a "$DEST/lib/." "$DEST/usr/lib/"; rm -rf "$DEST/lib"; fi
rm -rf "$DEST/lib64" "$DEST/usr/lib64"

LOADER=$(cd "$DEST" && ls usr/lib/*-linux-gnu*/ld-linux*.so.* | head -1); LIB=${LOADER%/*}
wrap() { # wrap PATH-UNDER-DEST UP: the program moves to .real/, a wrapper that starts it through the loader takes its place
  local dir=${1%/*} name=${1##*/}
  [ "$(head -c4 "$DEST/$1" | tail -c3)" = ELF ] || return 0
  mkdir -p "$DEST/$dir/.real"; mv "$DEST/$1" "$DEST/$dir/.real/$name"
  cat > "$DEST/$1" <<W
#!/bin/sh
here=\$0; [ -L "\$here" ] && here=\$(readlink -f "\$here"); case \$here in */*) d=\${here%/*} ;; *) d=. ;; esac
d=\$(cd "\$d" && pwd -P) || exit 127; root=\$(cd "\$d/$2" && pwd -P)
exec "\$root/$LOADER" --library-path "\$root/$LIB:\$root/$LIB/blas:\$root/$LIB/lapack" --argv0 "\$d/$name" "\$d/.real/$name" "\$@"
W
  chmod 755 "$DEST/$1"
}
PG=$(cd "$DEST" && ls -d usr/lib/postgresql/*/bin 2>/dev/null || true)
if [ -n "$PG" ]; then
  for program in "$DEST/$PG"/*; do wrap "$PG/${program##*/}" ../../../../..; done
  ln -s "$PG" "$DEST/bin"   # PostgreSQL finds share/ beside the place it was called by
else
  rm -f "$DEST"/usr/bin/mysql*-test* "$DEST"/usr/bin/*_embedded
  for program in "$DEST"/usr/sbin/* "$DEST"/usr/bin/*; do [ -L "$program" ] || wrap "${program#"$DEST"/}" ../..; done
  mv "$DEST"/usr/sbin/* "$DEST"/usr/bin/
  mv "$DEST"/usr/sbin/.real/* "$DEST"/usr/bin/.real/; rm -rf "$DEST/usr/sbin"
  find "$DEST/usr/bin" -xtype l -delete
  ln -s usr/bin "$DEST/bin"
fi
# Proof that it runs, and the caller's last line.
[ -x "$DEST/bin/$PROGRAM" ] || { echo "fetch.sh: $PACKAGES was unpacked, but $PROGRAM is not in $DEST/bin" >&2; exit 4; }
version=$("$DEST/bin/$PROGRAM" --version); echo "${version#"$DEST"/usr/bin/}"
