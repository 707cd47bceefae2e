#!/usr/bin/env bash
# botocore 1.40.61: `register_first("needs-retry", …)` does not run first. The emitter orders handlers by how much of
# the event's name they match, and "first" counts only among those of the same length: a handler that was registered
# last for `needs-retry.s3` runs before it. A guard that must come before all others has to name the whole event.
# Seen: "order: deep, first, plain"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check botocore==1.40.61
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
from botocore.hooks import HierarchicalEmitter

order = []
emitter = HierarchicalEmitter()
emitter.register("needs-retry", lambda **_: order.append("plain"))
emitter.register_first("needs-retry", lambda **_: order.append("first"))
emitter.register_last("needs-retry.s3", lambda **_: order.append("deep"))
emitter.emit("needs-retry.s3.DeleteObject")
print("order:", ", ".join(order))
PY
grep -qx "order: deep, first, plain" "$work/seen"
