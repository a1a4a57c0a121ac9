"""A whole answer is read without the chunks of a stream; it says what they would have said."""

from __future__ import annotations

import json
from random import Random

import msgspec

from plexus.streaming.framing import readable
from plexus.transformers.base import WireRequest
from plexus.transformers.openai_responses.response import parse_response
from plexus.transformers.openai_responses.stream_parser import ResponsesStreamParser
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold
from plexus.unified.response import UnifiedChatResponse
from tests.fuzz.harness import TARGETS
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import answers

WIRE = WireRequest(target=TARGETS[0], path="", body=b"")


def by_chunks(body: bytes) -> UnifiedChatResponse | str:
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return fold(ResponsesStreamParser(WIRE).finish(fields))
    except PlexusError as problem:
        return problem.error.message
    except (msgspec.MsgspecError, RecursionError):
        return "unreadable"


def at_once(body: bytes) -> UnifiedChatResponse | str:
    try:
        return parse_response(body, WIRE)
    except PlexusError as problem:
        return problem.error.message


def test_seeds_and_recordings() -> None:
    seeds = answers("openai-responses")
    assert len(seeds) > 3
    for seed in seeds:
        body = json.dumps(seed).encode()
        assert at_once(body) == by_chunks(body), body


def test_mutated_answers() -> None:
    mutator = Mutator(answers("openai-responses"), Random(11))
    read = 0
    for _ in range(3000):
        body = readable(mutator.document())
        found, expected = at_once(body), by_chunks(body)
        if isinstance(found, str):
            # The words for what is no answer of this dialect are parse_response's own.
            assert isinstance(expected, str) or "output" in found, body
            continue
        read += 1
        assert found == expected, body
    assert read > 500
