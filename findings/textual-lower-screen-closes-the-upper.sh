#!/usr/bin/env bash
# Textual 8.2.8: a screen that lies below a modal is still "current", and its `dismiss()` closes the modal that lies
# over it, not itself, without an error. A worker that ends while a person has opened something else (a help, a list of
# keys) and then dismisses its own dialog takes the other one away and stays.
# Seen: "lower is current: True; after lower.dismiss() the top is: Lower"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check textual==8.2.8
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import asyncio
from textual.app import App
from textual.screen import ModalScreen

class Lower(ModalScreen):
    pass

class Upper(ModalScreen):
    pass

async def main():
    app = App()
    async with app.run_test() as pilot:
        lower = Lower()
        await app.push_screen(lower)
        await app.push_screen(Upper())
        current = lower.is_current
        lower.dismiss()
        await pilot.pause()
        print(f"lower is current: {current}; after lower.dismiss() the top is: {type(app.screen).__name__}")

asyncio.run(main())
PY
grep -qx "lower is current: True; after lower.dismiss() the top is: Lower" "$work/seen"
