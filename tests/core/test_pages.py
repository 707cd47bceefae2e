"""Pages that are generated say what the code says; pages that are written name what is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from cockpit.connect.aws.reads import ALLOW, CONSENT, iam_action
from cockpit.triage.registry import registry
from tests.tools import man_page, rights_page
from tests.typing import plug_in_api

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("tool", [rights_page, man_page], ids=lambda tool: tool.PAGE.name)
def test_a_generated_page_is_what_the_code_says(tool: object) -> None:
    name = getattr(tool, "__name__", "")
    page = importlib.import_module(name)
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), f"python -m {name} writes it"


def test_an_action_that_a_probe_needs_is_one_that_it_may_call() -> None:
    tables = (ALLOW, CONSENT)
    actions = {iam_action(c, o) for table in tables for c, names in table.items() for o in names}
    for probe in registry().values():
        for need in filter(rights_page.is_action, probe.needs):
            assert need in actions, need


def test_the_promised_names_exist_and_are_type_checked() -> None:
    table = (ROOT / "docs/plug-ins.md").read_text(encoding="utf-8").partition("| module |")[2]
    rows = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", table, re.MULTILINE)
    assert len(rows) > 10
    for module, names in rows:
        for name in re.findall(r"`(\w+)`", names):
            assert hasattr(importlib.import_module(module), name), (module, name)
            assert hasattr(plug_in_api, name), f"{name} is used in {plug_in_api.__name__}"


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "RELEASE.md", "docs/plug-ins.md"])
def test_a_link_leads_to_a_file(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_map_is_short_and_names_what_is_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 1200
    glossary = text.partition("## Glossary")[2].partition("\n## ")[0]
    words = re.findall(r"^\| ([a-z ]+) \|", glossary, re.MULTILINE)
    assert len(set(words) - {"word"}) <= 25
    for row in re.findall(
        r"^\| `(cockpit/\w+|probes|screens)` \| .+ \| (.+) \|$", text, re.MULTILINE
    ):
        folder, files = row
        for name in re.findall(r"`([\w*./]+)`", files):
            assert list((ROOT / folder).glob(name.rstrip("/"))), (folder, name)
