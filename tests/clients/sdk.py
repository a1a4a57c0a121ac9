"""One way to drive four SDKs, and what is noted of the objects they show.

``Ask`` is a conversation of one turn, or of two when ``results`` has what the tools said.  Each SDK
is used as its documentation shows: the second turn sends back the very objects of the first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from tests.clients.processes import Node

Json = dict[str, Any]
Mode = Literal["json", "helper", "iterate", "loop", "loop-stream"]
"""A whole answer; a stream through the helper that folds it; a stream read event by event; the
helper that calls the tools itself until there is an answer, on whole answers and on streams."""

SYSTEM = "Be brief."
TOOLS: list[Json] = [
    {
        "name": "get_weather",
        "description": "The weather of a city.",
        "schema": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Its name – 市"},
                "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
            },
            "required": ["city"],
        },
    },
    {
        "name": "get_time",
        "description": "The time.",
        "schema": {"type": "object", "properties": {}},
    },
]


@dataclass(frozen=True)
class Result:
    """What a tool said.  ``picture`` adds the test image, where the dialect can say so."""

    text: str
    is_error: bool = False
    picture: bool = False


@dataclass(frozen=True)
class Ask:
    base: str
    key: str
    model: str
    prompt: str
    mode: Mode = "json"
    tools: bool = False
    image: bool = False
    schema: bool = False
    thinking: bool = False
    results: dict[str, Result] = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """An answer as the SDK's object shows it.

    ``thinking`` and ``redacted`` are blocks for Anthropic's SDKs, extra members for OpenAI's.
    ``usage`` counts all input, caches included.  ``pieces`` is how many text deltas were seen.
    """

    text: str
    finish: str | None
    model: str
    calls: list[Json]
    thinking: str | None
    redacted: list[str]
    usage: Json | None
    parsed: Json | None
    request_id: str | None
    pieces: int


@dataclass(frozen=True)
class Failed:
    """What the SDK raised; ``text`` is what had come before."""

    name: str
    status: int | None
    message: str
    type: str | None
    code: str | None
    request_id: str | None
    retry_after: str | None
    text: str


@dataclass(frozen=True)
class Outcome:
    turns: list[Turn]
    failed: Failed | None = None


class Sdk(Protocol):
    """A client library; ``path`` is what its base URL ends in."""

    name: str
    dialect: str
    path: str

    def run(self, ask: Ask) -> Outcome: ...

    def models(self, ask: Ask) -> list[str]:
        """The ids that the SDK lists, all pages; then the id of ``ask.model`` got by itself."""
        ...


class Closable(Protocol):
    def close(self) -> object: ...


OPEN: list[Closable] = []
"""The kept clients, which are closed when the session ends."""


class NodeSdk:
    """An SDK that runs in node (``js/``)."""

    def __init__(self, node: Node, name: str, dialect: str, path: str) -> None:
        self._node = node
        self.name, self.dialect, self.path = name, dialect, path

    def run(self, ask: Ask) -> Outcome:
        said = self._node.call(
            {"sdk": self.name, "ask": {**asdict(ask), "system": SYSTEM, "toolset": TOOLS}}
        )
        failed = said["failed"]
        return Outcome(
            [Turn(**turn) for turn in said["turns"]],
            None if failed is None else Failed(**failed),
        )

    def models(self, ask: Ask) -> list[str]:
        ids: list[str] = self._node.call({"sdk": self.name, "models": asdict(ask)})["ids"]
        return ids
