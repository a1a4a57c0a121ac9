"""Mutated provider answers and streams: a failure is a PlexusError or a StreamError, never else."""

from collections.abc import Iterable
from functools import partial
from random import Random

import pytest
from msgspec.structs import replace

from plexus.streaming.document import JsonBody
from plexus.streaming.framing import readable
from plexus.transformers.base import Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Passthrough, StreamTranslation, Translate
from plexus.unified.chunks import check_grammar
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold, unfold
from tests.fuzz.harness import (
    DIALECTS,
    LONG,
    MINIMAL,
    PAIRS,
    TARGETS,
    client_call,
    must_be_json,
    parsed,
    run,
    wire_request,
)
from tests.fuzz.mutate import Mutator, StreamMutator, pieces
from tests.fuzz.seeds import answers, streams

COUNT = 1_000_000 if LONG else 5_000
"""Answers and streams together, over all pairs of client and provider dialect."""


def check_answer(client: Dialect, upstream: Dialect, raw: bytes, random: Random) -> str:
    target = random.choice(TARGETS)
    call = client_call(client.NAME, JsonBody.parse(MINIMAL[client.NAME]))
    translate = Translate(client, upstream, target)
    prepared = translate.prepare(call)
    repair = translate.repair_for(call, prepared.failure(400, {}, raw).error)
    if repair is not None:
        must_be_json(translate.prepare(call, (repair,)).wire.body)
    error = prepared.failure(random.choice((400, 401, 429, 500, 529)), {}, raw).error
    assert error.message
    must_be_json(client.format_error(error, "req_1")[1])
    must_be_json(client.format_stream_error(error, "req_1").data)
    if client is upstream:
        _pass_answer(client, target, raw)
    try:
        answer = prepared.answer(raw, "application/json")
    except PlexusError as problem:
        assert problem.error.http_status >= 400
        return "refused"
    _check_frames(client, answer.body)
    request = client.parse_request(call)
    response = upstream.parse_response(readable(raw), prepared.wire)
    must_be_json(client.format_response(response, request)[0])
    chunks = list(unfold(response))
    check_grammar(chunks)
    assert fold(chunks) == response
    return "accepted"


def _pass_answer(dialect: Dialect, target: TargetModel, raw: bytes) -> None:
    asked = client_call(dialect.NAME, JsonBody.parse(MINIMAL[dialect.NAME]))
    for stream in (False, True):
        call = replace(asked, stream=stream)
        try:
            answer = Passthrough(dialect, target).prepare(call).answer(raw, "application/json")
        except PlexusError as problem:
            assert problem.error.http_status >= 400
        else:
            assert stream or answer.body == raw
            _check_frames(dialect, answer.body if stream else b"")


def check_stream(client: Dialect, upstream: Dialect, raw: bytes, random: Random) -> str:
    target = random.choice(TARGETS)
    check_grammar(parsed(upstream, wire_request(upstream, TARGETS[0]), raw, random))
    call = client_call(client.NAME, JsonBody.parse(MINIMAL[client.NAME]))
    translation = Passthrough(client, target) if client is upstream else None
    if translation is not None:
        _relayed(translation.prepare(call).stream(), pieces(raw, random))
    prepared = Translate(client, upstream, target).prepare(call)
    stream = prepared.stream()
    out = _relayed(stream, [raw])
    cut = prepared.stream()
    assert _relayed(cut, pieces(raw, random)) == out
    assert (cut.failure, cut.finished) == (stream.failure, stream.finished)
    _check_frames(client, out)
    assert stream.failure is not None or stream.finished
    return "failed" if stream.failure is not None else "finished"


def _relayed(stream: StreamTranslation, reads: Iterable[bytes]) -> bytes:
    """What the client gets; nothing more is fed after a failure, as the relay does."""
    out = b""
    for data in reads:
        out += stream.feed(data)
        if stream.failure is not None:
            return out
    return out + stream.close()


def _check_frames(client: Dialect, out: bytes) -> None:
    decoder = client.decoder()
    for frame in decoder.feed(out) + decoder.close():
        if frame.data and frame.data != b"[DONE]":
            must_be_json(frame.data)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_mutated_answers(client: str, upstream: str) -> None:
    seeds = answers(upstream)
    count = COUNT // 2 // len(PAIRS)
    outcomes = run(
        f"{upstream} answers to {client}",
        count,
        lambda random: Mutator(seeds, random).document,
        partial(check_answer, DIALECTS[client], DIALECTS[upstream]),
    )
    assert min(outcomes.get("refused", 0), outcomes.get("accepted", 0)) > count / 100, outcomes


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_mutated_streams(client: str, upstream: str) -> None:
    seeds = streams(upstream)
    count = COUNT // 2 // len(PAIRS)
    outcomes = run(
        f"{upstream} streams to {client}",
        count,
        lambda random: StreamMutator(seeds, random).stream,
        partial(check_stream, DIALECTS[client], DIALECTS[upstream]),
    )
    assert min(outcomes.get("failed", 0), outcomes.get("finished", 0)) > count / 100, outcomes
