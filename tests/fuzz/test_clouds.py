"""Mutated answers, streams and requests of the clouds: the same promises as for the others.

Streams are mutated twice over: the payloads of their frames, and the framed bytes.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest

from plexus.streaming.document import JsonBody
from plexus.streaming.framing import Frame, FramingError, readable
from plexus.transformers import anthropic_messages, bedrock_converse
from plexus.transformers.base import Dialect, Platform, ProviderDialect
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.transformers.platforms.bedrock import Bedrock
from plexus.transformers.platforms.vertex import Vertex
from plexus.transformers.translation import Passthrough, StreamTranslation, Translate, unreadable
from plexus.unified.chunks import StreamChunk, StreamError, check_grammar
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold, unfold
from tests.fuzz.harness import (
    DIALECTS,
    LONG,
    MINIMAL,
    client_call,
    must_be_json,
    must_be_ours,
    run,
)
from tests.fuzz.mutate import Mutator, pieces
from tests.fuzz.seeds import MESSAGES_REQUESTS
from tests.fuzz.seeds_bedrock import EventMutator, Events, answer_seeds, as_is, stream_seeds
from tests.transformers.bedrock_converse.support import NOVA, read_stream, wire

COUNT = 1_000_000 if LONG else 2_000
TARGETS = (
    TargetModel(provider="p", model="us.anthropic.claude-x", family="bedrock"),
    TargetModel(provider="p", model=NOVA, family="bedrock"),
    TargetModel(provider="p", model="openai.gpt-oss-120b-1:0", family="bedrock"),
    TargetModel(
        provider="p",
        model="x",
        family="bedrock",
        capabilities=Capabilities(thinking="budget", json_schema=False, tools=False),
    ),
)


def invoked(name: str, data: bytes) -> Frame:
    """An event of a Messages stream inside InvokeModel's chunk."""
    if name.startswith("exception:"):
        return Frame(name, data)
    chunk = {"bytes": base64.b64encode(data).decode(), "p": "abc"}
    return Frame("chunk", json.dumps(chunk).encode())


def relayed(stream: StreamTranslation, raw: bytes, random: Random) -> bytes:
    """What the client gets; nothing more is fed after a failure, as the relay does."""
    out = b""
    for data in pieces(raw, random):
        out += stream.feed(data)
        if stream.failure is not None:
            return out
    return out + stream.close()


def check_frames(client: Dialect, out: bytes) -> None:
    decoder = client.decoder()
    for frame in decoder.feed(out) + decoder.close():
        if frame.data and frame.data != b"[DONE]":
            must_be_json(frame.data)


def check_answer(client: Dialect, raw: bytes, random: Random) -> str:
    call = client_call(client.NAME, JsonBody.parse(MINIMAL[client.NAME]))
    prepared = Translate(client, bedrock_converse, random.choice(TARGETS)).prepare(call)
    error = prepared.failure(random.choice((400, 403, 424, 429, 500)), {}, raw).error
    assert error.message
    must_be_json(client.format_error(error, "req_1")[1])
    try:
        answer = prepared.answer(raw, "application/json")
    except PlexusError as problem:
        assert problem.error.http_status >= 400
        return "refused"
    check_frames(client, answer.body)
    response = bedrock_converse.parse_response(readable(raw), prepared.wire)
    chunks = list(unfold(response))
    check_grammar(chunks)
    assert fold(chunks) == response
    return "accepted"


def check_converse_stream(client: Dialect, raw: bytes, random: Random) -> str:
    try:
        chunks: list[StreamChunk] = read_stream(raw, wire())
    except (FramingError, msgspec.MsgspecError) as problem:
        chunks = [StreamError(unreadable(TARGETS[0], problem))]
    check_grammar(chunks)
    call = client_call(client.NAME, JsonBody.parse(MINIMAL[client.NAME]))
    stream = Translate(client, bedrock_converse, random.choice(TARGETS)).prepare(call).stream()
    check_frames(client, relayed(stream, raw, random))
    assert stream.failure is not None or stream.finished
    return "failed" if stream.failure is not None else "finished"


@pytest.mark.parametrize("client", DIALECTS)
def test_mutated_converse_answers(client: str) -> None:
    seeds = answer_seeds()
    outcomes = run(
        f"bedrock-converse answers to {client}",
        COUNT // 6,
        lambda random: Mutator(seeds, random).document,
        partial(check_answer, DIALECTS[client]),
    )
    assert min(outcomes.get("refused", 0), outcomes.get("accepted", 0)) > COUNT / 600, outcomes


@pytest.mark.parametrize("client", DIALECTS)
def test_mutated_converse_streams(client: str) -> None:
    seeds = stream_seeds()
    outcomes = run(
        f"bedrock-converse streams to {client}",
        COUNT // 6,
        lambda random: EventMutator(seeds, random, as_is).stream,
        partial(check_converse_stream, DIALECTS[client]),
    )
    assert min(outcomes.get("failed", 0), outcomes.get("finished", 0)) > COUNT / 600, outcomes


MESSAGES: Events = [
    (
        "",
        {"type": "message_start", "message": {"id": "m", "model": "c", "content": [], "usage": {}}},
    ),
    (
        "",
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ),
    (
        "",
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "a\nb"},
        },
    ),
    ("", {"type": "content_block_stop", "index": 0}),
    (
        "",
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 1},
        },
    ),
    ("", {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1}}),
]


def check_invoke_stream(raw: bytes, random: Random) -> str:
    """Passed through: whole events of the dialect, or an error in its form."""
    call = client_call("anthropic-messages", JsonBody.parse(MINIMAL["anthropic-messages"]))
    translation = Passthrough(anthropic_messages, TARGETS[0], platform=Bedrock())
    whole = translation.prepare(call).stream()
    out = relayed(whole, raw, random)
    again = translation.prepare(call).stream()
    assert relayed(again, raw, random) == out
    decoder = anthropic_messages.decoder()
    for frame in decoder.feed(out):
        assert frame.data and b"\n" not in frame.data
    assert decoder.close() == []
    return "failed" if whole.failure is not None else "finished"


def test_mutated_invoke_streams() -> None:
    outcomes = run(
        "InvokeModel streams",
        COUNT // 6,
        lambda random: EventMutator([MESSAGES], random, invoked).stream,
        check_invoke_stream,
    )
    assert min(outcomes.get("failed", 0), outcomes.get("finished", 0)) > COUNT / 600, outcomes


def check_request(platform: Platform, upstream: ProviderDialect, raw: bytes, random: Random) -> str:
    """A refusal is a 4xx; what goes out is JSON without what the cloud has in its address."""
    try:
        body = JsonBody.parse(raw)
        call = client_call("anthropic-messages", body)
        target = random.choice(TARGETS)
        if upstream is anthropic_messages:
            made = Passthrough(anthropic_messages, target, platform=platform).prepare(call)
        else:
            made = Translate(anthropic_messages, upstream, target).prepare(call)
    except ValueError:
        return "refused"
    except PlexusError as problem:
        must_be_ours(problem)
        return "refused"
    sent = json.loads(made.wire.body)
    assert "model" not in sent
    assert made.wire.path.startswith(("/model/", "/publishers/"))
    return "sent"


@pytest.mark.parametrize("cloud", ["converse", "bedrock", "vertex"])
def test_mutated_requests(cloud: str) -> None:
    platform: Platform = Vertex() if cloud == "vertex" else Bedrock()
    upstream: Any = bedrock_converse if cloud == "converse" else anthropic_messages
    outcomes = run(
        f"requests to {cloud}",
        COUNT // 6,
        lambda random: Mutator(MESSAGES_REQUESTS, random).document,
        partial(check_request, platform, upstream),
    )
    assert min(outcomes.get("sent", 0), outcomes.get("refused", 0)) > COUNT / 600, outcomes
