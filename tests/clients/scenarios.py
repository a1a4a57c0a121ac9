"""What the upstream answers, and what both sides of a conversation say, free of any dialect.

A scenario is named in the first user text as ``[[name:tag]]``: the upstream finds it there in any
dialect, keeps no state between turns, and files what it saw under the tag.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, field

UPSTREAM_KEY = "sk-upstream-2f61c0d7"
CLIENT_KEY = "sk-client-9d03b1ae"

MARK = re.compile(rb"\[\[([a-z_]+(?:-[a-z0-9_]+)?):([0-9a-f]+)\]\]")

# U+2028 and U+0085 end lines for careless readers, and stand unescaped inside JSON.
SAYING = "Paris – 巴黎 ✓\u2028🗼 a\u0085b"
FRAGMENTS = ("Half of ", "an answer")
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)
IMAGE_URL = "https://images.example/red%20dot.png?size=1&x=y"
THOUGHT = "The user asks for the weather.\nI call the tool – 工具."
SIGNATURE = "EqQBCkYIBxgCKkA/realsignature+with/base64=="
REDACTED = "EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIw"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}},
    "required": ["city", "degrees"],
    "additionalProperties": False,
}
INSTANCE: dict[str, object] = {"city": "Paris", "degrees": 18}

WEATHER_ID = "toolu_01WeatherParis"
TIME_ID = "toolu_02TimeParis"
WEATHER_RESULT = "18 degrees, light rain"
TIME_RESULT = "unknown zone"
ERROR_WORDS = "the upstream says no: 7c1"


@dataclass(frozen=True)
class Thinking:
    text: str
    signature: str


@dataclass(frozen=True)
class Redacted:
    data: str


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Call:
    id: str
    name: str
    arguments: dict[str, object]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments, separators=(", ", ": "), ensure_ascii=False)


Part = Thinking | Redacted | Text | Call


@dataclass(frozen=True)
class Usage:
    """``input`` counts everything, caches included."""

    input: int = 100
    cached: int = 40
    output: int = 25
    reasoning: int = 5


@dataclass(frozen=True)
class Reply:
    """``finish`` is one of stop, tools, length, refusal."""

    parts: tuple[Part, ...]
    finish: str = "stop"
    usage: Usage = field(default_factory=Usage)

    @property
    def id(self) -> str:
        """Another one for another turn: there are clients that know turns by it."""
        return f"{zlib.crc32(repr(self.parts).encode()):08x}"


WEATHER_CALL = Call(WEATHER_ID, "get_weather", {"city": "Paris – 巴黎", "unit": "celsius"})
TIME_CALL = Call(TIME_ID, "get_time", {})
FINAL_TEXT = "It is 18 degrees in Paris."

_FIRST = {
    "text": Reply((Text(SAYING),)),
    "weather": Reply((Text("Let me look."), WEATHER_CALL), "tools"),
    "parallel": Reply((WEATHER_CALL, TIME_CALL), "tools"),
    "image": Reply((Text("a red dot"),)),
    "schema": Reply((Text(json.dumps(INSTANCE)),)),
    "thinking": Reply((Thinking(THOUGHT, SIGNATURE), Redacted(REDACTED), WEATHER_CALL), "tools"),
    "length": Reply((Text("Half of "),), "length"),
    "plain": Reply((Text("pong"),)),
    "extract": Reply((Call("toolu_03Forced", "Weather", INSTANCE),), "tools"),
    "forced": Reply((Call("toolu_03Forced", "Weather", {**INSTANCE, "degrees": "warm"}),), "tools"),
}
_SECOND = {"forced": Reply((Call("toolu_04Forced", "Weather", INSTANCE),), "tools")}
"""What is no final text: ``forced`` answers first what its schema forbids."""


_NOTE = re.compile(rb"\bread (/[\w./-]+)", re.ASCII)
_READERS = {
    "exec_command": lambda path: {"cmd": f"cat {path}"},  # codex
    "Read": lambda path: {"file_path": path},  # claude-code
    "read_file": lambda path: {"file_path": path},  # gemini-cli
    "read": lambda path: {"filePath": path},  # opencode
}
"""The tool with which an agent reads a file, and what it takes."""


def agent_reply(raw: bytes, has_results: bool) -> Reply:
    """What a coding agent gets that was asked to read a file: a call of its own tool, then an end.

    Its calls beside the conversation (titles, routing) offer no such tool, and get a word.
    """
    if has_results:
        return Reply((Text(FINAL_TEXT),))
    note = _NOTE.search(raw)
    offered = [name for name in _READERS if re.search(rb'"name": ?"%b"' % name.encode(), raw)]
    if note is None or not offered:
        return Reply((Text("pong"),))
    arguments: dict[str, object] = dict(_READERS[offered[0]](note[1].decode()))
    return Reply((Text("Let me look."), Call("call_01Reads", offered[0], arguments)), "tools")


def reply_to(name: str, has_results: bool) -> Reply:
    """The next turn of the scenario ``name``."""
    return _SECOND.get(name, Reply((Text(FINAL_TEXT),))) if has_results else _FIRST[name]


def pieces(text: str, size: int = 5) -> list[str]:
    """``text`` in small fragments, as streams have it."""
    return [text[at : at + size] for at in range(0, len(text), size)]
