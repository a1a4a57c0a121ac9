"""Every recorded stream, cut anywhere, gives the client the same bytes.

Passed through, and translated for clients of every dialect.
"""

import json
from collections.abc import Iterator
from random import Random

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Passthrough, StreamTranslation, Translate, Translation
from plexus.unified.request import Source
from tests.fuzz.harness import DIALECTS, LONG, MINIMAL
from tests.streams.corpus import Recorded, recorded, require_corpus

SPLITS = 20 if LONG else 3
STREAMS = [found for name in DIALECTS for found in recorded(name) if found.stream]
TARGET = TargetModel(provider="p", model="m", family="other")


def call(dialect: str) -> ClientCall:
    source = Source(dialect=dialect, received=1760000000, request_id="req_1")
    body = JsonBody.parse(MINIMAL[dialect])
    return ClientCall(model="m", stream=True, body=body, source=source)


def ways(upstream: Dialect) -> Iterator[tuple[str, Dialect, Translation]]:
    """Passed through, and translated for each client dialect."""
    yield "passthrough", upstream, Passthrough(upstream, TARGET)
    for client in DIALECTS.values():
        yield f"to {client.NAME}", client, Translate(client, upstream, TARGET)


def relayed(stream: StreamTranslation, pieces: list[bytes]) -> bytes:
    """What the client reads; after a failure the relay feeds no more."""
    out: list[bytes] = []
    for piece in pieces:
        out.append(stream.feed(piece))
        if stream.failure is not None:
            return b"".join(out)
    return b"".join(out) + stream.close()


def bytewise(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


def split(raw: bytes, random: Random) -> list[bytes]:
    cuts = sorted(random.sample(range(len(raw) + 1), min(len(raw), random.randint(1, 40))))
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


def cuttings(raw: bytes) -> Iterator[tuple[str, list[bytes]]]:
    yield "byte by byte", bytewise(raw)
    for seed in range(SPLITS):
        yield f"split {seed}", split(raw, Random(seed))


def test_corpus_is_here() -> None:
    require_corpus()
    assert len(STREAMS) > 100


@pytest.mark.parametrize("found", STREAMS, ids=lambda found: found.id)
def test_splits(found: Recorded) -> None:
    for way, client, translation in ways(DIALECTS[found.dialect]):
        prepared = translation.prepare(call(client.NAME))
        stream = prepared.stream()
        whole = relayed(stream, [found.body])
        # An error before any content writes nothing: another target may still answer.
        assert whole or (stream.failure is not None and not stream.committed)
        for name, cut in cuttings(found.body):
            assert relayed(prepared.stream(), cut) == whole, (way, name)


@pytest.mark.parametrize("found", STREAMS, ids=lambda found: found.id)
def test_passed_through_bytes_are_the_providers(found: Recorded) -> None:
    """A complete stream without an error leaves as it came."""
    stream = Passthrough(DIALECTS[found.dialect], TARGET).prepare(call(found.dialect)).stream()
    out = relayed(stream, [found.body])
    if found.meta["response_kind"] == "json-array":
        # The client asked for events, so it gets the elements as events.
        events = [line.removeprefix(b"data: ") for line in out.split(b"\n\n") if line]
        assert list(map(json.loads, events)) == json.loads(found.body)
    elif found.complete and stream.failure is None:
        assert out == found.body
    else:
        assert out.startswith(found.body[: len(out) // 2])
