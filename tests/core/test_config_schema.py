"""What an editor is told of the configuration, held to what loading says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cockpit.config import ConfigProblems, example, load
from cockpit.config.schema import schema
from cockpit.triage.registry import catalog
from tests.tools import config_schema

VALIDATOR = jsonschema.Draft202012Validator(schema(catalog()))
HEAD = 'environment = "x"\n[aws.prod]\nregion = "us-east-1"\n'
TARGET = HEAD + '[[target]]\nname = "t"\n'


def errors(text: str) -> list[Any]:
    return list(VALIDATOR.iter_errors(tomllib.loads(text)))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema(catalog()))


def test_the_file_for_editors_is_what_the_records_say() -> None:
    told = config_schema.FILE.read_text(encoding="utf-8")
    assert told == config_schema.page(), "python -m tests.tools.config_schema writes it"


def test_the_example_is_valid_and_names_the_schema_in_its_first_line() -> None:
    text = example().read_text(encoding="utf-8")
    assert errors(text) == []
    first = text.splitlines()[0]
    assert first.startswith("#:schema ")
    assert (example().parent / first.removeprefix("#:schema ")).resolve() == config_schema.FILE


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (TARGET + 'kind = "postgres"\nhost = "db"\nuser = "ro"', True),
        (TARGET + 'kind = "postgres"\nhost = "db"', False),
        (TARGET + 'kind = "postgres"\nhost = "db"\nuser = "ro"\nhostt = "x"', False),
        (TARGET + 'kind = "postgres"\nhost = "db"\nuser = "ro"\nport = "5432"', False),
        (TARGET + 'kind = "postgres"\nhost = "db"\nuser = "ro"\nsslmode = "verify"', False),
        (TARGET + 'kind = "pg"\nhost = "db"\nuser = "ro"', False),
        (TARGET + 'kind = "alarms"\naws = "prod"', True),
        (TARGET + 'kind = "target_group"\naws = "prod"\narn = "arn:aws:x:y:1:z"', True),
        (TARGET + 'kind = "target_group"\naws = "prod"\narn = 3', False),
        (HEAD, False),
        (HEAD + 'rol = "triage"', False),
        (
            TARGET + 'kind = "redis"\nhost = "c"\n[target.probes."redis.health"]\nnone = 3',
            False,
        ),
        (
            TARGET + 'kind = "postgres"\nhost = "db"\nuser = "ro"\n'
            '[target.probes."postgres.sessions"]\nlong_query = { warning = 90 }',
            True,
        ),
    ],
)
def test_it_says_what_loading_says(text: str, good: bool, tmp_path: Path) -> None:
    file = tmp_path / "cockpit.toml"
    file.write_text(text)
    try:
        load(file, catalog())
    except ConfigProblems:
        assert not good
    else:
        assert good
    assert (errors(text) == []) is good
