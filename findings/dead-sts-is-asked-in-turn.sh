#!/usr/bin/env bash
# aiobotocore 2.25.1: when role credentials have to be renewed and the source of them is dead, callers in parallel do
# not share one failure. Each waits for the lock and then asks again for itself, so the n-th caller waits n times as
# long as one renewal takes to fail: a sweep of a dozen services takes a dozen timeouts, one after the other.
# Seen: "4 callers, 4 renewals, the last waited 4 times as long as the first"
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check aiobotocore==2.25.1
"$work/venv/bin/python" - <<'PY' | tee "$work/seen"
import asyncio, logging, time
from aiobotocore.credentials import AioDeferredRefreshableCredentials

logging.disable(logging.CRITICAL)
renewals = 0

async def dead():
    global renewals
    renewals += 1
    await asyncio.sleep(0.5)
    raise ConnectionError("no answer")

async def caller(credentials, begun):
    try:
        await credentials.get_frozen_credentials()
    except ConnectionError:
        return time.monotonic() - begun

async def main():
    credentials = AioDeferredRefreshableCredentials(refresh_using=dead, method="assume-role")
    begun = time.monotonic()
    waited = sorted(await asyncio.gather(*(caller(credentials, begun) for _ in range(4))))
    ratio = round(waited[-1] / waited[0])
    print(f"4 callers, {renewals} renewals, the last waited {ratio} times as long as the first")

asyncio.run(main())
PY
grep -qx "4 callers, 4 renewals, the last waited 4 times as long as the first" "$work/seen"
