"""Names of musistudio/llms in ``transformer.use`` that are keys of a provider here.

A dialect's name says which dialect the provider, or one of its models, is spoken to in: what
``type`` says; those of a cloud say its ``platform`` too.  A vendor's name says which ``profile`` it
has; it is a wire step as well.  Names are taken exactly as the parent writes them
(docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from plexus.compiler.config import Config, Provider, StepUse
from plexus.compiler.diagnostics import quote
from plexus.compiler.paths import Path, dotted

DIALECTS = {
    "Anthropic": "anthropic-messages",
    "OpenAI": "openai-chat",
    "gemini": "gemini",
    "openai-responses": "openai-responses",
    "vertex-claude": "anthropic-messages",
    "vertex-gemini": "gemini",
    "vertex-openai": "openai-chat",
}
VENDORS = ("cerebras", "deepseek", "groq", "openrouter", "vercel")
CLOUDS = {"vertex-claude": "vertex", "vertex-gemini": "vertex", "vertex-openai": "vertex"}
"""Names that also say which ``platform`` the provider is on."""

VENDORS_SPEAK = "openai-chat"
"""What all of ``VENDORS`` speak, when nothing else is said."""

OWN_MEMBERS = ("model", "stream", "messages", "contents", "input")
"""Members of a body that no configuration may set."""

_SIGN_IN = (
    'project and location stand in "api_base_url", the account in "credential": {"type": "google"}'
)
_BEARER = '"headers": {"Authorization": {"env": NAME}} sends what NAME holds, as in "Bearer KEY"'


class Fault(Struct, frozen=True):
    """A finding at ``path``."""

    path: Path
    code: str
    message: str
    hint: str = ""


def meaning(name: str) -> str | None:
    """What a name stands for, in words; None for a plain step."""
    if name in DIALECTS:
        cloud = f" on {CLOUDS[name]}" if name in CLOUDS else ""
        return f"dialect {DIALECTS[name]}{cloud}"
    return f"profile {name}" if name in VENDORS else None


def applied(config: Config, data: Mapping[str, Any]) -> Config:
    """The config with the type and profile of its providers where only a name says them.

    ``data`` is what the config was loaded from.
    """
    written = data.get("providers", {})
    providers = {
        name: _applied(provider, written[name].get("api_base_url"))
        for name, provider in config.providers.items()
    }
    return replace(config, providers=providers)


def _applied(provider: Provider, url: object) -> Provider:
    dialect, vendor = _first(provider.steps, DIALECTS), _first(provider.steps, VENDORS)
    if vendor is not None and provider.profile is None:
        provider = replace(provider, profile=vendor.name)
    if dialect is not None and provider.platform is None:
        provider = replace(provider, platform=CLOUDS.get(dialect.name))
    if provider.type is not None or isinstance(url, dict):
        return provider
    spoken = VENDORS_SPEAK if vendor is not None else None
    if dialect is not None:
        spoken = DIALECTS[dialect.name]
    if spoken is None:
        return provider
    urls = {spoken: url} if isinstance(url, str) else provider.urls
    return replace(provider, type=spoken, urls=urls)


def _first(uses: tuple[StepUse, ...], names: Collection[str]) -> StepUse | None:
    return next((use for use in uses if use.name in names), None)


def profile(uses: tuple[StepUse, ...], provider: Provider) -> str | None:
    """The profile of a model with these entries, the provider's before its own."""
    named = [use.name for use in uses[len(provider.steps) :] if use.name in VENDORS]
    return named[-1] if named else provider.profile


def said(uses: tuple[StepUse, ...]) -> tuple[str, ...]:
    """What names among a model's entries decide, in words."""
    deciding = {}
    for use in uses:
        if use.name in DIALECTS or use.name in VENDORS:
            deciding[use.name in VENDORS] = use.name
    return tuple(
        f"{meaning(name)} ({quote(name)} in transformer.use)" for name in deciding.values()
    )


def pinned(uses: tuple[StepUse, ...], spoken: tuple[str, ...]) -> tuple[str, ...]:
    """Of the dialects that a provider speaks, those that a model with these entries is asked in."""
    named = [DIALECTS[use.name] for use in uses if use.name in DIALECTS]
    return (named[-1],) if named and named[-1] in spoken else spoken


def faults(provider: Provider, served: Collection[str]) -> Iterator[Fault]:
    """Names that contradict each other, the provider's keys, or what is ``served``."""
    models = (provider.models or {}).values()
    for uses in (provider.steps, *provider.model_steps.values(), *(m.steps for m in models)):
        dialect, vendor = _first(uses, DIALECTS), _first(uses, VENDORS)
        for use in uses:
            if use.name in DIALECTS:
                yield from _options(use)
                fault = _contradiction(use, dialect, "P431") or _dialect(use, provider, served)
            elif use.name in VENDORS:
                fault = _contradiction(use, vendor, "P432")
                if uses is provider.steps:
                    fault = fault or _vendor(use, provider)
            else:
                fault = None
            if fault is not None:
                yield fault


def _contradiction(use: StepUse, first: StepUse | None, code: str) -> Fault | None:
    if first is None or meaning(use.name) == meaning(first.name):
        return None
    return Fault(use.path, code, f"{_means(use)}, but {_means(first)}", "leave one of them out")


def _vendor(use: StepUse, provider: Provider) -> Fault | None:
    if provider.profile == use.name:
        return None
    has = f"{dotted(('providers', provider.name, 'profile'))} is {quote(provider.profile)}"
    return Fault(use.path, "P432", f"{_means(use)}, but {has}", "leave one of them out")


def _options(use: StepUse) -> Iterator[Fault]:
    if use.options:
        hint = _BEARER if "UseBearer" in use.options else ""
        hint = _SIGN_IN if use.name in CLOUDS else hint
        yield Fault((*use.path, 1), "P309", f"{quote(use.name)} takes no options", hint)


def _dialect(use: StepUse, provider: Provider, served: Collection[str]) -> Fault | None:
    """Why a provider cannot be spoken to as ``use`` says."""
    at: Path = ("providers", provider.name)
    dialect, cloud = DIALECTS[use.name], CLOUDS.get(use.name)
    if cloud not in (None, provider.platform):
        has = f"{dotted((*at, 'platform'))} is {quote(provider.platform or 'none')}"
        return Fault(use.path, "P431", f"{_means(use)}, but {has}")
    if dialect not in served:
        hint = f"served are {', '.join(served)}"
        return Fault(use.path, "P310", f"{_means(use)}, which is not served yet", hint)
    if provider.type is None and provider.urls and dialect not in provider.urls:
        has = f"{dotted((*at, 'api_base_url'))} has no address for it"
        return Fault(use.path, "P431", f"{_means(use)}, but {has}")
    if provider.type not in (None, "echo", dialect):
        has = f"{dotted(at)} speaks {provider.type}"
        hint = "an api_base_url that maps dialects to addresses can have both"
        return Fault(use.path, "P431", f"{_means(use)}, but {has}", hint)
    return None


def _means(use: StepUse) -> str:
    return f"{quote(use.name)} means {meaning(use.name)}"
