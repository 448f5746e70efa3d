#!/bin/sh
# Installs Debian's chromium, which the browser tests drive.
set -eu
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The browser tests need chromium in the PATH: install it with your system's packages." >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then as_root="sudo"; fi
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
