"""A private PostgreSQL server for tests: a real one, reached over loopback alone, that can be killed and restarted.

Tests take the fixture ``postgres`` by importing it; it is made once a module. Where the tests run as root, whom
PostgreSQL refuses, the server runs as the account ``postgres``.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.mlflow_store import free_port

ACCOUNT = "postgres"

#: Not secret, but found in no other text, so that a test can tell where it appears.
PASSWORD = "pw-7e1b0c94"  # noqa: S105


def programs() -> Path | None:
    """The folder of ``initdb`` and ``postgres``: that on the PATH, else Debian's newest; None where there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


class PostgreSQL:
    """A server over a fresh data folder below ``base``, of which its account owns all."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._programs, self._base, self.port = folder, base, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (base / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            account = pwd.getpwnam(ACCOUNT)
            for path in (base, base / "password"):
                os.chown(path, account.pw_uid, account.pw_gid)
        # No fsync: a killed server loses nothing by that, only a machine without power would.
        options = ["--username", ACCOUNT, "--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8", "--locale", "C"]
        self._run(
            "initdb", "--pgdata", str(base / "data"), "--pwfile", str(base / "password"), *options
        ).check_returncode()

    def _command(self, program: str, *arguments: str) -> list[str]:
        as_account = (
            ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups"] if os.getuid() == 0 else []
        )
        return [*as_account, str(self._programs / program), *arguments]

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self._command(program, *arguments), cwd=self._base, capture_output=True, check=False)

    def start(self) -> None:
        """Start the server and wait until it takes connections; after a kill it recovers first."""
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": str(self._base)}
        settings |= {"fsync": "off", "shared_buffers": "16MB", "max_connections": 40}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._base / "log").open("ab") as log:
            command = self._command("postgres", "-D", str(self._base / "data"), *options)
            self._process = subprocess.Popen(command, cwd=self._base, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while self._run("pg_isready", "--host", "127.0.0.1", "--port", str(self.port)).returncode:
            assert self._process.poll() is None, (self._base / "log").read_text()[-2000:]
            assert time.monotonic() < end, "no answer from PostgreSQL"
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the server; its workers see that it is gone and end."""
        self._end(signal.SIGKILL)
        # Shared memory that a worker still holds would keep the next server from starting.
        data = str(self._base / "data")
        end = time.monotonic() + 30
        while self._run("pg_ctl", "status", "--pgdata", data).returncode == 0:
            assert time.monotonic() < end
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server at once, leaving nothing behind."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def database(self) -> str:
        """The address of a fresh, empty database, for SQLAlchemy: ``postgresql+psycopg://...``, password included."""
        import psycopg

        name = f"fresh_{secrets.token_hex(4)}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.address(name).replace("postgresql://", "postgresql+psycopg://")

    def address(self, database: str) -> str:
        """The address of a database, for psycopg."""
        return f"postgresql://{ACCOUNT}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgreSQL]:
    """A running server; skipped with the reason where PostgreSQL, or an account for it, is not there."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL is not installed: no initdb on the PATH or in /usr/lib/postgresql/*/bin")
    if os.getuid() == 0 and (shutil.which("setpriv") is None or ACCOUNT not in {a.pw_name for a in pwd.getpwall()}):
        pytest.skip(f"PostgreSQL does not run as root, and there is no account {ACCOUNT!r} or no setpriv")
    # Not below pytest's own folder, which other accounts may not enter; short, for the socket's path is limited.
    base = Path(tempfile.mkdtemp(prefix="postgres-"))
    server = PostgreSQL(folder, base)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(base, ignore_errors=True)
