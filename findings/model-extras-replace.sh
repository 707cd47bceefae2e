#!/usr/bin/env bash
# botocore 1.40.61: a model's `sdk-extras` are merged so that the extra wins, also over what the model already has:
# lists are replaced, not extended, and a member's type is overwritten. Extras that add members for an older
# installation therefore turn into wrong members once the installation is newer than they are.
# Seen: "required: ['b']; shape of a: Extra"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check botocore==1.40.61
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
from botocore.loaders import ExtrasProcessor

model = {"shapes": {"In": {"type": "structure", "required": ["a"], "members": {"a": {"shape": "Own"}}}}}
extra = {"merge": {"shapes": {"In": {"required": ["b"], "members": {"a": {"shape": "Extra"}}}}}}
ExtrasProcessor().process(model, [extra])
shape = model["shapes"]["In"]
print(f"required: {shape['required']}; shape of a: {shape['members']['a']['shape']}")
PY
grep -qxF "required: ['b']; shape of a: Extra" "$work/seen"
