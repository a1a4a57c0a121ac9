"""What a config needs from the machine it is served on (``check --env``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as FilePath

from plexus.accounts.secret import clean, defect, proxy_defect
from plexus.compiler.config import Config, Secret
from plexus.compiler.diagnostics import Diagnostic, quote
from plexus.compiler.paths import Path
from plexus.compiler.source import Document


def missing(document: Document, config: Config, environment: Mapping[str, str]) -> list[Diagnostic]:
    """Every variable or file that the config refers to and that is not there, or is blank."""
    found = []
    for path, secret in _secrets(config):
        check = _proxy if path[-1] == "proxy" else defect
        message = _problem(secret, environment, check)
        if message:
            line, column = document.value_at(path)
            found.append(Diagnostic(document.file, line, column, "P601", message))
    for provider in config.providers.values():
        if provider.ca_file is not None and not FilePath(provider.ca_file).is_file():
            line, column = document.value_at(("providers", provider.name, "ca_file"))
            message = f"there is no file {quote(provider.ca_file)}"
            found.append(Diagnostic(document.file, line, column, "P601", message))
    return found


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
    secret: Secret, environment: Mapping[str, str], check: Callable[[str], str | None]
) -> str:
    """What is wrong with a reference; never the value."""
    if secret.env is not None:
        given = environment.get(secret.env)
        state = "is not set" if given is None else check(clean(given))
        return f"variable {secret.env} {state}" if state else ""
    file = secret.file or ""
    try:
        state = check(clean(FilePath(file).read_bytes().decode("utf-8")))
    except OSError as error:
        return f"file {quote(file)} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        state = "is not UTF-8 text"
    return f"file {quote(file)} {state}" if state else ""
