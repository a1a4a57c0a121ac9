"""Server-sent events: every line end, every split, every vendor's oddity gives the same frames."""

import random
from itertools import pairwise

import pytest

from plexus.streaming.framing import Frame, FramingError
from plexus.streaming.sse import SSEDecoder, SSEEncoder


def frames(pieces: list[bytes]) -> list[Frame]:
    decoder = SSEDecoder()
    out = [frame for piece in pieces for frame in decoder.feed(piece)]
    return out + decoder.close()


STREAMS = {
    "lf": b"data: a\n\ndata: b\n\n",
    "crlf": b"data: a\r\n\r\ndata: b\r\n\r\n",
    "cr": b"data: a\r\rdata: b\r\r",
    "mixed": b"data: a\r\n\ndata: b\n\r\ndata: c\n\n",
    "comment": b": hi\n\ndata: a\n\n",
    "event": b"event: ping\ndata: {}\n\nevent: x\r\ndata:y\r\n\r\n",
    "several data lines": b"data: a\ndata: b\n\n",
    "no space": b"data:{}\n\n",
    "no last blank line": b"data: a\n\ndata: [DONE]",
    "bom": b"\xef\xbb\xbfdata: a\n\n",
    "unicode separators": "data: a\u2028b\u2029c\u0085\n\n".encode(),
    "blank lines": b"\n\n\ndata: a\n\n\n\ndata: b\n\n",
    "unknown fields": b"id: 7\nretry: 10\nfoo: bar\ndata: a\n\n",
    "empty data": b"data:\n\ndata: \n\nevent: x\n\n",
}


@pytest.mark.parametrize("name", STREAMS)
def test_splits_change_nothing(name: str) -> None:
    stream = STREAMS[name]
    whole = frames([stream])
    assert frames([bytes([byte]) for byte in stream]) == whole
    source = random.Random(name)
    for _ in range(50):
        cuts = sorted(source.sample(range(len(stream) + 1), k=min(4, len(stream))))
        bounds = [0, *cuts, len(stream)]
        pieces = [stream[a:b] for a, b in pairwise(bounds)]
        assert frames(pieces) == whole


@pytest.mark.parametrize("name", STREAMS)
def test_raw_bytes_are_kept(name: str) -> None:
    raw = b"".join(frame.raw for frame in frames([STREAMS[name]]))
    assert raw == STREAMS[name].removeprefix(b"\xef\xbb\xbf")


def data(name: str) -> list[bytes]:
    return [frame.data for frame in frames([STREAMS[name]]) if frame.data]


def test_what_frames_say() -> None:
    assert data("lf") == data("crlf") == data("cr") == [b"a", b"b"]
    assert data("mixed") == [b"a", b"b", b"c"]
    assert data("several data lines") == [b"a\nb"]
    assert data("no space") == [b"{}"]
    assert data("no last blank line") == [b"a", b"[DONE]"]
    assert data("bom") == data("comment") == data("unknown fields") == [b"a"]
    assert data("unicode separators") == ["a\u2028b\u2029c\u0085".encode()]
    assert data("empty data") == []
    assert [frame.event for frame in frames([STREAMS["event"]])] == ["ping", "x"]


def test_an_endless_event_is_refused() -> None:
    decoder = SSEDecoder(limit=1000)
    with pytest.raises(FramingError, match="larger than 1000"):
        for _ in range(200):
            decoder.feed(b"data: xxxxxxxxx")


def test_many_small_pieces_cost_linear_time() -> None:
    decoder = SSEDecoder()
    scanned = 0
    for _ in range(20_000):
        decoder.feed(b"x")
        scanned = max(scanned, len(decoder._buffer) - decoder._scanned)
    assert scanned <= 3  # each piece is searched from where the last one ended


def test_encoder() -> None:
    encoder = SSEEncoder()
    assert encoder.encode(Frame("", b"{}")) == b"data: {}\n\n"
    assert encoder.encode(Frame("ping", b"{}")) == b"event: ping\ndata: {}\n\n"
    assert encoder.keep_alive() == b": keep-alive\n\n"
