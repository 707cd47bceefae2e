#!/usr/bin/env bash
# textual 8.2.8: Esc that arrives in one piece with the key after it, as keys do over a slow or laggy terminal, is lost:
# with Enter only Enter is delivered, so a dialog is confirmed that its user had just cancelled; with a letter, Alt and
# the letter. Whoever promises "Esc cancels, Enter runs" has to look at the bytes.
# Seen: "esc+enter: enter", "esc alone, then enter: escape enter", "esc+e: alt+e"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check textual==8.2.8
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import time

from textual.events import Key
from textual._xterm_parser import XTermParser

def keys(*pieces):
    parser, found = XTermParser(), []
    for piece in pieces:
        found += [each.key for each in parser.feed(piece) if isinstance(each, Key)]
        time.sleep(0.3)  # longer than the parser waits for the rest of a sequence
        found += [each.key for each in parser.tick() if isinstance(each, Key)]
    return " ".join(found)

print("esc+enter:", keys("\x1b\r"))
print("esc alone, then enter:", keys("\x1b", "\r"))
print("esc+e:", keys("\x1be"))
PY
grep -qx "esc+enter: enter" "$work/seen"
grep -qx "esc alone, then enter: escape enter" "$work/seen"
grep -qx "esc+e: alt+e" "$work/seen"
