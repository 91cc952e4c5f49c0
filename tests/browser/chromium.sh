#!/bin/sh
# Print the path of a Chromium for the browser tests: a system one, Playwright's own, or the distribution's package.
# Usage: chromium.sh PYTHON
find_system() {
    for name in "${UHRBAT_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
        [ -n "$name" ] && command -v "$name" && return 0
    done
    return 1
}
find_playwright() {
    "$1" - <<'PY'
import os, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as p:
    path = p.chromium.executable_path
sys.exit(print(path) if os.path.exists(path) else 1)
PY
}
find_system && exit 0
find_playwright "$1" 2>/dev/null && exit 0
"$1" -m playwright install --with-deps chromium >&2 && find_playwright "$1" && exit 0
if command -v apt-get >/dev/null; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    { $sudo apt-get update -qq && $sudo apt-get install -y -qq chromium; } >&2 && find_system && exit 0
fi
echo "no Chromium for the browser tests: install one, or name it in UHRBAT_CHROMIUM" >&2
exit 1
