#!/usr/bin/env bash
# jmespath 1.1.0: `!` binds tighter than `.`, so `!a.b` is `(!a).b`: a field of a boolean, which is null. Written as a
# condition "unless a.b", it is never true and never false, and nothing complains. `!(a.b)` is what was meant.
# Seen: "!a.b: None; !(a.b): False"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check jmespath==1.1.0
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import jmespath

data = {"a": {"b": True}}
print(f"!a.b: {jmespath.search('!a.b', data)}; !(a.b): {jmespath.search('!(a.b)', data)}")
PY
grep -qxF '!a.b: None; !(a.b): False' "$work/seen"
