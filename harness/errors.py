"""The one exception a person can act on."""

from __future__ import annotations

from collections.abc import Sequence


class InputError(Exception):
    """Something the user gave is wrong: the message says what, where, and what is allowed.

    The command line prints the message on one line, and each of ``details`` on a line below it, and exits with status
    2. Raise it before anything is started or written.
    """

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


class StoreError(InputError):
    """A file of a sweep cannot be written, or read as this program wrote it: the message names the file."""


class FormatError(StoreError):
    """A sweep was written in another format than this program reads."""
