#!/bin/sh
# Installs Debian's nginx and Caddy, which the tests of docs/ingest/proxy.md run; starts neither.
set -eu
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The proxy tests need nginx and caddy in the PATH: install them with your system's packages." >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then as_root="sudo"; fi
# Both would take port 80 as soon as they are installed: this tells Debian not to start them.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
fi
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends nginx-light caddy >/dev/null
