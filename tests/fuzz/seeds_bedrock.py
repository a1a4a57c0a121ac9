"""What is mutated of bedrock-converse: recordings and rich examples, and the mutator of streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from plexus.streaming.eventstream import EventStreamDecoder, EventStreamEncoder
from plexus.streaming.framing import Frame
from tests.fuzz.mutate import Mutator
from tests.transformers.bedrock_converse.support import recorded

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
