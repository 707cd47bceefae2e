"""Prints how often each way to find the cause is right, by family: `python -m tests.stories --help`."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence

from tests.stories import every_family
from tests.stories.finders import FINDERS, Answer
from tests.stories.scoring import Score, shown, steadiness
from tests.stories.writer import Case, build


def main() -> int:
    told = _told()
    every_family()
    low, _, high = told.seeds.partition(":")
    cases = build(told.split, range(int(low), int(high)), salt=told.salt, level=told.level)
    boards = [(case, case.board, case.graph) for case in cases]
    print(f"{len(cases)} incidents, {len({c.family for c in cases})} families, level {told.level}")
    missed = False
    for name in [n for n in told.only.split(",") if n] or list(FINDERS):
        total = Score()
        by: dict[str, Score] = defaultdict(Score)
        notes = []
        for case, board, graph in boards:
            answers = FINDERS[name](board, graph)
            notes.append((case, total.add(case, answers), answers))
            by[case.family].add(case, answers)
        print(f"{name:9} {total.line()}")
        missed |= bool(told.gate) and _misses(total, told.gate)
        if told.families:
            for family, score in sorted(by.items()):
                print(f"    {family:26} {score.line()}")
        if told.cases:
            _print_cases(notes)
        if told.stability:
            _print_steadiness(cases, name)
    return int(missed)


def _told() -> argparse.Namespace:
    ask = argparse.ArgumentParser(prog="python -m tests.stories")
    ask.add_argument("--split", default="", help="design, ours, aside; empty: all")
    ask.add_argument("--seeds", default="0:3")
    ask.add_argument("--salt", default="")
    ask.add_argument("--level", type=int, default=0, choices=range(4))
    ask.add_argument("--only", default="", help="product,severest,…")
    for flag in ("--families", "--cases", "--stability"):
        ask.add_argument(flag, action="store_true")
    ask.add_argument(
        "--gate",
        default="",
        help="0.90,0.97,0.05,0.90,0.12: least AC@1 and AC@3, most sure-and-wrong, least "
        "abstentions kept, most held back; exit code 1 when one is missed",
    )
    return ask.parse_args()


def _misses(total: Score, gate: str) -> bool:
    one, three, wrong, kept, held = (float(x) for x in gate.split(","))
    return (
        total.at_one < one
        or total.at_three < three
        or total.sure_and_wrong > wrong
        or total.abstained < kept
        or total.held > held
    )


def _print_cases(notes: list[tuple[Case, str, Sequence[Answer]]]) -> None:
    for case, verdict, answers in notes:
        if verdict not in {"ok", "abstain ok"}:
            shown = [("" if a.sure else "?") + "/".join(sorted(a.names)) for a in answers]
            print(f"    {verdict:12} {case.id:48} said {shown} truth {sorted(case.truth.accept)}")


def _print_steadiness(cases: list[Case], name: str) -> None:
    live = [c for c in cases if c.horizon <= 150]
    rows = [steadiness(c, shown() if name == "product" else FINDERS[name]) for c in live]
    named = zip(live, rows, strict=True)
    soon = sorted(r.right_after for c, r in named if not c.truth.abstain and r.right_after)
    print(
        f"    over two minutes: {sum(r.flips for r in rows) / len(rows):.2f} flips a case, "
        f"{sum(r.flips > 0 for r in rows) / len(rows):.2f} of the cases flip, "
        f"{sum(r.keeps for r in rows) / len(rows):.2f} keep what they say at 30 s; "
        f"first right after {soon[len(soon) // 2] if soon else '–'} s (median)"
    )


if __name__ == "__main__":
    sys.exit(main())
