"""The verdicts about paths against packets that are sent one by one; `make fuzz` sends new ones."""

from __future__ import annotations

from collections import Counter

from tests.fuzz.paths import disagreement

SEED = "20261130"
PATHS = 800


def test_no_verdict_is_another_than_that_of_the_packets() -> None:
    print(f"seeds {SEED}/0 to {PATHS - 1}")
    told: Counter[str] = Counter()
    faults = {}
    for seed in (f"{SEED}/{n}" for n in range(PATHS)):
        words, fault = disagreement(seed)
        told[words] += 1
        if fault:
            faults[seed] = f"{words}: {fault}"
    assert faults == {}
    assert all(told[words] > PATHS // 50 for words in ("pass", "drop", "unknown", "drop/pass"))
