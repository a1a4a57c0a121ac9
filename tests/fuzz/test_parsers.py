"""Every parser on its own, at 10^6 inputs each in the long form.

What comes out is a value or a PlexusError; of a stream it is chunks that keep the grammar.
test_requests and test_answers go on from here to every pair of dialects, with smaller counts.
"""

from functools import partial
from random import Random

import msgspec
import pytest

from plexus.streaming.document import DocumentError, JsonBody
from plexus.streaming.framing import readable
from plexus.transformers import bedrock_converse
from plexus.transformers.base import Dialect, ProviderDialect, WireRequest
from plexus.unified.chunks import StreamError, check_grammar
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold
from tests.fuzz import seeds, seeds_bedrock
from tests.fuzz.harness import (
    DIALECTS,
    LONG,
    TARGETS,
    client_call,
    must_be_ours,
    parsed,
    run,
    wire_request,
)
from tests.fuzz.mutate import Mutator, StreamMutator
from tests.transformers.bedrock_converse import support

COUNT = 1_000_000 if LONG else 2_000
PROVIDERS: dict[str, ProviderDialect] = {**DIALECTS, "bedrock-converse": bedrock_converse}


def asked(upstream: str) -> WireRequest:
    if upstream == "bedrock-converse":
        return support.wire()
    return wire_request(DIALECTS[upstream], TARGETS[0])


def check_request(client: Dialect, raw: bytes, random: Random) -> str:
    try:
        body = JsonBody.parse(raw)
    except DocumentError as problem:
        assert str(problem)
        return "no document"
    try:
        client.parse_request(client_call(client.NAME, body))
    except PlexusError as problem:
        must_be_ours(problem)
        return "refused"
    return "accepted"


def check_answer(upstream: ProviderDialect, wire: WireRequest, raw: bytes, random: Random) -> str:
    try:
        upstream.parse_response(readable(raw), wire)
    except (PlexusError, msgspec.MsgspecError):
        # The two that a translation makes an answer of 502 from.
        return "refused"
    return "accepted"


def check_stream(upstream: ProviderDialect, wire: WireRequest, raw: bytes, random: Random) -> str:
    chunks = parsed(upstream, wire, raw, random)
    check_grammar(chunks)
    if isinstance(chunks[-1], StreamError):
        return "failed"
    fold(chunks)
    return "finished"


def both(outcomes: dict[str, int], names: set[str], count: int) -> None:
    """Neither garbage only nor nothing but harmless changes."""
    assert set(outcomes) == names
    assert min(outcomes.values()) > count / 100, outcomes


@pytest.mark.parametrize("name", DIALECTS)
def test_request_parser(name: str) -> None:
    outcomes = run(
        f"{name}: the parser of requests",
        COUNT,
        lambda random: Mutator(seeds.requests(name), random).document,
        partial(check_request, DIALECTS[name]),
    )
    both(outcomes, {"no document", "refused", "accepted"}, COUNT)


@pytest.mark.parametrize("name", PROVIDERS)
def test_answer_parser(name: str) -> None:
    known = seeds_bedrock.answer_seeds() if name == "bedrock-converse" else seeds.answers(name)
    outcomes = run(
        f"{name}: the parser of answers",
        COUNT,
        lambda random: Mutator(known, random).document,
        partial(check_answer, PROVIDERS[name], asked(name)),
    )
    both(outcomes, {"refused", "accepted"}, COUNT)


@pytest.mark.parametrize("name", PROVIDERS)
def test_stream_decoder(name: str) -> None:
    """Framing and parser of a dialect's stream, cut at random places."""

    def make(random: Random) -> StreamMutator | seeds_bedrock.EventMutator:
        if name == "bedrock-converse":
            known = seeds_bedrock.stream_seeds()
            return seeds_bedrock.EventMutator(known, random, seeds_bedrock.as_is)
        return StreamMutator(seeds.streams(name), random)

    outcomes = run(
        f"{name}: the decoder of streams",
        COUNT,
        lambda random: make(random).stream,
        partial(check_stream, PROVIDERS[name], asked(name)),
    )
    both(outcomes, {"failed", "finished"}, COUNT)
