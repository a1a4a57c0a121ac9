"""Conversations of plain text are written in one look; what comes out is the same as in many."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers.anthropic_messages.blocks import BlockWriter
from plexus.transformers.anthropic_messages.cache import CacheMarkers
from plexus.transformers.anthropic_messages.conversation import any_turns, plain_turns
from plexus.transformers.anthropic_messages.losses import REQUEST_LOSSES
from plexus.transformers.capabilities import Capabilities
from plexus.transformers.losses import LossLog
from plexus.unified.errors import PlexusError
from plexus.unified.request import UnifiedChatRequest
from tests.fuzz.harness import DIALECTS, client_call
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests
from tests.streams.corpus import recorded, require_corpus

TEXTS = ("hello", "", " \n", "é", "<system>x</system>")


def compared(request: UnifiedChatRequest) -> bool:
    """Whether the conversation is plain; if so, both ways give the same."""
    first = len(request.system_prefix())
    said = request.messages[first:]
    plain = plain_turns(said)
    if plain is None:
        return False
    log = LossLog(REQUEST_LOSSES)
    markers = CacheMarkers(True, log)
    for native in (True, False):
        for mid_system in (True, False):
            writer = BlockWriter(
                family="anthropic",
                caps=Capabilities(),
                names={},
                native=native,
                citable=True,
                markers=markers,
                log=log,
            )
            found = any_turns(said, first, mid_system, native, writer, log)
            assert found == (plain, False)
    assert not log.warnings and not markers.found
    return True


def parsed(dialect: str, raw: bytes) -> UnifiedChatRequest | None:
    try:
        return DIALECTS[dialect].parse_request(client_call(dialect, JsonBody.parse(raw)))
    except (PlexusError, ValueError):
        return None


def some_message(source: random.Random, role: str) -> dict[str, Any]:
    content: Any = source.choice(TEXTS)
    if source.random() < 0.5:
        content = [{"type": "text", "text": text} for text in source.choices(TEXTS, k=2)]
        if source.random() < 0.1:
            content[-1]["cache_control"] = {"type": "ephemeral"}
    message: dict[str, Any] = {"role": role, "content": content}
    if source.random() < 0.05:
        message["name"] = "ann"
    return message


def test_made_conversations() -> None:
    source = random.Random(7)
    plain = 0
    for _ in range(2000):
        roles = source.choices(("user", "assistant", "user", "system"), (9, 9, 9, 1), k=4)
        body = {"model": "m", "messages": [some_message(source, role) for role in roles]}
        found = parsed("openai-chat", json.dumps(body).encode())
        assert found is not None
        plain += compared(found)
    assert 500 < plain < 1900


@pytest.mark.parametrize("dialect", DIALECTS)
def test_mutated_requests(dialect: str) -> None:
    mutator = Mutator(requests(dialect), random.Random(7))
    found = [request for _ in range(1500) if (request := parsed(dialect, mutator.document()))]
    assert sum(map(compared, found)) > 50


@pytest.mark.parametrize("dialect", DIALECTS)
def test_recorded_requests(dialect: str) -> None:
    require_corpus()
    bodies = [found.request for found in recorded(dialect) if found.request is not None]
    found = [request for body in bodies if (request := parsed(dialect, body))]
    assert sum(map(compared, found))
