"""Other people's records: whatever is wrong with one costs one line, and nobody else's look.

The distributions are written as an installer would, onto the path of this process; that a real one
works is shown in tests/package/test_plug_in.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import probes
from cockpit import plugins
from cockpit.cli import tui
from cockpit.cli.main import run
from cockpit.connect.aws.kind import RESOURCE
from cockpit.connect.kinds import KINDS
from cockpit.runbooks.known import known
from cockpit.triage.members import fault
from cockpit.triage.registry import Catalog, catalog

NUMBERS = count()
LORRY = '''
"""A lorry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cockpit.connect.aws.kind import aws_kind
from cockpit.connect.kind import Kind
from cockpit.errors import BlindError
from cockpit.triage.finding import Finding, Severity
from cockpit.triage.nature import codes
from cockpit.triage.probe import Fact, Probe

if TYPE_CHECKING:
    from lorries import Wheels

@dataclass(frozen=True)
class Settings:
    wheels: int = 4

@dataclass(frozen=True)
class Unread:
    wheels: Wheels = 4

@dataclass(frozen=True)
class Odd:
    wheels: Settings.__init__ = None

@dataclass(frozen=True)
class Strict:
    wheels: int = 4
    def __post_init__(self):
        if self.wheels > 6:
            raise ValueError("too many wheels")

@dataclass(frozen=True)
class Numbered:
    host: int = 4

@dataclass(frozen=True)
class Load:
    tons: float = 1.0

class Own(aws_kind("a", "a").settings):
    """Of a kind of AWS, with a way of its own."""

class Lorry:
    async def close(self): ...

async def open_(settings, door):
    return Lorry()

async def collect(lorry, target):
    return Load()

def diagnose(load, settings):
    """It is full."""
    if load.tons > 2:
        yield Finding("LORRY_FULL", Severity.HIGH, "full")

def boom(*_):
    raise OSError("no axle")

def blind(reason, code, severity):
    async def collect(lorry, target):
        raise BlindError(reason, "stolen", code=code, severity=severity)
    return collect

GOOD = dict(name="lorry", short="lorry", settings=Settings, open=open_)
LOOK = dict(id="lorry.load", kind="lorry", collect=collect, diagnose=diagnose, snapshot=Load,
            settings=Settings(), every=5, timeout=3, codes=codes(either=("LORRY_FULL",)))
KIND = Kind(**GOOD)
PROBE = Probe(**LOOK)
'''
CONFIG = """
environment = "x"
[aws.prod]
region = "eu-west-1"
[[target]]
kind = "endpoint"
name = "front"
url = "tcp://127.0.0.1:1"
"""
VAN = '[[target]]\nkind = "lorry"\nname = "van"\n'


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a distribution with the module `LORRY` and what is added to it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    mine = set(sys.modules)

    def install(
        more: str = "",
        points: str = "",
        *,
        metadata: str | None = "Metadata-Version: 2.1\nName: cockpit-lorry\n",
        name: str = "lorry",
    ) -> None:
        module = f"lorry_{next(NUMBERS)}"
        (site / f"{module}.py").write_text(LORRY + more)
        info = site / f"cockpit_{name}-1.0.dist-info"
        info.mkdir()
        if metadata is not None:
            (info / "METADATA").write_text(metadata)
        both = "[cockpit.kinds]\nlorry = MODULE:KIND\n[cockpit.probes]\nlorry.load = MODULE:PROBE\n"
        (info / "entry_points.txt").write_text((points or both).replace("MODULE", module))
        forget()

    yield install
    forget()
    for each in set(sys.modules) - mine:
        if each.startswith("lorry_") or each == "probes.new_errors":
            del sys.modules[each]


def forget() -> None:
    for each in (plugins.installed, plugins.documents, catalog, known):
        each.cache_clear()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "cockpit.toml"
    file.write_text(CONFIG)
    return file


def told(found: Catalog) -> list[tuple[str, str]]:
    return [(each.title, each.why) for each in found.broken]


def test_every_record_of_the_product_is_what_it_declares() -> None:
    records = (*catalog().kinds.values(), *catalog().probes.values())
    assert [(record, why) for record in records if (why := fault(record))] == []


def test_a_sound_one_is_no_line_and_belongs_to_its_distribution(
    beside: Callable[..., None],
) -> None:
    beside()
    found = catalog()
    assert told(found) == []
    assert found.origin(plugins.KINDS, "lorry") == "cockpit-lorry"
    assert found.origin(plugins.PROBES, "lorry.load") == "cockpit-lorry"
    assert found.origin(plugins.KINDS, "postgres") == ""


KIND_WRONG = [
    ("problems=7", "its problems is a int, which cannot be called"),
    ("problems=lambda: ()", "its problems is not called with 2 arguments"),
    ("place=7", "its place is a int, which cannot be called"),
    ("place=boom", "it has a place, whose one session is AWS'"),
    ("words=7", "its words is a int, not a mapping"),
    ("words={'wheels': 'four'}", "its words ['wheels'] is a str, not a tuple"),
    ("words={'wheel': ('4',)}", "its words names 'wheel', which is no field of its settings"),
    ("renamed={'w': 'wheel'}", "its renamed names 'wheel', which is no field of its settings"),
    ("settings=Unread", "cannot be read: NameError: name 'Wheels' is not defined"),
    ("settings=Odd", "the type of wheels in its settings cannot be configured"),
    ("settings=Lorry", "its settings are no dataclass"),
    ("settings=Settings()", "its settings is a Settings, not a class"),
    ("settings=aws_kind('a', 'a').settings", f"are those of the kind '{RESOURCE.name}'"),
    ("open=None", "its open is nothing, which cannot be called"),
    ("open_acts=7", "its open_acts is a int, which cannot be called"),
    ("name=''", "its name is '', not a word that can be shown"),
    ("short='\\x1b[2J'", "its short is '\\x1b[2J'"),
    ("short=None", "its short is nothing, not a text"),
]
PROBE_WRONG = [
    ("codes=None", "its codes is nothing, not a mapping"),
    ("codes={7: codes(risk=('A_B',))['A_B']}", "its codes has a key that is a int, not a text"),
    ("codes=('LORRY_FULL',)", "its codes is a tuple, not a mapping: write codes=codes(cause=("),
    ("codes={'LORRY_FULL': 'cause'}", "is a str, not Nature: write codes=codes(cause=("),
    ("needs=7", "its needs is a int, not a tuple"),
    ("every='5'", "its every is a str, not a number"),
    ("every=True", "its every is a bool, not a number"),
    ("every=0", "its every is 0, not a number of seconds above 0"),
    ("timeout=float('nan')", "its timeout is nan"),
    ("leads='yes'", "its leads is a str, not true or false"),
    ("facts=7", "its facts is a int, which cannot be called"),
    ("diagnose=lambda look: ()", "its diagnose is not called with 2 arguments"),
    ("snapshot=7", "its snapshot is a int, not a class"),
    ("snapshot=Unread", "a type in its snapshot cannot be read: NameError"),
    ("settings=Settings", "its settings are no record of a dataclass"),
    ("settings=Unread()", "cannot be read: NameError"),
    ("id=None", "its id is nothing, not a text"),
    ("kind=7", "its kind is a int, not a text"),
]


@pytest.mark.parametrize(
    ("more", "who", "why"),
    [
        *((f"KIND = Kind(**GOOD | dict({w}))", "plug-in lorry", why) for w, why in KIND_WRONG),
        *((f"PROBE = Probe(**LOOK | dict({w}))", "plug-in lorry.load", y) for w, y in PROBE_WRONG),
        ("KIND = replace(aws_kind('lorry', 'l'), place=boom)", "plug-in lorry", "opened otherwise"),
        (
            "KIND = replace(aws_kind('lorry', 'l'), open_acts=open_)",
            "plug-in lorry",
            f"its settings are those of the kind '{RESOURCE.name}', which is opened otherwise",
        ),
        ("KIND = object.__new__(Kind)", "plug-in lorry", "AttributeError"),
    ],
)
def test_a_wrong_member_is_one_line_at_load(
    beside: Callable[..., None], more: str, who: str, why: str
) -> None:
    beside(more)
    ((title, said),) = told(catalog())
    assert title == f"{who} (cockpit-lorry)"
    assert why in said


@pytest.mark.parametrize(
    ("more", "table", "why"),
    [
        ("KIND = Kind(**GOOD | dict(problems=boom))", "", "OSError: no axle"),
        ("KIND = Kind(**GOOD | dict(problems=lambda s, w: 7))", "", "TypeError"),
        ("KIND = Kind(**GOOD | dict(problems=lambda s, w: exit(3)))", "", "SystemExit: 3"),
        (
            "KIND = replace(aws_kind('lorry', 'l'), settings=Own, place=boom)",
            'aws = "prod"\nid = "x"',
            "OSError",
        ),
        (
            "KIND = replace(aws_kind('lorry', 'l'), settings=Own, place=lambda s: 7)",
            'aws = "prod"\nid = "x"',
            "the place of the kind lorry is no text",
        ),
        (
            "KIND = Kind(**GOOD | dict(settings=Strict))",
            "wheels = 7",
            "ValueError: too many wheels",
        ),
        ("KIND = Kind(**GOOD | dict(settings=Numbered))", "", "AttributeError"),
    ],
)
def test_what_its_functions_raise_costs_its_own_target_only(
    beside: Callable[..., None],
    config: Path,
    capsys: pytest.CaptureFixture[str],
    more: str,
    table: str,
    why: str,
) -> None:
    beside(more)
    config.write_text(CONFIG + VAN + table)
    assert run(["-c", str(config), "check", "--json", "--stateless"]) == 2
    readings = {each["target"]: each for each in json.loads(capsys.readouterr().out)["readings"]}
    assert readings["front"]["outcome"] == "seen"
    assert readings["van"]["outcome"] == "blind"
    assert "comes from cockpit-lorry, which fails on this table" in readings["van"]["detail"]
    assert why in readings["van"]["detail"]


@pytest.mark.parametrize("gives", ["facts", "tables", "changes", "diagnose"])
def test_what_it_gives_that_is_nothing_of_the_kind_costs_its_own_look_only(
    beside: Callable[..., None], config: Path, capsys: pytest.CaptureFixture[str], gives: str
) -> None:
    beside(f"PROBE = Probe(**LOOK | dict({gives}=lambda a, b: [7]))")
    config.write_text(CONFIG + VAN)
    assert run(["-c", str(config), "check", "--json", "--stateless"]) == 2
    readings = {each["target"]: each for each in json.loads(capsys.readouterr().out)["readings"]}
    assert readings["front"]["outcome"] == "seen"
    assert "TypeError in lorry.load: it gave a int for a" in readings["van"]["detail"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (
            "diagnose=lambda a, b: [Finding('LORRY_FULL', 'high', 'x')]",
            "it gave a Finding, and its severity is a str, not Severity",
        ),
        (
            "diagnose=lambda a, b: [Finding(7, Severity.HIGH, 'x')]",
            "it gave a Finding, and its code is a int, not a text",
        ),
        (
            "facts=lambda a, b: [Fact('load', '7 t', severity='high')]",
            "it gave a Fact, and its severity is a str, not Severity",
        ),
        ("collect=blind('denied', 'LORRY_GONE', 'loud')", "'loud' is not a valid Severity"),
        ("collect=blind('gone', '', '')", "'gone' is not a valid Reason"),
    ],
)
def test_a_wrong_member_of_what_it_gives_costs_its_own_look_only(
    beside: Callable[..., None],
    config: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: str,
    why: str,
) -> None:
    beside(f"PROBE = Probe(**LOOK | dict({wrong}))")
    config.write_text(CONFIG + VAN)
    assert run(["-c", str(config), "check", "--json", "--stateless"]) == 2
    readings = {each["target"]: each for each in json.loads(capsys.readouterr().out)["readings"]}
    assert readings["front"]["outcome"] == "seen"
    assert why in readings["van"]["detail"]


def test_a_probe_s_own_rule_of_its_settings_is_a_problem_of_the_file(
    beside: Callable[..., None], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside("PROBE = Probe(**LOOK | dict(settings=Strict()))")
    config.write_text(CONFIG + VAN + '[probes."lorry.load"]\nwheels = 7\n')
    assert run(["-c", str(config), "check"]) == 64
    said = capsys.readouterr().err
    assert 'probes."lorry.load": the probe refuses it: ValueError: too many wheels' in said


@pytest.mark.parametrize(
    "more",
    [
        "KIND = Kind(**GOOD | dict(settings=Unread))",
        "PROBE = Probe(**LOOK | dict(codes=None))",
        "PROBE = Probe(**LOOK | dict(codes=('LORRY_FULL',)))",
        "PROBE = Probe(**LOOK | dict(settings=Unread()))",
    ],
)
def test_a_broken_one_hinders_no_other_command(
    beside: Callable[..., None], config: Path, capsys: pytest.CaptureFixture[str], more: str
) -> None:
    beside(more)
    named = ["-c", str(config)]
    code = next(iter(catalog().probes["postgres.locks"].codes))
    assert run([*named, "explain", code]) == 0
    assert "postgres.locks" in capsys.readouterr().out
    assert run([*named, "schema"]) == 0
    assert "endpoint" in json.loads(capsys.readouterr().out)["properties"]["target"]["items"][
        "properties"]["kind"]["enum"]  # fmt: skip
    assert run([*named, "runbook", "lint"]) == 2
    assert "(cockpit-lorry)" in capsys.readouterr().err
    assert run([*named, "runbook", "coverage"]) in (0, 2)
    opening = tui._read(config, None)
    assert [each.name for each in opening.config.targets][1].endswith("(cockpit-lorry)")


def test_a_code_whose_source_cannot_be_read_is_explained_by_that(
    beside: Callable[..., None], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside("collect = partial(collect)\ncollect.__module__ = 'gone'\n"
           "PROBE = Probe(**LOOK | dict(collect=collect))")  # fmt: skip
    assert run(["-c", str(config), "explain", "LORRY_FULL"]) == 0
    said = capsys.readouterr().out
    assert "cockpit-lorry cannot be read for it: ModuleNotFoundError: No module named" in said


def test_a_kind_without_a_probe_and_a_probe_without_a_kind_are_one_line_each(
    beside: Callable[..., None],
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # the line is cut to the terminal
    beside("PROBE = Probe(**LOOK | dict(kind='lorri'))")
    assert told(catalog()) == [
        (
            "plug-in lorry (cockpit-lorry)",
            "no probe looks at this kind: its targets stay unexamined",
        ),
        (
            "plug-in lorry.load (cockpit-lorry)",
            "looks at the kind 'lorri', which nobody brings; did you mean 'lorry'?",
        ),
    ]
    assert run(["-c", str(config), "check"]) == 2
    assert "which nobody brings" in capsys.readouterr().out
    assert run(["-c", str(config), "runbook", "lint"]) == 2
    assert "no probe looks at this kind" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ("Metadata-Version: 2.1\n", "no Name"),
        (None, ""),
    ],
    ids=["no Name", "no METADATA"],
)
def test_a_torn_one_is_told_by_its_folder(
    beside: Callable[..., None], metadata: str | None, why: str
) -> None:
    beside(metadata=metadata)
    ((title, said),) = told(catalog())
    assert title == "plug-in (cockpit_lorry-1.0.dist-info)"
    assert "its METADATA has no name, so nothing of it is used" in said
    assert why in said
    assert "lorry" not in catalog().kinds


def test_a_torn_one_of_others_is_not_ours_to_tell(beside: Callable[..., None]) -> None:
    beside(metadata=None, points="[console_scripts]\nlorry = MODULE:boom\n")
    assert told(catalog()) == []


def test_what_one_distribution_claims_twice_is_told_as_that(beside: Callable[..., None]) -> None:
    points = "[cockpit.kinds]\nlorry = MODULE:KIND\nvan = MODULE:KIND\n"
    beside(points=points)
    ((title, said),) = told(catalog())
    assert title == "plug-in lorry (cockpit-lorry)"
    assert said.startswith("claims 'lorry' 2 times (lorry = lorry_")
    assert "uninstall one" not in said


def test_what_two_distributions_claim_three_times_names_each_once(
    beside: Callable[..., None],
) -> None:
    beside(points="[cockpit.kinds]\nlorry = MODULE:KIND\nvan = MODULE:KIND\n")
    beside(metadata="Metadata-Version: 2.1\nName: cockpit-van\n", name="van")
    titles = [title for title, _ in told(catalog())]
    assert titles == ["plug-in lorry (cockpit-lorry and cockpit-van)"]


def test_two_kinds_that_share_settings_and_open_them_differently_are_both_told(
    beside: Callable[..., None],
) -> None:
    """A session is found by the type of its settings: one would get the other's."""
    more = "VAN = replace(KIND, name='van', open=collect)\nBUS = replace(KIND, name='bus')\n"
    lines = "".join(f"{name} = MODULE:{name}\n" for name in ("KIND", "VAN", "BUS"))
    beside(more, f"[cockpit.kinds]\n{lines}[cockpit.probes]\nload = MODULE:PROBE\n")
    titles = {title: why for title, why in told(catalog()) if "give each its own" in why}
    assert {title.split()[1] for title in titles} == {"KIND", "VAN", "BUS"}


AWS_PROBE = '''
"""Functions."""

from cockpit.connect.aws.kind import aws_kind
from probes.rds.status import PROBE as OTHER
from dataclasses import replace

KIND = aws_kind("NEW", "new")
PROBE = replace(OTHER, id="NEW.errors", kind="NEW")
'''


def test_one_file_brings_the_probe_of_a_kind_that_had_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: Callable[..., None]
) -> None:
    new = "airship"
    (tmp_path / f"{new}.py").write_text(AWS_PROBE.replace("NEW", new))
    monkeypatch.setattr(probes, "__path__", [*probes.__path__, str(tmp_path)])
    beside()
    found = catalog()
    assert found.kinds[new].short == "new"
    assert f"{new}.errors" in found.probes
    assert set(found.kinds) >= set(KINDS)
