#!/bin/sh
# Puts together the image's file system: assemble.sh PROGRAM NAME DIRECTORY, as root on the Debian that built PROGRAM.
#
# The program (NAME: noroshi or noroshi-localaws), curl, the libraries both need, busybox as the shell and as nc, trusted
# certificates, time zones; the licences and the Debian packages all of it comes from (a bill of materials in SPDX JSON,
# and dpkg's status for scanners). The same input gives the same bytes: times are SOURCE_DATE_EPOCH, nothing is random.
set -eu
program=$1 name=$2 image=$3
here=$(dirname "$0")
epoch=${SOURCE_DATE_EPOCH:-0}
umask 022
export LC_ALL=C

# Debian's merged /usr.
mkdir -p "$image"/usr/bin "$image"/usr/sbin "$image"/usr/lib "$image"/usr/lib64 "$image"/etc/ssl/certs \
  "$image"/tmp "$image"/var/run "$image"/var/lib/noroshi "$image"/var/lib/dpkg/status.d "$image"/root
for directory in bin sbin lib lib64; do ln -s usr/$directory "$image/$directory"; done
ln -s var/run "$image/run"
chmod 1777 "$image/tmp" "$image/var/lib/noroshi"  # the router may run as any user

# Every file of the host that goes in, to ask dpkg for its package afterwards.
sources=$(mktemp)
take() { # take FILE [AS]: a file of this system, links followed
  mkdir -p "$image$(dirname "${2:-$1}")"
  cp -L "$1" "$image${2:-$1}"
  echo "$1" >>"$sources"
}

install -D -m 755 "$program" "$image/fluent-bit/bin/$name"
strip "$image/fluent-bit/bin/$name"
ln -s "/fluent-bit/bin/$name" "$image/usr/bin/$name"
if [ "$name" = noroshi ]; then
  ln -s noroshi "$image/fluent-bit/bin/fluent-bit"
  cp -R "$here/root/." "$image/"
  "$image/fluent-bit/bin/$name" --version | sed 's/^noroshi //' >"$image/AWS_FOR_FLUENT_BIT_VERSION"
fi

take /usr/bin/curl
take "$(readlink -f "$(command -v busybox)")" /usr/bin/busybox
"$image/usr/bin/busybox" --list | while read -r applet; do
  [ -e "$image/usr/bin/$applet" ] || ln -s busybox "$image/usr/bin/$applet"
done
programs="$image/fluent-bit/bin/$name /usr/bin/curl"
if [ "$name" = noroshi ]; then
  # Loaded only where an output kafka is configured, so no program lists it.
  kafka=$(ldconfig -p | awk '$1 == "librdkafka.so.1" {print $NF; exit}')
  take "$kafka" "$(readlink -f "$(dirname "$kafka")")/librdkafka.so.1"
  programs="$programs $kafka"
fi
# shellcheck disable=SC2086
ldd $programs | awk '/=> \//{print $3} $1 ~ /^\/.*ld-/{print $1}' | sort -u |
  while read -r library; do
    # /lib/… is /usr/lib/…: dpkg may know it by either name.
    take "$library" "$(readlink -f "$(dirname "$library")")/$(basename "$library")"
  done

take /etc/ssl/certs/ca-certificates.crt
take /etc/ssl/openssl.cnf
mkdir -p "$image/usr/lib/ssl"
ln -s /etc/ssl/certs /etc/ssl/openssl.cnf "$image/usr/lib/ssl/"
ln -s /etc/ssl/certs/ca-certificates.crt "$image/usr/lib/ssl/cert.pem"  # where OpenSSL looks for the authorities
ln -s ca-certificates.crt "$image/etc/ssl/certs/ca-bundle.crt"
mkdir -p "$image/usr/share"
cp -R /usr/share/zoneinfo "$image/usr/share/zoneinfo"
rm -rf "$image/usr/share/zoneinfo/right" "$image/usr/share/zoneinfo/posix"
echo /usr/share/zoneinfo/UTC >>"$sources"
take /etc/os-release
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$image/etc/passwd"
printf 'root:x:0:\nnobody:x:65534:\n' >"$image/etc/group"
printf 'hosts: files dns\n' >"$image/etc/nsswitch.conf"

# Which packages: of the file, else under its name before /usr was merged.
packages=$(sort -u "$sources" | while read -r file; do
  real=$(readlink -f "$file")
  for path in "$file" "$real" "${real#/usr}" /usr/share/ca-certificates; do
    if owner=$(dpkg-query -S "$path" 2>/dev/null | grep -v '^diversion'); then
      echo "${owner%%: *}" | sed 's/,.*//; s/:.*//'
      break
    fi
  done
done | sort -u)
rm -f "$sources"
for package in $packages; do
  dpkg-query -W -f '${Package}' "$package" >/dev/null
  dpkg-query -s "$package" | sed '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d}' >"$image/var/lib/dpkg/status.d/$package"
  if [ -e "/usr/share/doc/$package/copyright" ]; then
    mkdir -p "$image/usr/share/doc/$package"
    cp -L "/usr/share/doc/$package/copyright" "$image/usr/share/doc/$package/copyright"
  fi
done
[ ! -e "$here/../../../../LICENSE" ] || install -D -m 644 "$here/../../../../LICENSE" "$image/usr/share/doc/noroshi/copyright"
# shellcheck disable=SC2086
sh "$here/bill_of_materials.sh" "$name" "$image" $packages >"$image/usr/share/sbom.spdx.json"

chmod -R go-w "$image"
chmod 1777 "$image/tmp" "$image/var/lib/noroshi"
find "$image" -exec touch -h -d "@$epoch" {} +
