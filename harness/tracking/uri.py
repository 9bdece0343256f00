"""Addresses of MLflow stores: the default, the form that may be shown, and whether the store answers. No mlflow."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import ssl
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from harness.errors import InputError
from harness.store import slug

#: Seconds that a server may take to answer before it counts as dead.
ANSWER_SECONDS = 2

#: Seconds to wait for another writer of the same SQLite file: MLflow's own busy timeout.
BUSY_SECONDS = 20

_SERVER_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_SQLITE = re.compile(r"sqlite:///([^?]+)(\?.*)?")

# Greedy up to the last @: a password may hold any character, and hiding too much does no harm.
_PASSWORD = re.compile(r"^([A-Za-z][\w+.-]*://[^/?#:@]*):(.*)@", re.DOTALL)
_SECRET_FIELD = re.compile(r"([?&][^=&]*(?:password|passwd|pwd|token|secret)[^=&]*=)([^&]*)", re.IGNORECASE)


class UnreachableError(InputError):
    """The store cannot be used now; what was committed waits in the sweep's folder."""


def default_uri() -> str:
    """The store to mirror into: ``MLFLOW_TRACKING_URI``, else ``mlflow.db`` in the working directory.

    ``mlflow ui`` opens the second by default.

    Raises:
        InputError: the environment variable names no store that MLflow 3 can write to.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    try:
        return absolute_uri(named or "sqlite:///mlflow.db")
    except InputError as error:
        raise InputError(f"MLFLOW_TRACKING_URI: {error}") from None


def absolute_uri(uri: str) -> str:
    """``uri`` with a relative SQLite path made absolute, so that it means the same in every working directory.

    Raises:
        InputError: not ``sqlite:///FILE``, a database server's or an http(s) address.
    """
    if match := _SQLITE.fullmatch(uri):
        if match.group(1) != ":memory:":
            return f"sqlite:///{os.path.abspath(match.group(1))}{match.group(2) or ''}"
    elif scheme(uri) in ("http", "https", *_SERVER_PORTS) and "://" in uri:
        return uri
    raise InputError(
        f"tracking store {redact(uri)!r}: not a store; allowed: sqlite:///FILE, postgresql://, mysql://, mssql://, "
        "http:// and https:// addresses"
    )


def scheme(uri: str) -> str:
    """The kind of store: ``sqlite``, ``http``, ``postgresql`` and so on, without a driver's name after a plus."""
    return uri.partition(":")[0].partition("+")[0].lower()


def redact(uri: str) -> str:
    """``uri`` with every password and token replaced by ``***``; print, log or store no other form."""
    return _SECRET_FIELD.sub(r"\1***", _PASSWORD.sub(r"\1:***@", uri))


def scrub(text: str, uri: str) -> str:
    """``text`` without the secrets of ``uri``, in the form given there and as a database driver decodes them."""
    secrets = [match.group(2) for match in _SECRET_FIELD.finditer(uri)]
    if match := _PASSWORD.match(uri):
        secrets.append(match.group(2))
    text = text.replace(uri, redact(uri))
    for secret in filter(None, (*secrets, *map(unquote, secrets))):
        text = text.replace(secret, "***")
    return text


def artifact_root(uri: str, experiment: str) -> str | None:
    """Folder for an experiment's files as a ``file://`` address; None if the server chooses it.

    MLflow's own default for a database is relative to the reader's working directory, so it is not used.
    """
    if scheme(uri) in ("http", "https"):
        return None
    match = _SQLITE.fullmatch(uri)
    beside = Path(match.group(1)).parent if match else Path.cwd()
    return (beside.absolute() / "mlartifacts" / slug(experiment)).as_uri()


def check(uri: str) -> None:
    """Check within a few seconds that the store answers.

    Raises:
        UnreachableError: no answer, a server error, or a database file that cannot be written.
    """
    kind = scheme(uri)
    if kind in ("http", "https"):
        _check_http(uri)
    elif match := _SQLITE.fullmatch(uri):
        _check_sqlite(Path(match.group(1)))
    else:
        _check_port(uri, _SERVER_PORTS[kind])


def _check_http(uri: str) -> None:
    parts = urlsplit(uri)
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], f"{parts.path.rstrip('/')}/health", "", ""))
    try:
        with urllib.request.urlopen(address, timeout=ANSWER_SECONDS):  # noqa: S310 - http or https, see check()
            return
    except urllib.error.HTTPError as error:
        with error:
            if error.code < 500:
                return  # the server is there; MLflow's own client reports what is forbidden or missing
            raise UnreachableError(f"store unreachable: {address} answers {error.code}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return  # MLflow has its own settings for certificates
        raise UnreachableError(f"store unreachable: {address}: {reason}") from None


def _check_sqlite(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            # Write-ahead logging is a property of the file: readers such as `mlflow ui` no longer wait for the
            # writer, and writing a run takes a third less time. Some network file systems refuse it; that is no error.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        raise UnreachableError(f"store unreachable: {path}: {error}") from None


def _check_port(uri: str, usual_port: int) -> None:
    try:
        parts = urlsplit(redact(uri))  # a password may hold characters that end the host part
        if not parts.hostname:
            return  # a local socket, which MLflow's own connection checks
        with socket.create_connection((parts.hostname, parts.port or usual_port), timeout=ANSWER_SECONDS):
            return
    except (OSError, ValueError) as error:
        raise UnreachableError(f"store unreachable: {redact(uri)}: {error}") from None
