"""Usual items of a request are read in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.openai_chat.reading import STR, Level
from plexus.transformers.openai_responses.request_items import InputReader
from plexus.transformers.openai_responses.request_tools import read_function, usual_function
from plexus.unified.errors import PlexusError, UnifiedError
from plexus.unified.request import UnifiedMessage
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests
from tests.transformers.openai_responses.support import NAME

Found = tuple[list[UnifiedMessage], dict[str, Raw]] | UnifiedError


class LongReader(InputReader):
    """Every item the general way."""

    def _read_usual(self, raw: Raw) -> bool:
        return False


class CountingReader(InputReader):
    """Counts the items that are usual, and the others."""

    usual = 0
    other = 0

    def _read_usual(self, raw: Raw) -> bool:
        found = super()._read_usual(raw)
        self.usual += found
        self.other += not found
        return found


def read(raw: Raw, reader: InputReader) -> Found:
    try:
        return reader.read(raw), reader.references
    except PlexusError as problem:
        return problem.error


def same(body: bytes) -> CountingReader:
    reader = CountingReader()
    try:
        raw = JsonBody.parse(body).fields["input"]
    except (DocumentError, KeyError):
        return reader
    assert read(raw, reader) == read(raw, LongReader()), body
    return reader


def test_recorded_and_mutated_requests() -> None:
    seeds = requests(NAME)
    mutator = Mutator(seeds, Random(23))
    bodies = [json.dumps(seed).encode() for seed in seeds]
    bodies += [mutator.document() for _ in range(2000)]
    readers = [same(body) for body in bodies]
    assert sum(reader.usual for reader in readers) > 1000
    assert sum(reader.other for reader in readers) > 300


TEXT = {"type": "input_text", "text": "hello"}
ITEMS: tuple[dict[str, Any], ...] = (
    {"role": "user", "content": "hello"},
    {"type": "message", "role": "developer", "id": "msg_1", "content": [TEXT, TEXT]},
    {"type": "message", "role": "assistant", "status": "completed", "content": [TEXT]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "id": "fc_1"},
    {"type": "function_call", "call_id": "c", "name": "f", "status": "completed"},
    {"type": "function_call_output", "call_id": "c", "output": "rain", "id": "fco_1"},
    {"type": "function_call_output", "call_id": "c", "output": [TEXT]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
)
MEMBERS: dict[str, tuple[Any, ...]] = {
    "type": ("", None, "custom_tool_call", "odd", 1),
    "role": ("", None, "user", "tool", 1),
    "content": (
        "",
        None,
        3,
        [],
        ["a"],
        [{**TEXT, "annotations": []}],
        [{**TEXT, "logprobs": [1]}],
        [{"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}]}],
        [{"type": "refusal", "refusal": "no"}],
        [{"type": "text", "text": None}],
    ),
    "id": ("", None, "é", 4, []),
    "status": ("", None, "completed", "incomplete", "in_progress", 1),
    "phase": ("", None, "commentary"),
    "call_id": ("", None, "c2", 1),
    "name": ("", None, "g", 1),
    "arguments": ("", None, "{", {"a": 1}),
    "output": ("", None, [], [TEXT, {"type": "input_image", "image_url": "https://e"}], 1),
    "namespace": (None, "n"),
    "input": ("x",),
    "vendor": (None, 1),
}


def test_made_up_items() -> None:
    random = Random(29)
    usual = 0
    for _ in range(4000):
        items = []
        for _ in range(random.randint(1, 4)):
            item = dict(random.choice(ITEMS))
            for _ in range(random.choice((0, 0, 1, 2))):
                name = random.choice(tuple(MEMBERS))
                item[name] = random.choice(MEMBERS[name])
            items.append(item)
        usual += same(json.dumps({"input": items}).encode()).usual
    assert 2000 < usual < 8000


def test_what_clients_send_is_usual() -> None:
    for item in ITEMS[:-1]:
        assert same(json.dumps({"input": [item]}).encode()).usual == 1, item


def tools_of(body: bytes) -> list[Raw]:
    try:
        return msgspec.json.decode(JsonBody.parse(body).fields["tools"], type=list[Raw])
    except (DocumentError, KeyError, msgspec.MsgspecError):
        return []


def test_functions() -> None:
    seeds = requests(NAME)
    mutator = Mutator(seeds, Random(37))
    bodies = [json.dumps(seed).encode() for seed in seeds]
    bodies += [mutator.document() for _ in range(3000)]
    usual = 0
    for raw in [raw for body in bodies for raw in tools_of(body)]:
        found = usual_function(raw)
        if found is None:
            continue
        usual += 1
        level = Level.of(raw, "tools[0]")
        assert level.take("type", STR) == "function"
        assert found == read_function(level), bytes(raw)
    assert usual > 500


@pytest.mark.parametrize(
    "odd", [{"parameters": "x"}, {"parameters": []}, {"strict": 1}, {"name": None}, {"vendor": 1}]
)
def test_an_odd_function_is_left_to_the_general_reader(odd: dict[str, Any]) -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": None}
    assert usual_function(Raw(json.dumps(tool).encode())) is not None
    assert usual_function(Raw(json.dumps({**tool, **odd}).encode())) is None
