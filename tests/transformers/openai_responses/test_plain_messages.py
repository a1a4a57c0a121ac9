"""Messages of one text are written in one step; the items and losses are those of the many."""

from __future__ import annotations

import json
import re
from random import Random

import pytest

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.attribution import ATTRIBUTION
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.losses import LossLog, LossWarning
from plexus.transformers.openai_chat.names import ToolNames
from plexus.transformers.openai_responses.format_items import Item, ItemWriter
from plexus.transformers.openai_responses.format_parts import Writing
from plexus.transformers.openai_responses.losses import NAME, REQUEST_LOSSES
from plexus.unified.content import Content
from plexus.unified.errors import PlexusError, UnifiedError
from plexus.unified.request import UnifiedChatRequest, UnifiedMessage
from tests.fuzz.harness import DIALECTS, TARGETS, client_call
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests


class LongWriter(ItemWriter):
    """Every message the general way."""

    def _plain(self, message: UnifiedMessage, part: Content) -> bool:
        return False


class CountingWriter(ItemWriter):
    """Counts the plain messages."""

    plain = 0

    def _plain(self, message: UnifiedMessage, part: Content) -> bool:
        found = super()._plain(message, part)
        self.plain += found
        return found


def write(
    request: UnifiedChatRequest, writer: type[ItemWriter], target: TargetModel
) -> tuple[list[Item] | UnifiedError, tuple[LossWarning, ...], int]:
    log = LossLog(REQUEST_LOSSES)
    dialect = request.source.dialect
    made = writer(Writing(target, log, dialect == NAME, dialect), ToolNames(()))
    try:
        found: list[Item] | UnifiedError = made.write(request.messages)
    except PlexusError as problem:
        found = problem.error
    return found, log.warnings, getattr(made, "plain", 0)


def _texts(body: bytes) -> list[str]:
    """The first texts of a request."""
    return re.findall(r'"(?:text|content)": "(\w[^"\\]*)"', body.decode())[:3]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_requests_of_every_dialect(dialect: str) -> None:
    """Recorded, made up, and mutated."""
    random = Random(31)
    seeds = requests(dialect)
    mutator = Mutator(seeds, random)
    bodies = [json.dumps(seed).encode() for seed in seeds]
    # What Claude Code says of itself is no message of the user's (traps T18).
    said = json.dumps(f"{ATTRIBUTION} cc_version=2").encode()
    bodies += [
        body.replace(json.dumps(text).encode(), said) for body in bodies for text in _texts(body)
    ]
    bodies += [mutator.document() for _ in range(1500)]
    plain = read = 0
    for body in bodies:
        try:
            call = client_call(dialect, JsonBody.parse(body))
            request = DIALECTS[dialect].parse_request(call)
        except (PlexusError, DocumentError):
            continue
        read += 1
        target = random.choice(TARGETS)
        *found, count = write(request, CountingWriter, target)
        *expected, _ = write(request, LongWriter, target)
        assert found == expected, body
        plain += count
    assert read > 100
    assert plain > 100
