"""Secret references → values, read once when the server starts; all missing ones at once."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from plexus.accounts.keys import digest_of
from plexus.accounts.secret import Secret, clean, defect, proxy_defect
from plexus.gateway.settings import ClientKey
from plexus.routing.target import SecretRef


class MissingSecrets(Exception):
    """Names, never values: what the server cannot start without, or with."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = sorted(problems)
        super().__init__("; ".join(self.problems))


def read_secrets(
    references: Iterable[SecretRef],
    environment: Mapping[str, str],
    proxies: Collection[SecretRef] = (),
) -> dict[SecretRef, Secret]:
    """Every reference's value; those of ``proxies`` are URLs.

    Raises MissingSecrets naming all that are unset, blank or bad.
    """
    found: dict[SecretRef, Secret] = {}
    problems: set[str] = set()
    for reference in references:
        try:
            value = _read(reference, environment)
            if reference in proxies and (wrong := proxy_defect(value)):
                raise ValueError(wrong)
            found[reference] = Secret(value)
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else str(problem)
            problems.add(f"{_name(reference)}: {reason}")
    if problems:
        raise MissingSecrets(problems)
    return found


def refuse_twins(keys: Iterable[ClientKey], secrets: Mapping[SecretRef, Secret]) -> None:
    """Raises MissingSecrets when two client keys have one secret: they could not be told apart."""
    names: dict[str, str] = {}
    problems = set()
    for key in keys:
        digest = key.sha256 or ""
        if key.secret is not None:
            digest = digest_of(secrets[key.secret]).hex()
        other = names.setdefault(digest, key.name)
        if other != key.name:
            problems.add(f"client keys {other} and {key.name}: have the same secret")
    if problems:
        raise MissingSecrets(problems)


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
    value = clean(value)
    if wrong := defect(value):
        raise ValueError(wrong)
    return value
