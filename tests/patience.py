"""How long tests wait for what has to come.

A limit only guards against *never*: a machine that is four times slower than the one on which a
test was written has to pass it, so every wait ends by the state it waits for, and not by a clock.
"""

from __future__ import annotations


def at_most(seconds: float) -> float:
    """A limit for a wait that takes `seconds` at worst on an idle machine."""
    return seconds * 4
