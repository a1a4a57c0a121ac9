"""Mutated answers, streams and requests of the clouds: the same promises as for the others.

Streams are mutated twice over: the payloads of their frames, and the framed bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import msgspec
import pytest

from plexus.streaming.document import JsonBody
from plexus.streaming.eventstream import EventStreamDecoder, EventStreamEncoder
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
from tests.transformers.bedrock_converse.support import NOVA, read_stream, recorded, wire

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
RICH: dict[str, Any] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                {"reasoningContent": {"redactedContent": "RXVR"}},
                {"text": "so"},
                {
                    "citationsContent": {
                        "content": [{"text": "a"}],
                        "citations": [{"title": "t", "location": {"web": {"url": "u"}}}],
                    }
                },
                {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}},
                {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "cacheReadInputTokens": 4},
}
Events = list[tuple[str, Any]]
RICH_STREAM: Events = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h"}}}),
    (
        "contentBlockDelta",
        {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}},
    ),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "so"}}),
    ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"citation": {"title": "t"}}}),
    ("contentBlockStop", {"contentBlockIndex": 1}),
    (
        "contentBlockStart",
        {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "1", "name": "f"}}},
    ),
    ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": '{"a":1}'}}}),
    ("contentBlockStop", {"contentBlockIndex": 2}),
    ("messageStop", {"stopReason": "tool_use"}),
    ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}}),
    ("exception:throttlingException", {"message": "slow"}),
]


def answer_seeds() -> list[Any]:
    whole = [found for found in recorded() if not found.stream and len(found.body) < 12_000]
    return [RICH, *(json.loads(found.body) for found in whole if found.status == 200)]


def stream_seeds() -> list[Events]:
    small = [found for found in recorded() if found.stream and len(found.body) < 40_000]
    frames = [EventStreamDecoder().feed(found.body) for found in small]
    return [RICH_STREAM, *([(f.event, json.loads(f.data)) for f in found] for found in frames)]


class EventMutator:
    """Frames dropped, doubled, swapped and cut off; payloads changed; bytes damaged."""

    def __init__(
        self, seeds: list[Events], random: Random, wrap: Callable[[str, bytes], Frame]
    ) -> None:
        self._seeds = seeds
        self._random = random
        self._wrap = wrap
        self._json = Mutator([value for events in seeds for _, value in events], random)

    def stream(self) -> bytes:
        random = self._random
        events = list(random.choice(self._seeds))
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            at = random.randrange(len(events))
            match random.randrange(5):
                case 0 if len(events) > 1:
                    del events[at]
                case 1:
                    events.insert(at, events[random.randrange(len(events))])
                case 2:
                    events[at] = (random.choice(events)[0], events[at][1])
                case 3:
                    other = random.randrange(len(events))
                    events[at], events[other] = events[other], events[at]
                case _:
                    del events[at + 1 :]
        changed = random.randrange(len(events)) if random.random() < 0.7 else -1
        encoder = EventStreamEncoder()
        out = bytearray()
        for number, (name, value) in enumerate(events):
            data = self._json.document() if number == changed else json.dumps(value).encode()
            out += encoder.encode(self._wrap(name, data))
        if random.random() < 0.1:
            out[random.randrange(len(out))] ^= 1 << random.randrange(8)
        return bytes(out)


def as_is(name: str, data: bytes) -> Frame:
    return Frame(name, data)


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
