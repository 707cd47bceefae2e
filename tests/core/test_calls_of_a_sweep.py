"""How many calls a first sweep makes, against the fewest that can tell as much."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cockpit.connect.aws import metrics as aws_metrics
from tests.bench import looking
from tests.patience import at_most


async def test_a_first_sweep_of_a_hundred_mixed_targets_makes_few_more_calls_than_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy machine cuts batches short after a moment: here they are let wait."""
    monkeypatch.setattr(aws_metrics, "_CROWD", at_most(10))
    path, shop = tmp_path / "cockpit.toml", looking.Shop()
    path.write_text(looking.configured())
    async with looking.looking(path, shop) as (_, store):
        calls, least = Counter(shop.calls), looking.least(shop.series)
        assert looking.unseen(store) == []
    assert looking.counted(calls) <= 1.1 * least, (least, calls)
    for once in ("elbv2.describe_target_groups", "cloudwatch.describe_alarms", *looking.BESIDES):
        assert calls[once] == 1, "everybody is answered out of one list"
