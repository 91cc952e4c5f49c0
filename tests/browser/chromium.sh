#!/bin/sh
# Print the path of a Chromium for the browser tests: UHRBAT_CHROMIUM, the system's, or Playwright's own, which is
# downloaded into the user's cache where there is none. With --install (make browser), or as root in CI, the
# distribution's package is installed instead of downloading; nothing else changes the system.
# Usage: chromium.sh PYTHON [--install]
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
install() {
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    if command -v apt-get >/dev/null; then
        $sudo apt-get update -qq && $sudo apt-get install -y -qq chromium
    else
        "$1" -m playwright install --with-deps chromium
    fi >&2
}
find_system && exit 0
if [ "${2:-}" = --install ] || { [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ]; }; then
    install "$1" && find_system && exit 0
fi
find_playwright "$1" 2>/dev/null && exit 0
"$1" -m playwright install chromium >&2 && find_playwright "$1" && exit 0
echo "no Chromium for the browser tests: run make browser, or install one, or name it in UHRBAT_CHROMIUM" >&2
exit 1
