"""Aliases of Lambda that split their calls, with the errors of each version behind them."""

from __future__ import annotations

from collections.abc import Sequence

from cockpit.connect.session import AwsReads, Series
from probes.changes.model import SplitAlias
from probes.metrics import NO_DATA, is_blind, query

_ERROR_MINUTES = 15


async def errors_of(aws: AwsReads, aliases: Sequence[SplitAlias]) -> tuple[SplitAlias, ...]:
    """The aliases with errors and calls of each version behind them."""
    wanted = [
        (alias, version)
        for alias in aliases
        for version in (alias.version, *(name for name, _ in alias.weights))
    ]
    asked = {
        (alias.function, alias.name, version, metric): query(
            "AWS/Lambda",
            metric,
            "Sum",
            FunctionName=alias.function,
            Resource=f"{alias.function}:{alias.name}",
            ExecutedVersion=version,
        )
        for alias, version in wanted
        for metric in ("Errors", "Invocations")
    }
    if not asked:
        return ()
    series = await aws.metrics(tuple(asked.values()), minutes=_ERROR_MINUTES)
    sums = {key: _sum(series.get(each, NO_DATA)) for key, each in asked.items()}
    return tuple(
        SplitAlias(
            function=alias.function,
            name=alias.name,
            version=alias.version,
            weights=alias.weights,
            errors=tuple(
                (
                    version,
                    sums.get((alias.function, alias.name, version, "Errors")),
                    sums.get((alias.function, alias.name, version, "Invocations")),
                )
                for version in (alias.version, *(name for name, _ in alias.weights))
            ),
        )
        for alias in aliases
    )


def _sum(series: Series) -> float | None:
    """None without a point: neither metric is published while nothing is called."""
    return sum(series.values) if series.values and not is_blind(series) else None
