"""The house from above, held: whoever adds a room sees what it leans on."""

from __future__ import annotations

from pathlib import Path

from tests.tools import house


def test_there_is_no_circle_of_boxes_and_none_of_modules() -> None:
    """Also none that only deferred imports or type checkers see: what is deferred is still known."""
    seen = house.read()
    assert house.circles(seen.boxes()) == []
    assert house.circles(seen.imports) == []


def test_a_circle_that_is_deferred_or_for_type_checkers_only_is_seen(tmp_path: Path) -> None:
    for name, text in {
        "cockpit/__init__.py": "",
        "cockpit/connect/__init__.py": "",
        "cockpit/a.py": "def f() -> None:\n    from cockpit import b\n",
        "cockpit/b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import cockpit.a\n",
        "cockpit/c.py": "from cockpit.a import f\n",
        "cockpit/d/__init__.py": "from .e import f\n",
        "cockpit/d/e.py": "from . import g\n",
        "cockpit/d/g.py": "from ..d.e import f\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    seen = house.read(tmp_path)
    assert house.circles(seen.imports) == [
        ("cockpit.a", "cockpit.b"),
        ("cockpit.d.e", "cockpit.d.g"),
    ]
    assert house.circles(seen.boxes()) == [("cockpit.a", "cockpit.b")]


def test_an_arrow_says_how_many_imports_it_stands_for(tmp_path: Path) -> None:
    for name, text in {
        "cockpit/a.py": "",
        "cockpit/connect/b.py": "",
        "cockpit/c/d.py": "from cockpit import a\nfrom cockpit.connect import b\n",
        "cockpit/c/e.py": "from cockpit.a import f\nfrom cockpit.c import d\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    told = "\n".join(house.page(house.read(tmp_path)))
    assert "→ cockpit.a 2, cockpit.connect.b 1\n" in told


def test_what_it_prints_names_every_box() -> None:
    told = "\n".join(house.page(house.read()))
    for box in ("cockpit.connect.postgres", "probes.ecs", "screens.widgets", "circles of modules"):
        assert box in told
