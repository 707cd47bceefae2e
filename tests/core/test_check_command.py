"""`cockpit check` as a process: what is chosen, what is kept, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from cockpit.check import Exit

SCHEMA = json.loads(files("cockpit").joinpath("schema/check.json").read_text(encoding="utf-8"))


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@pytest.fixture
def shop(tmp_path: Path, silent: socket.socket) -> Path:
    """Two sites where nobody listens, and one that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    ports = {"front": port, "back": port, "mute": silent.getsockname()[1]}
    path = tmp_path / "cockpit.toml"
    path.write_text(
        'environment = "test"\n'
        + "".join(
            f'[[target]]\nname = "{name}"\nkind = "endpoint"\nurl = "http://127.0.0.1:{number}/"\n'
            for name, number in ports.items()
        ),
        encoding="utf-8",
    )
    return path


def begun(config: Path, *arguments: str) -> subprocess.Popen[str]:
    words = [
        sys.executable,
        "-m",
        "cockpit.cli",
        "--config",
        str(config),
        "check",
        "--stateless",
        *arguments,
    ]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words, stdout=pipe, stderr=pipe, text=True, cwd=config.parent, preexec_fn=_hears_ctrl_c
    )


def _hears_ctrl_c() -> None:
    """Whoever starts the tests in the background of a shell hands an ignored SIGINT down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_only_what_was_chosen_is_looked_at_and_what_was_collected_is_kept(
    shop: Path, tmp_path: Path
) -> None:
    chosen = ("-t", "front", "-t", "back", "-p", "endpoint.path")
    with begun(shop, "--json", *chosen, "--record", str(tmp_path / "kept")) as check:
        out, told = check.communicate(timeout=60)
    said = json.loads(out)
    jsonschema.validate(said, SCHEMA)
    kept = sorted((tmp_path / "kept").iterdir())

    assert (check.returncode, told) == (Exit.CRITICAL, "")
    assert sorted((r["target"], r["probe"]) for r in said["readings"]) == [
        ("back", "endpoint.path"),
        ("front", "endpoint.path"),
    ]
    assert [path.name for path in kept] == ["back.endpoint.path.json", "front.endpoint.path.json"]
    assert all("path" in json.loads(path.read_bytes()) for path in kept)
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_takes_no_file_costs_the_recording_and_not_the_report(
    shop: Path, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("a file")
    with begun(shop, "--json", "-t", "front", "--record", str(tmp_path / "kept" / "in")) as check:
        out, told = check.communicate(timeout=60)
    jsonschema.validate(json.loads(out), SCHEMA)
    assert check.returncode == Exit.CRITICAL
    assert "--record: " in told
    assert "cannot be written" in told


def test_ctrl_c_ends_a_check_with_130(shop: Path, silent: socket.socket) -> None:
    with begun(shop, "-t", "mute") as check:
        visitor, _ = silent.accept()
        check.send_signal(signal.SIGINT)
        out, told = check.communicate(timeout=30)
        visitor.close()

    assert (check.returncode, out) == (Exit.INTERRUPTED, "")
    assert told.split("\n") == ["", "cockpit: interrupted", ""], "a line of its own after ^C"
