"""Clouds: what ``"platform"`` and ``"credential"`` of a provider mean, and what they need.

Everything a request needs of them is read from the config and the address: nothing is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from plexus.compiler.config import Credential, Provider
from plexus.compiler.diagnostics import quote
from plexus.compiler.factory import Constructor
from plexus.compiler.paths import Path

if TYPE_CHECKING:
    from plexus.transformers.base import Platform
    from plexus.transformers.losses import Loss

NAMES = ("azure", "bedrock", "vertex")

_AWS_HOST = re.compile(
    r"(?:.*\.)?bedrock-(?P<kind>runtime|mantle)(?:-fips)?\.(?P<region>[a-z]{2}[a-z0-9-]+-[0-9])"
    r"\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws)"
)
_AWS_CONTROL = re.compile(r"bedrock(?:-agent)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")
_VERTEX_PATH = re.compile(r"/v1(?:beta1)?/projects/[^/]+/locations/[^/]+")
_VERTEX_EXPRESS = re.compile(r"/v1(?:beta1)?")
_SPLIT = re.compile(r"https?://(?P<host>\[[^\]]*\]|[^/:]*)(?::[0-9]+)?(?P<path>.*)")
_AWS_KEYS = ("region", "service", "profile", "access_key_id", "secret_access_key", "session_token")


class Fault(Struct, frozen=True):
    """A finding: ``key`` is where in the provider it stands, and whether the key is the place."""

    key: Path
    code: str
    message: str
    hint: str = ""
    on_key: bool = False


def platform(name: str) -> type[Platform]:
    """The class of a platform."""
    from plexus.transformers.platforms.azure import Azure
    from plexus.transformers.platforms.bedrock import Bedrock
    from plexus.transformers.platforms.vertex import Vertex

    found: dict[str, type[Platform]] = {"azure": Azure, "bedrock": Bedrock, "vertex": Vertex}
    return found[name]


def losses(name: str, dialect: str) -> Mapping[str, Loss]:
    """What a cloud cannot take of a dialect, by field."""
    found = platform(name)
    return found.LOSSES if dialect in found.CHANGED else {}


def constructor(provider: Provider) -> Constructor | None:
    """The platform of a provider as generated code builds it."""
    if provider.platform is None or provider.echo:
        return None
    found = platform(provider.platform)
    arguments: dict[str, object] = {}
    if provider.platform == "azure":
        if provider.api_version is not None:
            arguments["api_version"] = provider.api_version
        if _by_deployment(provider):
            arguments["deployments"] = True
    elif provider.api_version is not None:
        arguments["version"] = provider.api_version
    return Constructor(found.__module__, found.__name__, arguments, False, provider.platform)


def signature(provider: Provider) -> tuple[str, str] | None:
    """Region and service that requests are signed for; None when the region is not known."""
    credential = provider.credential
    if credential is None:
        return None
    region, service = credential.region, credential.service
    for url in provider.urls.values():
        match = _AWS_HOST.fullmatch(_host_and_path(url)[0])
        if match is not None:
            region = region or match["region"]
            service = service or ("bedrock-mantle" if match["kind"] == "mantle" else None)
    return None if region is None else (region, service or "bedrock")


def faults(provider: Provider) -> Iterator[Fault]:
    """What does not fit together in the clouds' part of a provider."""
    name = provider.platform
    if provider.echo:
        for key in ("platform", "credential"):
            if getattr(provider, key) is not None:
                message = f"the echo provider has no {key}"
                yield Fault((key,), "P419", message, "leave it out", on_key=True)
        return
    if provider.api_version is not None and name is None:
        message = "an api_version says nothing without a platform"
        yield Fault(("api_version",), "P419", message, 'such as "platform": "azure"', on_key=True)
    if name is not None:
        yield from _dialects(provider, name)
        for dialect, url in provider.urls.items():
            fault = _address(provider, name, dialect, url)
            if fault is not None:
                yield fault
    if provider.credential is not None:
        yield from _credential(provider, provider.credential)


def _dialects(provider: Provider, name: str) -> Iterator[Fault]:
    served = platform(name).DIALECTS
    for dialect in provider.urls:
        if dialect not in served:
            message = f"platform {quote(name)} does not serve {dialect}"
            yield Fault(("platform",), "P419", message, f"it serves {', '.join(sorted(served))}")


def _address(provider: Provider, name: str, dialect: str, url: str) -> Fault | None:
    """A URL that is not the platform's base; the code is P420."""
    host, path = _host_and_path(url)
    path = path.rstrip("/")
    mapped = provider.type is None
    at: Path = ("api_base_url", dialect) if mapped else ("api_base_url",)
    said = _ADDRESSES[name](provider, dialect, host, path)
    if said is None:
        return None
    message, hint = said
    return Fault(at, "P420", message, hint)


def _bedrock_address(
    provider: Provider, dialect: str, host: str, path: str
) -> tuple[str, str] | None:
    if _AWS_CONTROL.fullmatch(host):
        return "is not where Bedrock's models answer", "the host begins with bedrock-runtime."
    if "mantle" in host.partition(".")[0]:
        hint = "leave the platform out: Mantle serves the vendors' own addresses"
        return "is the address of Bedrock Mantle", hint
    if path:
        hint = "it ends with the host, as in https://bedrock-runtime.us-east-1.amazonaws.com"
        return "has a path, and Plexus adds /model/... itself", hint
    return None


def _vertex_address(
    provider: Provider, dialect: str, host: str, path: str
) -> tuple[str, str] | None:
    if _VERTEX_PATH.fullmatch(path):
        return None
    if dialect == "gemini" and provider.api_key is not None and _VERTEX_EXPRESS.fullmatch(path):
        return None
    version = "v1beta1" if dialect == "gemini" else "v1"
    hint = f"it ends in /{version}/projects/PROJECT/locations/LOCATION"
    if "/publishers/" in path or "/endpoints/" in path:
        return "has more than the location, and Plexus adds the rest itself", hint
    return "does not name the project and the location", hint


def _azure_address(
    provider: Provider, dialect: str, host: str, path: str
) -> tuple[str, str] | None:
    if dialect == "anthropic-messages":
        if not path.endswith("/anthropic/v1"):
            return "is not where Foundry serves Claude", "it ends in /anthropic/v1"
        return None
    if "/openai/deployments" in path:
        hint = "it ends in /openai; the name of a model is that of its deployment"
        return "has a deployment in it, which Plexus adds itself", hint
    if _by_deployment(provider) and provider.api_version is None:
        hint = 'add "api_version", or write /openai/v1, which needs none'
        return "is the older address, which needs a version", hint
    if not path.endswith(("/openai", "/openai/v1")):
        return "is not where Azure serves OpenAI's models", "it ends in /openai/v1"
    return None


_ADDRESSES = {"azure": _azure_address, "bedrock": _bedrock_address, "vertex": _vertex_address}


def _by_deployment(provider: Provider) -> bool:
    return any(
        _host_and_path(url)[1].rstrip("/").endswith("/openai") for url in provider.urls.values()
    )


def _credential(provider: Provider, credential: Credential) -> Iterator[Fault]:
    at: Path = ("credential",)
    if provider.api_key is not None:
        message = "has both an api_key and a credential"
        yield Fault(at, "P421", message, "leave one of them out", on_key=True)
    foreign = ("key",) if credential.type == "aws" else _AWS_KEYS
    for name in foreign:
        if getattr(credential, name) is not None:
            other = "google" if credential.type == "aws" else "aws"
            message = f"{name} belongs to a credential of type {quote(other)}"
            yield Fault((*at, name), "P421", message, on_key=True)
    if credential.type != "aws":
        return
    given = [name for name in _AWS_KEYS[3:] if getattr(credential, name) is not None]
    if given and not {"access_key_id", "secret_access_key"} <= set(given):
        message = "needs access_key_id and secret_access_key together"
        yield Fault(at, "P421", message, on_key=True)
    if given and credential.profile is not None:
        message = "has both a profile and keys of its own"
        yield Fault((*at, "profile"), "P421", message, on_key=True)
    if signature(provider) is None and provider.urls:
        message = "does not say its region, and the address does not either"
        yield Fault(
            at, "P421", message, 'add "region": "us-east-1" or whichever it is', on_key=True
        )


def _host_and_path(url: str) -> tuple[str, str]:
    match = _SPLIT.fullmatch(url)
    return ("", "") if match is None else (match["host"].lower(), match["path"])
