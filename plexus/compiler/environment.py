"""What a config needs from the machine it is served on (``check --env``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path as FilePath
from ssl import PROTOCOL_TLS_CLIENT, SSLContext

from plexus.compiler.config import Config, Provider, Secret
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
        check = _CHECKS.get(str(path[-1]), defect)
        message = _problem(secret, environment, base, check)
        if message:
            line, column = document.value_at(path)
            found.append(Diagnostic(document.file, line, column, "P601", message))
    for provider in config.providers.values():
        if (extra := _missing_extra(provider)) is not None:
            line, column = document.key_at(("providers", provider.name, "credential"))
            message = f"its credential needs {extra[0]}, which is not installed here"
            hint = f"pip install 'plexus-gateway[{extra[1]}]'"
            found.append(Diagnostic(document.file, line, column, "P602", message, hint))
        message = _authorities(base / provider.ca_file) if provider.ca_file else ""
        if message and provider.enabled:
            line, column = document.value_at(("providers", provider.name, "ca_file"))
            found.append(Diagnostic(document.file, line, column, "P601", message))
    return found


_EXTRAS = {
    "aws": ("botocore", "botocore", "bedrock"),
    "google": ("google-auth", "google.auth", "vertex"),
}


def _missing_extra(provider: Provider) -> tuple[str, str] | None:
    """Package and extra that a provider's credential needs and that is not here."""
    if provider.credential is None or not provider.enabled:
        return None
    package, module, extra = _EXTRAS[provider.credential.type]
    try:
        return None if find_spec(module) is not None else (package, extra)
    except ModuleNotFoundError:
        return package, extra


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
        if provider.credential is not None:
            for key, secret in provider.credential.secrets():
                yield (*at, "credential", key), secret
        for header, value in provider.headers.items():
            if isinstance(value, Secret):
                yield (*at, "headers", header), value
    for client in config.keys.values():
        if client.secret is not None:
            yield ("keys", client.name, "secret"), client.secret


def _proxy(value: str) -> str | None:
    return defect(value) or proxy_defect(value)


def _document(value: str) -> str | None:
    """A whole file is read here and never sent: it may have line breaks."""
    return None if value.strip() else "is empty"


_CHECKS = {"proxy": _proxy, "key": _document}
"""By the key of the config; any other secret must fit into a header."""


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
