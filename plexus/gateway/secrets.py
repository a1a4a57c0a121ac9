"""Secret references → values, read once when the server starts; all missing ones at once."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from plexus.accounts.secret import Secret
from plexus.routing.target import SecretRef


class MissingSecrets(Exception):
    """Names, never values: what the server cannot start without."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = sorted(problems)
        super().__init__("; ".join(self.problems))


def read_secrets(
    references: Iterable[SecretRef],
    environment: Mapping[str, str],
    documents: Collection[SecretRef] = (),
) -> dict[SecretRef, Secret]:
    """Every reference's value.  Raises MissingSecrets naming all that are unset, blank or bad.

    ``documents`` are read, not sent: they may have line breaks.
    """
    found: dict[SecretRef, Secret] = {}
    problems: set[str] = set()
    for reference in references:
        try:
            value = _read(reference, environment)
            if reference not in documents:
                _check_header(value)
            found[reference] = Secret(value)
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else str(problem)
            problems.add(f"{_name(reference)}: {reason}")
    if problems:
        raise MissingSecrets(problems)
    return found


def _name(reference: SecretRef) -> str:
    if reference.env is not None:
        return f"environment variable {reference.env}"
    return f"file {reference.file}"


def _read(reference: SecretRef, environment: Mapping[str, str]) -> str:
    if reference.env is not None:
        if reference.env not in environment:
            raise ValueError("is not set")
        value = environment[reference.env]
    else:
        try:
            value = Path(reference.file or "").read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8 text") from None
    # An editor's or a shell's final newline is no part of a key.
    value = value.removesuffix("\n").removesuffix("\r")
    if not value.strip():
        raise ValueError("is empty")
    return value


def _check_header(value: str) -> None:
    if not value.isascii() or not value.isprintable():
        raise ValueError("holds characters that no HTTP header can carry")
