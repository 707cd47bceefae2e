"""A bug of ours costs one toast, and is told in a file that nobody else can read or prepare."""

from __future__ import annotations

import base64
import stat
import tempfile
from pathlib import Path

import pytest

from cockpit.redact import MASKER
from screens.app import CockpitApp
from tests.screens.conftest import Shows, settle, text, toasts
from tests.screens.fake_desk import FakeDesk

COPY = "\x1b]52;c;"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_a_fault_is_a_toast_and_a_private_file_without_secrets(
    folder: Path, desk: FakeDesk, show: Shows
) -> None:
    MASKER.learn("sw0rdfish-7781")
    async with show(desk, kind=CockpitApp) as pilot:
        app = pilot.app
        assert isinstance(app, CockpitApp)
        app._handle_exception(ValueError("could not log in with sw0rdfish-7781"))
        app._handle_exception(KeyError("another"))
        await settle(pilot)
        (path,) = folder.iterdir()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        told = path.read_text()
        assert "sw0rdfish" not in told
        assert "could not log in with •••" in told
        assert "another" in told
        assert f"A fault in the cockpit: KeyError. Told in {path}" in toasts(pilot)[-1]
        assert "Findings" in text(pilot), "the screen goes on"


async def test_a_link_put_in_place_of_the_file_is_not_followed(
    folder: Path, desk: FakeDesk, show: Shows
) -> None:
    async with show(desk, kind=CockpitApp) as pilot:
        app = pilot.app
        assert isinstance(app, CockpitApp)
        app._handle_exception(ValueError("first"))
        (path,) = folder.iterdir()
        precious = folder / "precious"
        precious.write_text("kept")
        path.unlink()
        path.symlink_to(precious)
        app._handle_exception(ValueError("second"))
        await settle(pilot)
        assert precious.read_text() == "kept"
        assert "could not be written down" in toasts(pilot)[-1]


async def test_no_secret_is_copied_or_told_in_a_toast(
    desk: FakeDesk, show: Shows, monkeypatch: pytest.MonkeyPatch
) -> None:
    MASKER.learn("sw0rdfish-7782")
    async with show(desk) as pilot:
        app = pilot.app
        assert isinstance(app, CockpitApp)
        sent: list[str] = []
        monkeypatch.setattr(app._driver, "write", sent.append, raising=False)
        app.copy_out("login with sw0rdfish-7782")
        app.say("refused for sw0rdfish-7782")
        await settle(pilot)
        (code,) = [each for each in sent if each.startswith(COPY)]
        copied = base64.b64decode(code.removeprefix(COPY).rstrip("\a")).decode()
        assert copied == "login with •••"
        assert toasts(pilot)[-1] == "refused for •••"
