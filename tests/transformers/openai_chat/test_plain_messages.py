"""Messages of one text are written in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.format_messages import MessageWriter, plain_text
from plexus.transformers.openai_chat.format_parts import Writing
from plexus.transformers.openai_chat.losses import REQUEST_LOSSES
from plexus.transformers.openai_chat.names import ToolNames
from plexus.unified.errors import PlexusError
from plexus.unified.request import UnifiedMessage
from tests.fuzz.harness import DIALECTS, TARGETS, client_call
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests
from tests.streams.corpus import recorded, require_corpus

TEXTS = ("hello", "", " ", "é", "x-anthropic-billing-header: cc_version=1")


def compared(message: UnifiedMessage, target: TargetModel) -> bool:
    """Whether the message is one text; if so, both ways write the same and lose nothing."""
    if plain_text(message) is None:
        return False
    for native in (True, False):
        log = LossLog(REQUEST_LOSSES)
        writing = Writing(target, log, native, "openai-chat" if native else "gemini")
        full = MessageWriter(writing, ToolNames(()))
        full.any_message(message, "messages[0]")
        assert MessageWriter(writing, ToolNames(())).write((message,)) == full.messages
        assert not log.warnings
    return True


def plain(dialect: str, raw: bytes, source: random.Random) -> int:
    """How many messages of a request are one text."""
    try:
        found = DIALECTS[dialect].parse_request(client_call(dialect, JsonBody.parse(raw)))
    except (PlexusError, DocumentError):
        return 0
    return sum(compared(message, source.choice(TARGETS)) for message in found.messages)


def test_made_messages() -> None:
    source = random.Random(7)
    found = 0
    for _ in range(1500):
        role = source.choice(("user", "assistant", "system", "developer"))
        message: dict[str, Any] = {"role": role, "content": source.choice(TEXTS)}
        if source.random() < 0.5:
            parts = [{"type": "text", "text": text} for text in source.choices(TEXTS, k=2)]
            message["content"] = parts[: source.choice((0, 1, 1, 2))]
        if source.random() < 0.1:
            message[source.choice(("name", "odd"))] = "ann"
        body = {"model": "m", "messages": [message]}
        found += plain("openai-chat", json.dumps(body).encode(), source)
    assert 500 < found < 1400


@pytest.mark.parametrize("dialect", DIALECTS)
def test_mutated_requests(dialect: str) -> None:
    source = random.Random(7)
    mutator = Mutator(requests(dialect), source)
    assert sum(plain(dialect, mutator.document(), source) for _ in range(500)) > 50


@pytest.mark.parametrize("dialect", DIALECTS)
def test_recorded_requests(dialect: str) -> None:
    require_corpus()
    source = random.Random(7)
    bodies = [found.request for found in recorded(dialect) if found.request is not None]
    assert sum(plain(dialect, body, source) for body in bodies)
