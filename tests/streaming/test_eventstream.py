"""AWS event streams: both checksums, every header type, every split; botocore reads the same."""

import contextlib
import json
from itertools import pairwise
from pathlib import Path
from random import Random
from struct import pack
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer

from plexus.streaming.eventstream import EventStreamDecoder, EventStreamEncoder, message
from plexus.streaming.framing import Frame, FramingError
from tests.fuzz.harness import LONG, run

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
RECORDED = sorted(CORPUS.glob("*/*/response.eventstream"))
COUNT = 1_000_000 if LONG else 4_000

EVENT = (":event-type", "contentBlockDelta")
HEADERS = [EVENT, (":content-type", "application/json"), (":message-type", "event")]


def frames(pieces: list[bytes], limit: int = 1 << 20) -> list[Frame]:
    decoder = EventStreamDecoder(limit)
    found = [frame for piece in pieces for frame in decoder.feed(piece)]
    return found + decoder.close()


def written(*names: str) -> bytes:
    encoder = EventStreamEncoder()
    return b"".join(encoder.encode(Frame(name, b'{"a":"\xc3\xa4"}')) for name in names)


def test_what_is_written_is_read() -> None:
    raw = written("messageStart", "exception:throttlingException")
    first, second = frames([raw])
    assert (first.event, first.data) == ("messageStart", b'{"a":"\xc3\xa4"}')
    assert second.event == "exception:throttlingException"
    assert first.raw + second.raw == raw


def test_an_error_message_has_its_text_as_payload() -> None:
    headers = [(":message-type", "error"), (":error-code", "Oops"), (":error-message", 'no "x"')]
    (frame,) = frames([message(headers, b"")])
    assert frame.event == "error:Oops"
    assert json.loads(frame.data) == {"message": 'no "x"'}


def test_headers_of_every_type_are_stepped_over() -> None:
    """True, false, byte, short, int, long, bytes, text, timestamp, uuid."""
    values = [
        b"\x00",
        b"\x01",
        b"\x02a",
        b"\x03ab",
        b"\x04abcd",
        b"\x05" + b"a" * 8,
        b"\x06\x00\x03abc",
        b"\x07\x00\x03abc",
        b"\x08" + b"a" * 8,
        b"\x09" + b"a" * 16,
    ]
    block = b"".join(b"\x01x" + value for value in values)
    plain = message([EVENT], b"{}")
    name = plain[12 : plain.index(b"{}")]
    lengths = pack(">II", 16 + len(block) + len(name) + 2, len(block) + len(name))
    head = lengths + pack(">I", crc32(lengths)) + block + name + b"{}"
    (frame,) = frames([head + pack(">I", crc32(head))])
    assert (frame.event, frame.data) == ("contentBlockDelta", b"{}")


def test_a_long_message_is_refused_by_its_length_alone() -> None:
    raw = message(HEADERS, b"x" * 2000)
    decoder = EventStreamDecoder(limit=1000)
    with pytest.raises(FramingError, match="larger than 1000 bytes"):
        decoder.feed(raw[:12])


@pytest.mark.parametrize("at", range(len(message(HEADERS, b"{}"))))
def test_no_flipped_bit_gets_through(at: int) -> None:
    raw = bytearray(message(HEADERS, b"{}"))
    raw[at] ^= 1
    with contextlib.suppress(FramingError):
        assert frames([bytes(raw)]) == []


def test_half_a_message_is_nothing() -> None:
    raw = written("messageStart", "messageStop")
    assert [frame.event for frame in frames([raw[:-1]])] == ["messageStart"]


def test_what_came_before_a_broken_message_counts() -> None:
    raw = written("messageStart") + b"<html>this is no event stream</html>"
    for pieces in ([raw], [raw[at : at + 1] for at in range(len(raw))]):
        decoder = EventStreamDecoder()
        found: list[Frame] = []
        with pytest.raises(FramingError):
            for piece in pieces:
                found += decoder.feed(piece)
            found += decoder.close()
        assert [frame.event for frame in found] == ["messageStart"]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.parent.name)
def test_recorded_streams(path: Path) -> None:
    """The frames botocore sees, from the whole and from any pieces of it."""
    raw = path.read_bytes()
    whole = frames([raw])
    oracle = EventStreamBuffer()
    oracle.add_data(raw)
    seen = [(event.headers[":event-type"], event.payload) for event in oracle]
    assert [(frame.event, frame.data) for frame in whole] == seen
    assert b"".join(frame.raw for frame in whole) == raw
    encoder = EventStreamEncoder()
    assert [f.data for f in frames([encoder.encode(frame) for frame in whole])] == [
        frame.data for frame in whole
    ]
    assert frames([raw[at : at + 1] for at in range(len(raw))]) == whole
    source = Random(path.parent.name)
    for _ in range(20):
        cuts = sorted(source.sample(range(len(raw) + 1), k=min(7, len(raw))))
        assert frames([raw[a:b] for a, b in pairwise([0, *cuts, len(raw)])]) == whole


def test_the_corpus_has_streams() -> None:
    if not CORPUS.is_dir():
        pytest.skip("SKIPPED: ../shared/corpus with the recorded traffic is not here")
    assert len(RECORDED) >= 17


def test_mutated_streams() -> None:
    """Frames or a FramingError, the same for every split."""

    def make(random: Random):  # type: ignore[no-untyped-def]
        def produce() -> bytes:
            raw = bytearray(written(*random.choices(["a", "bc", "exception:d"], k=3)))
            for _ in range(random.randint(0, 3)):
                raw[random.randrange(len(raw))] = random.randrange(256)
            if random.random() < 0.3:
                at = random.randrange(len(raw))
                raw[at:at] = random.randbytes(random.randint(1, 20))
            return bytes(raw[: random.randint(1, len(raw))] if random.random() < 0.3 else raw)

        return produce

    def outcome(pieces: list[bytes]) -> tuple[list[Frame], str]:
        decoder = EventStreamDecoder(limit=4096)
        found: list[Frame] = []
        try:
            for piece in pieces:
                found += decoder.feed(piece)
            found += decoder.close()
        except FramingError:
            return found, "refused"
        return found, "read"

    def check(raw: bytes, random: Random) -> str:
        whole = outcome([raw])
        at = random.randint(0, len(raw))
        assert outcome([raw[:at], raw[at:]]) == whole
        return whole[1]

    outcomes = run("event streams", COUNT, make, check)
    assert min(outcomes["read"], outcomes["refused"]) > COUNT / 100
