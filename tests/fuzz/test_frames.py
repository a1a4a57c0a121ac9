"""Mutated frames of a WebSocket: each becomes a request or a refusal, and nothing else happens.

What the connection remembers watches events of providers that send anything.
"""

from __future__ import annotations

from random import Random

import msgspec

from plexus.streaming.document import JsonBody
from plexus.streaming.framing import readable
from plexus.transformers.openai_responses.continuation import Collector, turn
from plexus.transformers.openai_responses.frames import (
    STEER,
    FrameError,
    error_frame,
    names_previous,
    parse_frame,
    steer_failed,
    warm_events,
)
from plexus.unified.errors import PlexusError
from tests.fuzz.harness import LONG, must_be_json, must_be_ours, run
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import requests
from tests.fuzz.seeds_responses import ANSWERS

COUNT = 1_000_000 if LONG else 5_000
ENVELOPES = (
    {"type": "response.create"},
    {"type": "response.create", "generate": False, "store": False, "stream_id": "a"},
    {"type": "response.create", "previous_response_id": "resp_1", "background": False},
    {"type": "response.steer", "previous_response_id": "resp_1"},
)
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
BEFORE = turn(None, [b'{"type":"message","role":"user","content":"before"}'])


def check_frame(raw: bytes, random: Random) -> str:
    try:
        frame = parse_frame(raw)
    except FrameError as problem:
        must_be_ours(PlexusError(problem.error))
        return "refused"
    if frame.kind == STEER:
        must_be_json(steer_failed(frame))
        return "steer"
    for before in (None, BEFORE):
        body = JsonBody.parse(frame.request(before))
        assert not {"type", "generate", "stream_id"} & body.fields.keys()
        assert bytes(body.fields["stream"]) == b"true"
        if before is not None:
            assert "previous_response_id" not in body.fields
            assert len(_items(body.fields["input"])) == 1 + len(frame.items or ())
    for event in warm_events(frame.body, "resp_1", "m", 1):
        must_be_json(event)
    return "request"


def test_mutated_frames() -> None:
    bodies = [body for body in requests("openai-responses") if isinstance(body, dict)]
    seeds = [{**envelope, **body} for body in bodies for envelope in ENVELOPES]
    outcomes = run("frames", COUNT, lambda random: Mutator(seeds, random).document, check_frame)
    assert set(outcomes) == {"request", "refused", "steer"}
    assert min(outcomes.values()) > COUNT / 100, outcomes


def check_event(raw: bytes, random: Random) -> str:
    found = Collector()
    # As every decoder gives it.
    raw = readable(raw)
    found.see(raw)
    must_be_json(error_frame(400, {}, raw))
    names_previous(raw)
    if found.response_id is None:
        return "nothing"
    for item in found.items:
        must_be_json(item)
    return "remembered"


def test_mutated_events() -> None:
    seeds = [
        {"type": kind, "response": answer, "item": answer, "output_index": 0}
        for answer in ANSWERS
        for kind in ("response.completed", "response.output_item.done")
    ]
    outcomes = run("events", COUNT, lambda random: Mutator(seeds, random).document, check_event)
    assert set(outcomes) == {"nothing", "remembered"}
    assert min(outcomes.values()) > COUNT / 100, outcomes
