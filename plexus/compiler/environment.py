"""What a config needs from the machine it is served on (``check --env``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

from plexus.compiler.config import Config, Secret
from plexus.compiler.diagnostics import Diagnostic, quote
from plexus.compiler.paths import Path
from plexus.compiler.source import Document
from plexus.plain_files import load_authorities
from plexus.secret_values import clean, defect, from_file, proxy_defect


def missing(
    document: Document, config: Config, environment: Mapping[str, str], base: FilePath
) -> list[Diagnostic]:
    """Every variable or file that the config refers to and that is not there, or is bad.

    ``base`` is the folder of the config: relative files start from it.
    """
    found = []
    for path, secret in _secrets(config):
        check = _proxy if path[-1] == "proxy" else defect
        message = _problem(secret, environment, base, check)
        if message:
            line, column = document.value_at(path)
            found.append(Diagnostic(document.file, line, column, "P601", message))
    for provider in config.providers.values():
        message = _authorities(base / provider.ca_file) if provider.ca_file else ""
        if message and provider.enabled:
            line, column = document.value_at(("providers", provider.name, "ca_file"))
            found.append(Diagnostic(document.file, line, column, "P601", message))
    return found


def _authorities(path: FilePath) -> str:
    try:
        load_authorities(SSLContext(PROTOCOL_TLS_CLIENT), path)
    except OSError as error:
        return f"file {quote(str(path))} cannot be read: {error.strerror}"
    return ""


def _secrets(config: Config) -> Iterator[tuple[Path, Secret]]:
    for provider in config.providers.values():
        if not provider.enabled:
            continue
        at: Path = ("providers", provider.name)
        for key, value in (("api_key", provider.api_key), ("proxy", provider.proxy)):
            if isinstance(value, Secret):
                yield (*at, key), value
        for header, value in provider.headers.items():
            if isinstance(value, Secret):
                yield (*at, "headers", header), value
    for client in config.keys.values():
        if client.secret is not None:
            yield ("keys", client.name, "secret"), client.secret


def _proxy(value: str) -> str | None:
    return defect(value) or proxy_defect(value)


def _problem(
    secret: Secret,
    environment: Mapping[str, str],
    base: FilePath,
    check: Callable[[str], str | None],
) -> str:
    """What is wrong with a reference; never the value."""
    if secret.env is not None:
        given = environment.get(secret.env)
        state = "is not set" if given is None else check(clean(given))
        return f"variable {secret.env} {state}" if state else ""
    path = base / (secret.file or "")
    try:
        state = check(from_file(path))
    except OSError as error:
        return f"file {quote(str(path))} cannot be read: {error.strerror}"
    except ValueError as error:
        state = str(error)
    return f"file {quote(str(path))} {state}" if state else ""
