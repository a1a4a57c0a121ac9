"""One tiny request per provider and dialect, through the gateway itself, without a socket to it.

What works for these requests works for a client: credential, URL, proxy, certificates, the model's
name and the translation are all on the way.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct

from plexus.gateway.app import create_app
from plexus.gateway.channel import Message, Scope
from plexus.gateway.connection import Connection
from plexus.gateway.loader import Generation
from plexus.gateway.resource import AliasResource
from plexus.gateway.server import CannotServe, make_services
from plexus.gateway.services import Services
from plexus.transformers import gemini, openai_chat, openai_responses

TARGETS = 3
"""Targets of a provider that are asked at most until one works."""
_OF_THE_MODEL = (400, 404)
_TOKENS = 16
_WORDS = "Reply with the word ok."


class Probe(Struct, frozen=True):
    """One request: a target, asked in ``dialect`` so that the provider is in ``upstream``.

    ``url``: the provider's base URL for it, "" for the echo provider.
    """

    target: str
    dialect: str
    upstream: str
    url: str


class Finding(Struct, frozen=True, kw_only=True):
    """What came of a request; ``upstream`` is the provider's dialect, "" when none was sent.

    ``status`` is the gateway's answer, 0 when none came; ``ms`` the milliseconds until it came.
    """

    target: str
    upstream: str = ""
    url: str = ""
    status: int = 0
    ms: float = 0.0
    message: str = ""
    model: str = ""
    tokens: int | None = None

    @property
    def works(self) -> bool:
        return self.status == 200


class Asked(Struct, frozen=True):
    """Targets of one provider; ``one`` of them that works is enough."""

    provider: str
    targets: tuple[str, ...]
    one: bool


def chosen(generation: Generation, names: Sequence[str]) -> list[Asked]:
    """Whom to ask: every provider, at a target that an alias uses if there is one, or ``names``.

    A provider's first target may be a model for pictures or vectors, so up to TARGETS of them are
    asked until one works.  ``names``: providers, or ``provider/model``.  Raises KeyError for an
    unknown one.
    """
    targets = generation.table.targets
    providers = [provider.name for provider in generation.providers]
    found: list[Asked] = []
    used: list[str] | None = None
    for name in names or providers:
        if name in targets:
            found.append(Asked(name.partition("/")[0], (name,), one=False))
            continue
        if name not in providers:
            raise KeyError(name)
        if used is None:
            used = list(dict.fromkeys((*_used(generation), *targets)))
        own = tuple(target for target in used if target.partition("/")[0] == name)
        if own:
            found.append(Asked(name, own[:TARGETS], one=True))
    return found


def _used(generation: Generation) -> Iterator[str]:
    """The targets of all aliases, in the order of the config within each."""
    for entry in generation.table.models.values():
        resource = generation.resource(entry)
        if issubclass(resource, AliasResource):
            yield from (weighted.target.name for weighted in resource.targets)


def examine(
    generation: Generation,
    environment: Mapping[str, str],
    wanted: Sequence[Asked],
    within: float,
) -> Iterator[Finding]:
    """Ask for all that is ``wanted``; each request has ``within`` seconds.

    Every provider is set up by itself, so that a secret that is missing is only its own trouble.
    Client keys are not asked for.
    """
    by_name = {provider.name: provider for provider in generation.providers}
    for asked in wanted:
        alone = copy(generation)
        alone.keys, alone.providers = (), (by_name[asked.provider],)
        try:
            services = make_services(alone, environment)
        except CannotServe as problem:
            message = " ".join(str(problem).split())
            yield Finding(target=asked.targets[0], message=message)
            continue
        yield from asyncio.run(_ask(services, asked, within))


async def _ask(services: Services, asked: Asked, within: float) -> list[Finding]:
    """What came of the targets; of the first that works, or of the first, if one is enough."""
    app = create_app(services)
    first: list[Finding] = []
    try:
        for name in asked.targets:
            found = [await _one(app, probe, within) for probe in _spoken(services, name)]
            if all(finding.works for finding in found):
                return found
            first = first or found
            if not any(finding.status in _OF_THE_MODEL for finding in found):
                # The provider itself is the trouble.
                break
        return first
    finally:
        await services.close()


def _spoken(services: Services, name: str) -> Iterator[Probe]:
    """A probe for each dialect of the provider, asked as directly as a client can."""
    resource = services.resource(services.generation.table.targets[name])
    (target,) = resource.order()
    ways: dict[str, str] = {}
    for dialect, candidates in target.translations.items():
        for candidate in candidates:
            upstream = candidate.translation.upstream.NAME
            if upstream == dialect or upstream not in ways:
                ways[upstream] = dialect
    for upstream, dialect in sorted(ways.items()):
        yield Probe(name, dialect, upstream, target.provider.urls.get(upstream, ""))


async def _one(app: Connection, probe: Probe, within: float) -> Finding:
    began = perf_counter()
    call = _Call(probe)
    try:
        async with asyncio.timeout(within):
            await app(call.scope, call.receive, call.send)
    except TimeoutError:
        message = f"no answer within {within:g} s"
        return Finding(target=probe.target, upstream=probe.upstream, url=probe.url, message=message)
    return call.finding((perf_counter() - began) * 1e3)


class _Call:
    """A request to the application, and its answer."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._body: bytes | None = json.dumps(_request(probe.dialect)).encode()
        self._status = 0
        self._answer = bytearray()
        provider, _, model = probe.target.partition("/")
        headers = {
            "host": "plexus",
            "content-type": "application/json",
            "content-length": str(len(self._body)),
            "user-agent": "plexus doctor",
        }
        path = f"/targets/{provider}/{model}{_path(probe)}"
        self.scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(n.encode(), v.encode()) for n, v in headers.items()],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 0),
        }

    async def receive(self) -> Message:
        body, self._body = self._body, None
        if body is None:
            # The client stays until it is cancelled.
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        else:
            self._answer += message.get("body", b"")

    def finding(self, ms: float) -> Finding:
        try:
            seen = msgspec.json.decode(self._answer, type=_Seen)
        except msgspec.MsgspecError:
            seen = _Seen()
        usage = seen.usage or seen.usageMetadata
        return Finding(
            target=self._probe.target,
            upstream=self._probe.upstream,
            url=self._probe.url,
            status=self._status,
            ms=ms,
            message=seen.error.message if seen.error is not None else "",
            model=seen.model or seen.modelVersion or "",
            tokens=None if usage is None else usage.total,
        )


def _path(probe: Probe) -> str:
    match probe.dialect:
        case gemini.NAME:
            return f"/v1beta/models/{probe.target.partition('/')[2]}:generateContent"
        case openai_responses.NAME:
            return "/v1/responses"
        case openai_chat.NAME:
            return "/v1/chat/completions"
        case _:
            return "/v1/messages"


def _request(dialect: str) -> dict[str, object]:
    if dialect == gemini.NAME:
        contents = [{"role": "user", "parts": [{"text": _WORDS}]}]
        return {"contents": contents, "generationConfig": {"maxOutputTokens": _TOKENS}}
    if dialect == openai_responses.NAME:
        return {"input": _WORDS, "max_output_tokens": _TOKENS, "store": False}
    limit = "max_completion_tokens" if dialect == openai_chat.NAME else "max_tokens"
    return {"messages": [{"role": "user", "content": _WORDS}], limit: _TOKENS}


class _Usage(Struct):
    """The counters of the four dialects."""

    total_tokens: int | None = None
    totalTokenCount: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def total(self) -> int:
        return self.total_tokens or self.totalTokenCount or self.input_tokens + self.output_tokens


class _Error(Struct):
    message: str = ""


class _Seen(Struct):
    model: str | None = None
    modelVersion: str | None = None
    usage: _Usage | None = None
    usageMetadata: _Usage | None = None
    error: _Error | None = None
