"""What both gateways are asked: corpus requests and corpus answers, by way of every transformer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gateway import wire, wire_responses

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
CHAT, MESSAGES, GEMINI, RESPONSES = (
    "openai-chat",
    "anthropic-messages",
    "gemini",
    "openai-responses",
)
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
DIALECTS = {"chat": CHAT, "messages": MESSAGES}
ALL = 1000
LARGEST = 30_000
"""Bytes of a request or an answer that are sent: one network read, so that the parent, which drops
the rest of a read now and then, does the same each time."""


@dataclass(frozen=True)
class Route:
    """A provider of both gateways.  ``use`` is the chain; ``path`` the base URL's path at Plexus,
    ``parents_path`` that of the parent, whose URLs are whole endpoints."""

    name: str
    dialect: str = CHAT
    use: tuple[Any, ...] = ()
    parents_use: tuple[Any, ...] = ()
    path: str = "/v1"
    parents_path: str = "/v1/chat/completions"
    more: dict[str, Any] = field(default_factory=dict)
    asks: int = 12
    answers: int = 12
    tags: tuple[str, ...] = ()

    @property
    def names_dialect(self) -> bool:
        """Whether a name in ``use`` says what ``type`` would."""
        return self.name in {"OpenAI", "Anthropic", "gemini", "openai-responses", *CLOUDS}


CLOUDS = ("vertex-gemini", "vertex-claude", "vertex-openai")
_ON_VERTEX = "/v1/projects/p/locations/l"


def _step(name: str, options: dict[str, Any] | None = None, *tags: str) -> Route:
    use = ([name, options] if options else name,)
    return Route(name, use=use, tags=tags)


ROUTES = (
    Route("chat", asks=ALL, answers=ALL),
    Route("OpenAI", use=("OpenAI",)),
    Route(
        "Anthropic",
        MESSAGES,
        ("Anthropic",),
        parents_path="/v1/messages",
        asks=40,
        answers=40,
    ),
    Route(
        "gemini",
        GEMINI,
        ("gemini",),
        path="/v1beta",
        parents_path="/v1beta/models/",
        asks=ALL,
        answers=ALL,
    ),
    Route(
        "openai-responses",
        RESPONSES,
        ("openai-responses",),
        parents_path="/v1/responses",
        asks=60,
        answers=60,
    ),
    Route("vertex-gemini", GEMINI, ("vertex-gemini",), path=_ON_VERTEX, parents_path=""),
    Route("vertex-claude", MESSAGES, ("vertex-claude",), path=_ON_VERTEX, parents_path=""),
    Route(
        "vertex-openai",
        CHAT,
        ("vertex-openai",),
        parents_use=(["vertex-openai", {}],),
        path=_ON_VERTEX,
        parents_path=f"{_ON_VERTEX}/endpoints/openapi/chat/completions",
    ),
    _step("deepseek", None, "field-reasoning-content", "thinking-replay"),
    _step("openrouter", {"provider": {"only": ["a"]}}, "thinking", "cache-control"),
    _step("groq", None, "tool-call", "cache-control"),
    _step("cerebras", None, "cache-control", "thinking"),
    _step("vercel", {"providerOptions": {"gateway": {"only": ["a"]}}}, "thinking", "images"),
    _step("tooluse", None, "tool-call", "tool-choice"),
    _step("enhancetool", None, "tool-call"),
    _step("reasoning", None, "field-reasoning-content", "thinking"),
    _step("forcereasoning", None, "thinking-replay"),
    _step("extrathinktag", None, "think-tags"),
    _step("maxtoken", {"max_tokens": 50}, "max-tokens"),
    _step("maxcompletiontokens"),
    _step("sampling", {"max_tokens": 60, "temperature": 0.25, "top_p": 0.5}),
    _step("streamoptions"),
    _step("cleancache", None, "cache-control", "field-reasoning-content"),
    _step("customparams", {"top_k": 4, "metadata": {"team": "a"}}),
)


REWRITING = ("tooluse", "forcereasoning", "extrathinktag")
"""Routes whose step changes the text of an answer."""

TRANSLATING = (*REWRITING, "enhancetool", "reasoning", "maxtoken", "sampling", "cleancache")
"""Routes whose step ends pass-through."""


@dataclass(frozen=True)
class Case:
    """A recorded exchange; ``request`` or ``answer`` may be missing."""

    id: str
    dialect: str
    stream: bool
    status: int
    kind: str
    tags: frozenset[str]
    request: dict[str, Any] | None
    answer: bytes | None


@dataclass(frozen=True)
class Exchange:
    """``body`` of a ``client`` over ``route``, answered with ``answer``.

    ``judged`` says which sides are compared: what is asked of the upstream, what the client gets.
    """

    case: str
    client: str
    route: Route
    body: dict[str, Any]
    answer: bytes
    kind: str
    status: int = 200
    judged: tuple[str, ...] = ("ask", "answer")

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def passed(self) -> bool:
        """Whether Plexus passes both bodies through."""
        return DIALECTS[self.client] == self.route.dialect and self.route.name not in TRANSLATING

    @property
    def name(self) -> str:
        return f"{self.case} {self.client} {self.route.name} {'+'.join(self.judged)}"


def cases() -> list[Case]:
    """The corpus in the four dialects, in the order of its index."""
    found = []
    for meta in json.loads((CORPUS / "index.json").read_bytes()):
        if meta["dialect"] not in (CHAT, MESSAGES, GEMINI, RESPONSES):
            continue
        folder, files = CORPUS / meta["id"], meta["files"]
        request = answer = None
        if files.get("request.json", LARGEST) < LARGEST:
            request = json.loads((folder / "request.json").read_bytes())
        kind = meta["response_kind"]
        if kind in ("json", "sse") and files.get(f"response.{kind}", LARGEST) < LARGEST:
            answer = (folder / f"response.{kind}").read_bytes()
        found.append(
            Case(
                meta["id"],
                meta["dialect"],
                kind == "sse",
                meta["status"] or 200,
                "text/event-stream" if kind == "sse" else "application/json",
                frozenset(meta["tags"]),
                request,
                answer,
            )
        )
    return found


def exchanges() -> Iterator[Exchange]:
    """All of them.  Errors come last: Plexus remembers what a provider refused."""
    every = cases()
    for route in ROUTES:
        for client, dialect in DIALECTS.items():
            asked = [c for c in every if c.dialect == dialect and c.request and _is_call(c)]
            for case in _some(asked, route.asks, route.tags):
                assert case.request is not None
                yield _ask(case, client, route, case.request)
    for failed in (False, True):
        for route in ROUTES:
            answers = [
                c
                for c in every
                if c.dialect == route.dialect and c.answer and (c.status >= 400) == failed
            ]
            count = max(1, route.answers // 5) if failed else route.answers
            for case in _some(answers, count, route.tags):
                for client in DIALECTS:
                    yield _answer(case, client, route)


def _is_call(case: Case) -> bool:
    return case.request is not None and bool(case.request.get("messages"))


def _some(found: list[Case], count: int, tags: tuple[str, ...]) -> list[Case]:
    """``count`` of them, spread evenly; those with ``tags`` take two thirds of the places."""
    wanted = [case for case in found if case.tags & set(tags)]
    first = _spread(wanted, count * 2 // 3 if tags else 0)
    rest = [case for case in found if case not in first]
    return first + _spread(rest, count - len(first))


def _spread(found: list[Case], count: int) -> list[Case]:
    if len(found) <= count:
        return found
    return [found[number * len(found) // count] for number in range(count)]


def _ask(case: Case, client: str, route: Route, body: dict[str, Any]) -> Exchange:
    """A recorded request; answered by its own answer where dialects meet."""
    stream = body.get("stream") is True
    fits = case.dialect == route.dialect and case.stream == stream and case.status < 400
    if fits and case.answer:
        return Exchange(case.id, client, route, body, case.answer, case.kind)
    answer, kind = plain(route.dialect, stream)
    return Exchange(case.id, client, route, body, answer, kind, judged=("ask",))


def _answer(case: Case, client: str, route: Route) -> Exchange:
    assert case.answer is not None
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "say something"}]}
    if client == "messages":
        body["max_tokens"] = 100
    if case.stream:
        body["stream"] = True
        if client == "chat":
            body["stream_options"] = {"include_usage": True}
    return Exchange(
        case.id, client, route, body, case.answer, case.kind, case.status, judged=("answer",)
    )


def plain(dialect: str, stream: bool) -> tuple[bytes, str]:
    """The shortest answer, and its type."""
    pieces = {
        CHAT: (wire.chat, wire.chat_stream),
        MESSAGES: (wire.message, wire.message_stream),
        GEMINI: (lambda: json.dumps(wire.gemini()).encode(), wire.gemini_stream),
        RESPONSES: (wire_responses.response, wire_responses.stream),
    }[dialect][stream]()
    if isinstance(pieces, bytes):
        return pieces, "application/json"
    return b"".join(pieces), "text/event-stream"
