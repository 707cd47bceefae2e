"""The configuration: everything wrong is told at once, with the nearest word."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cockpit import ownership
from cockpit.cli.tui import _read
from cockpit.config import Config, ConfigProblems, IncidentSettings, ScreenSettings, find, load
from cockpit.connect.aws.settings import VpcEnd
from cockpit.connect.role import Role
from cockpit.connect.settings import AwsSite, Login
from cockpit.desk.opening import Opening
from cockpit.errors import Misconfigured
from cockpit.runbooks.library import Library
from cockpit.triage.finding import Thresholds
from cockpit.triage.probe import Probe
from cockpit.triage.registry import Catalog, catalog, registry
from screens import theme
from tests.tools import settings_table

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@dataclasses.dataclass(frozen=True)
class Limits:
    used: Thresholds = Thresholds(warning=0.8, critical=0.95)
    free: Thresholds = Thresholds(warning=20, critical=5, below=True)
    skip: tuple[str, ...] = ()


async def _collect(session: object, target: object) -> None:
    return None


PROBES = {
    "postgres.sessions": Probe(
        id="postgres.sessions",
        kind="postgres",
        collect=_collect,
        diagnose=lambda snapshot, settings: (),
        snapshot=type(None),
        settings=Limits(),
        every=5,
        timeout=3,
    )
}
CATALOG = Catalog(kinds=catalog().kinds, probes=PROBES)
MINIMAL = """
environment = "prod"
[[target]]
kind = "postgres"
name = "orders-db"
host = "db"
user = "cockpit_ro"
"""


def problems(text: str, folder: Path) -> str:
    with pytest.raises(ConfigProblems) as caught:
        read(text, folder)
    return caught.value.message


def read(text: str, folder: Path) -> Config:
    path = folder / "cockpit.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, CATALOG)


def test_the_smallest_configuration_is_triage(tmp_path: Path) -> None:
    config = read(MINIMAL, tmp_path)
    assert config.role is Role.TRIAGE
    assert [target.name for target in config.targets] == ["orders-db"]


def test_the_example_loads_with_the_real_probes() -> None:
    config = load(EXAMPLE, catalog())
    assert {target.kind for target in config.targets} >= {"alb", "postgres", "redis", "vpc_path"}


def test_the_example_names_every_setting() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    records = (
        AwsSite,
        Login,
        VpcEnd,
        *(kind.settings for kind in catalog().kinds.values()),
        IncidentSettings,
        ScreenSettings,
    )
    named = {field.name for record in records for field in dataclasses.fields(record)}
    written = set(
        re.findall(r"(?:^|[#{,] *|or |\[target\.)([a-z_]+)(?: =|\]| with)", text, re.MULTILINE)
    )
    ends = set(re.findall(r"[a-z_]+", re.findall(r"# An end is (.*)", text)[0]))
    assert named - {"name"} - written - ends == set()


def test_the_page_of_all_settings_is_what_the_probes_say() -> None:
    told = settings_table.PAGE.read_text(encoding="utf-8")
    assert told == settings_table.page(), "python -m tests.tools.settings_table writes it"
    settings = [f for p in registry().values() for f in dataclasses.fields(p.settings)]
    assert len(re.findall(r"^\| `[a-z_]+` \|", told, re.MULTILINE)) == len(settings)


def test_the_page_of_all_settings_names_every_environment_variable() -> None:
    root = EXAMPLE.parent
    sources = (path for part in ("cockpit", "screens") for path in (root / part).rglob("*.py"))
    read = {
        name for path in sources for name in re.findall(r'"(COCKPIT_[A-Z]+)"', path.read_text())
    }
    assert read == set(settings_table.ENVIRONMENT) - {"NO_COLOR"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "environment: is missing", id="an empty file"),
        pytest.param("environment = ", "is not TOML", id="no TOML"),
        pytest.param(
            MINIMAL + 'hostt = "x"\n',
            "hostt: unknown key; did you mean 'host'?",
            id="a misspelt key",
        ),
        pytest.param(
            MINIMAL.replace('"postgres"', '"postgress"'),
            "unknown kind 'postgress'; did you mean 'postgres'?",
            id="a misspelt kind",
        ),
        pytest.param(
            MINIMAL.replace('host = "db"\n', ""),
            "target[1] (orders-db).host: is missing",
            id="a missing key",
        ),
        pytest.param(
            MINIMAL + "port = 70000\n", "port: 70000 is not a port", id="a port out of range"
        ),
        pytest.param(
            MINIMAL + 'port = "x"\n', "port: expected a whole number, got a text", id="a wrong type"
        ),
        pytest.param(
            MINIMAL + 'password = "hunter2"\n',
            "a secret may not be written here",
            id="a secret in the file",
        ),
        pytest.param(
            MINIMAL + 'sslmode = "verify_full"\n',
            "verify-ca, verify-full; did you mean 'verify-full'?",
            id="a word that is none",
        ),
        pytest.param(
            MINIMAL + 'needs = ["ordersdb"]\n',
            "no target 'ordersdb'; did you mean 'orders-db'?",
            id="a need that is not there",
        ),
        pytest.param(
            MINIMAL + 'needs = ["orders-db"]\n',
            "a circle: orders-db → orders-db",
            id="a target that needs itself",
        ),
        pytest.param(
            MINIMAL + MINIMAL.partition("\n[[")[2].join(["[[", ""]),
            "the name 'orders-db' is taken",
            id="a name twice",
        ),
        pytest.param(
            'role = "comander"\n' + MINIMAL, "did you mean 'commander'?", id="a misspelt role"
        ),
        pytest.param(
            MINIMAL + '[probes."postgres.session"]\n',
            "no such probe; did you mean 'postgres.sessions'?",
            id="a misspelt probe",
        ),
        pytest.param(
            MINIMAL + '[probes."postgres.sessions"]\nused = { warn = 0.5 }\n',
            "warn: unknown key; did you mean 'warning'?",
            id="a misspelt severity",
        ),
        pytest.param(
            MINIMAL + '[probes."postgres.sessions"]\nused = { warning = 0.99 }\n',
            "the limits must rise",
            id="limits in the wrong order",
        ),
        pytest.param(
            MINIMAL + '[probes."postgres.sessions"]\nfree = { critical = 50 }\n',
            "the limits must fall",
            id="limits from above in the wrong order",
        ),
        pytest.param(
            MINIMAL + '[screen]\ntheme = "drak"\n',
            "did you mean 'dark'?",
            id="a theme that is none",
        ),
        pytest.param(
            MINIMAL + '[incident]\nseverity = "P9"\n',
            "incident.severity: 'P9' is none of P0, P1, P2, P3",
            id="a severity that is none",
        ),
        pytest.param(
            MINIMAL.replace('"db"', '" "'), "(orders-db).host: is empty", id="an empty host"
        ),
        pytest.param(
            'environment = "p"\n[[target]]\nkind = "alb"\nname = "a"\naws = "prod"\narn = "foo"\n[aws.prod]\nregion = "r"\n',
            "target[1] (a).arn: 'foo' is no ARN",
            id="an ARN that is none",
        ),
        pytest.param(
            'environment = "p"\n[[target]]\nkind = "alb"\nname = "a"\naws = "prd"\narn = "x"\n[aws.prod]\nregion = "r"\n',
            "no place [aws.prd]; did you mean 'prod'?",
            id="a place that is not there",
        ),
        pytest.param(
            'environment = "p"\n[[target]]\nkind = "endpoint"\nname = "e"\nurl = "shop.example"\n',
            "url: must begin with https://",
            id="a URL without a scheme",
        ),
        pytest.param(
            'environment = "p"\n[[target]]\nkind = "endpoint"\nname = "e"\nurl = "https://a"\nexpect = "events"\n',
            "expect: must be 'stream', or left out",
            id="an answer of a kind that is not known",
        ),
        pytest.param(
            'environment = "p"\n[[target]]\nkind = "endpoint"\nname = "e"\nurl = "https://a"\ntls_key = "k"\n',
            "tls_key: is of no use without tls_cert",
            id="a key without its certificate",
        ),
        pytest.param(
            'environment = "p"\n[[target]]\nkind = "vpc_path"\nname = "e"\naws = "a"\nport = 1\nsource = { cidr = "x", address = "y" }\ndestination = {}\n[aws.a]\nregion = "r"\n',
            "source: name one of instance",
            id="an end named twice",
        ),
    ],
)
def test_what_is_wrong_is_told_with_the_nearest_word(text: str, told: str, tmp_path: Path) -> None:
    assert told in problems(text, tmp_path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace('host = "db"', 'hostt = "db"').replace("environment", "enviroment")
    told = problems(text, tmp_path).splitlines()
    assert len(told) == 4
    assert all(line.startswith("cockpit.toml: ") for line in told)


def test_what_lacks_a_key_is_there_all_the_same_and_all_else_of_it_is_checked(
    tmp_path: Path,
) -> None:
    text = """
environment = "prod"
[aws.prod]
[[target]]
kind = "alb"
name = "front"
aws = "prod"
arn = "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/app/x/1"
needs = ["db", "path", "none"]
[[target]]
kind = "postgres"
name = "db"
user = "x"
needs = ["nobody"]
[target.probes."postgres.sessions"]
used = { warn = 0.5 }
[[target]]
kind = "vpc_path"
name = "path"
aws = "prod"
source = { cidr = 3 }
needs = ["url"]
[[target]]
kind = "endpoint"
name = "url"
[[target]]
kind = "kettle"
name = "db"
needs = ["front", "nowhere"]
"""
    assert problems(text, tmp_path).splitlines() == [
        f"cockpit.toml: {problem}"
        for problem in (
            "aws.prod.region: is missing",
            "target[2] (db).host: is missing",
            'target[2] (db).probes."postgres.sessions".used.warn: unknown key; did you mean '
            "'warning'?",
            "target[3] (path).source.cidr: expected a text, got a whole number",
            "target[3] (path).destination: is missing",
            "target[3] (path).port: is missing",
            "target[4] (url).url: is missing",
            "target[5] (db): unknown kind 'kettle'; if a plug-in brings it, "
            "install that beside the cockpit",
            "target[5] (db): the name 'db' is taken",
            "target (front).needs: no target 'none'",
            "target (db).needs: no target 'nobody'",
            "target (db).needs: no target 'nowhere'",
            "needs: a circle: front → db → front",
        )
    ]


@pytest.mark.parametrize(
    ("text", "worn"),
    [
        pytest.param("", theme.SIXTEEN, id="none: what the terminal can show"),
        pytest.param('[screen]\ntheme = "light"\n', theme.LIGHT, id="one that is named"),
        pytest.param('[screen]\ntheme = "ansi"\n', theme.SIXTEEN, id="the terminal's own colours"),
    ],
)
def test_the_configuration_chooses_the_theme_only_where_it_names_one(
    text: str, worn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(MINIMAL + text, encoding="utf-8")
    monkeypatch.setenv("COCKPIT_THEME", "")
    monkeypatch.delenv("COCKPIT_THEME")
    _read(path, None)
    assert theme.choose({"TERM": "linux", **only_theme(os.environ)}) == worn
    terminal = {"TERM": "xterm-256color", **only_theme(os.environ)}
    assert theme.choose(terminal) == (worn if text else theme.DARK)


def only_theme(environ: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environ.items() if key == "COCKPIT_THEME"}


def test_a_target_overrides_the_files_thresholds_and_those_the_defaults(tmp_path: Path) -> None:
    config = read(
        MINIMAL
        + '[target.probes."postgres.sessions"]\nused = { critical = 0.99 }\n'
        + '[probes."postgres.sessions"]\nused = { warning = 0.5 }\nskip = ["dba"]\n',
        tmp_path,
    )
    found = config.settings_for(config.targets[0], PROBES["postgres.sessions"])
    assert found == Limits(used=Thresholds(warning=0.5, critical=0.99), skip=("dba",))


def test_a_missing_file_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(Misconfigured) as caught:
        find()
    assert "cockpit demo" in caught.value.hint


@pytest.mark.parametrize("where", ["file", "folder"])
@pytest.mark.parametrize("how", ["another's", "everybody's", "another group's"])
def test_a_file_of_the_current_folder_that_a_stranger_may_have_written_is_only_read_by_name(
    where: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_text(MINIMAL)
    monkeypatch.chdir(tmp_path)
    assert find() == Path("cockpit.toml")
    which = path if where == "file" else tmp_path
    if how == "everybody's":
        which.chmod(0o777)
    elif how == "another group's":
        which.chmod(0o775)
        if os.geteuid() == 0:
            os.chown(which, -1, 54321)
        else:
            monkeypatch.setattr(os, "getegid", lambda: which.stat().st_gid + 1)
    else:
        me = os.geteuid()  # whoever runs the tests may not be able to give a file away
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
        monkeypatch.setattr(ownership, "ROOT", -1)
    with pytest.raises(Misconfigured) as caught:
        find()
    assert ("another user" if how == "another's" else "others may write") in caught.value.message
    assert caught.value.hint.endswith("cockpit --config cockpit.toml")
    assert find(Path("cockpit.toml")) == Path("cockpit.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a = 1\x00"], ids=["not UTF-8", "a NUL"])
def test_bytes_that_are_no_text_are_a_clear_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cockpit.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigProblems):
        load(path, CATALOG)


@pytest.mark.parametrize(
    ("line", "who"),
    [
        ("", None),
        ("allow_commander = true\n", None),
        ("allow_commander = false\n", ()),
        ('allow_commander = ["ana", "bob"]\n', ("ana", "bob")),
    ],
)
def test_a_configuration_says_who_may_act(
    line: str, who: tuple[str, ...] | None, tmp_path: Path
) -> None:
    config = read(line + MINIMAL, tmp_path)
    assert config.commanders == who
    config.must_allow(Role.TRIAGE, "eve")
    if who is None:
        config.must_allow(Role.COMMANDER, "eve")
    else:
        with pytest.raises(Misconfigured, match="eve may not be commander here") as caught:
            config.must_allow(Role.COMMANDER, "eve")
        assert caught.value.hint == "cockpit --role triage"
    for name in who or ():
        config.must_allow(Role.COMMANDER, name)


@pytest.mark.parametrize(
    "value", ['"no"', "0", "[]", "[1]", '[""]', "{}", 'false\nrole = "commander"']
)
def test_an_unclear_word_on_who_may_act_lets_nobody_and_is_told(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match="allow_commander: "):
        read(f"allow_commander = {value}\n" + MINIMAL, tmp_path)


def test_a_role_on_the_command_line_gives_no_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    config = read('allow_commander = ["ana-of-nowhere"]\n' + MINIMAL, tmp_path)
    with pytest.raises(Misconfigured, match="may not be commander here"):
        Opening(config, probes={}, library=Library(), role=Role.COMMANDER)
    assert Opening(config, probes={}, library=Library()).role is Role.TRIAGE


@pytest.mark.parametrize("odd", ["\\u0000", "\\u202e", "\\u001b[2J", "\\u2066"])
@pytest.mark.parametrize(
    "line", ['environment = "a{}"', 'runbooks = ["a{}"]', 'plugins = ["a{}"]', '"x{}" = 1']
)
def test_what_a_terminal_would_act_on_is_no_text_of_a_configuration(
    line: str, odd: str, tmp_path: Path
) -> None:
    text = MINIMAL.replace('environment = "prod"', "") if "environment" in line else MINIMAL
    with pytest.raises(ConfigProblems, match="holds a character that is not shown") as caught:
        read(line.format(odd) + "\n" + text, tmp_path)
    assert caught.value.message.replace("\n", "").isprintable()
