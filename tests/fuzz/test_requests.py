"""Mutated request bodies: the guard, the client dialect and both provider dialects hold.

Only DocumentError and a PlexusError with a 4xx may come out.
"""

from functools import partial
from random import Random

import pytest

from plexus.streaming.document import DocumentError, JsonBody
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Translate
from plexus.unified.errors import PlexusError
from tests.fuzz.harness import DIALECTS, LONG, TARGETS, client_call, must_be_json, must_be_ours, run
from tests.fuzz.mutate import Mutator, written
from tests.fuzz.seeds import BUILT_IN_REQUESTS, requests

COUNT = 1_000_000 if LONG else 20_000


def check_request(client: Dialect, raw: bytes, random: Random) -> str:
    try:
        body = JsonBody.parse(raw)
    except DocumentError as problem:
        assert str(problem)
        return "no document"
    call = client_call(client.NAME, body)
    target = random.choice(TARGETS)
    passed_through(client, call, target)
    client.request_facts(call)
    try:
        client.parse_request(call)
    except PlexusError as problem:
        must_be_ours(problem)
        return "refused"
    for upstream in DIALECTS.values():
        try:
            prepared = Translate(client, upstream, target).prepare(call)
        except PlexusError as problem:
            must_be_ours(problem)
        else:
            must_be_json(prepared.wire.body)
            native = client is upstream
            assert all(w.loss.possible(target, native) for w in prepared.wire.warnings)
    return "accepted"


def passed_through(client: Dialect, call: ClientCall, target: TargetModel) -> None:
    try:
        wire = client.passthrough(call, target)
    except PlexusError as problem:
        must_be_ours(problem)
    else:
        JsonBody.parse(wire.body)


@pytest.mark.parametrize("name", DIALECTS)
def test_mutated_requests(name: str) -> None:
    seeds = requests(name)
    count = COUNT // len(DIALECTS)
    outcomes = run(
        f"{name} requests",
        count,
        lambda random: Mutator(seeds, random).document,
        partial(check_request, DIALECTS[name]),
    )
    # Neither garbage only nor nothing but harmless changes.
    assert set(outcomes) == {"no document", "refused", "accepted"}
    assert min(outcomes.values()) > count / 100, outcomes


@pytest.mark.parametrize("name", DIALECTS)
def test_built_in_seeds_are_accepted(name: str) -> None:
    """The control: what is mutated was good before."""
    for document in BUILT_IN_REQUESTS[name]:
        body = JsonBody.parse(written(document, True))
        DIALECTS[name].parse_request(client_call(name, body))
