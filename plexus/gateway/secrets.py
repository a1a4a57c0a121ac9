"""Secret references → values, read once when the server starts; all missing ones at once."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from plexus.accounts.keys import digest_of
from plexus.accounts.secret import Secret
from plexus.gateway.settings import ClientKey
from plexus.routing.target import SecretRef
from plexus.secret_values import clean, defect, from_file, proxy_defect


class MissingSecrets(Exception):
    """Names, never values: what the server cannot start without, or with.  Files too."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = sorted(problems)
        super().__init__("; ".join(self.problems))


def read_secrets(
    references: Iterable[SecretRef],
    environment: Mapping[str, str],
    base: Path,
    proxies: Collection[SecretRef] = (),
    documents: Collection[SecretRef] = (),
) -> tuple[dict[SecretRef, Secret], list[str]]:
    """Every reference's value, and the names of all that are unset, blank or bad.

    A relative file starts from ``base``.  The values of ``proxies`` are URLs, those of
    ``documents`` whole files, line breaks included.
    """
    found: dict[SecretRef, Secret] = {}
    problems = []
    for reference in references:
        try:
            value = _read(reference, environment, base)
            # A document is read here; only what is sent must fit into a header.
            if reference not in documents and (wrong := defect(value)):
                raise ValueError(wrong)
            if reference in proxies and (wrong := proxy_defect(value)):
                raise ValueError(wrong)
            found[reference] = Secret(value)
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else str(problem)
            problems.append(f"{_name(reference, base)}: {reason}")
    return found, problems


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


def _name(reference: SecretRef, base: Path) -> str:
    if reference.env is not None:
        return f"environment variable {reference.env}"
    return f"file {base / (reference.file or '')}"


def _read(reference: SecretRef, environment: Mapping[str, str], base: Path) -> str:
    if reference.env is not None:
        if reference.env not in environment:
            raise ValueError("is not set")
        value = clean(environment[reference.env])
    else:
        value = from_file(base / (reference.file or ""))
    if not value.strip():
        raise ValueError("is empty")
    return value
