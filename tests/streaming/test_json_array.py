"""A JSON array as a stream: every split gives the same elements, and the same bytes."""

import json
import random
from itertools import pairwise

import pytest

from plexus.streaming.framing import Frame, FramingError
from plexus.streaming.json_array import JSONArrayDecoder, JSONArrayEncoder

STREAMS = {
    "google": b'[{"a": 1}\n,\r\n{"a": 2}\n]',
    "compact": b'[{"a":1},{"a":2}]',
    "nested": b'[{"a":[1,[2,{"b":"]"}]],"c":{"d":{}}},{"e":"}{["}]\n',
    "escapes": b'[{"a":"\\\\"},{"b":"\\"]}"},{"c":"\\u005d\\\\\\""}]',
    "unicode": '[{"a":"Z\u00fcrich \u2028 \U0001f600"}]'.encode(),
    "empty": b"[ ]",
    "white space": b'\n [\n\n {"a":1}\n ]  \n',
    "arrays": b"[[1],[2,3]]",
    "cut": b'[{"a":1},{"a":',
    "cut in a string": b'[{"a":1},{"a":"b\\',
}


def frames(pieces: list[bytes]) -> list[Frame]:
    decoder = JSONArrayDecoder()
    out = [frame for piece in pieces for frame in decoder.feed(piece)]
    return out + decoder.close()


@pytest.mark.parametrize("name", STREAMS)
def test_splits_change_nothing(name: str) -> None:
    stream = STREAMS[name]
    whole = frames([stream])
    assert frames([bytes([byte]) for byte in stream]) == whole
    source = random.Random(name)
    for _ in range(50):
        cuts = sorted(source.sample(range(len(stream) + 1), k=min(4, len(stream))))
        bounds = [0, *cuts, len(stream)]
        assert frames([stream[a:b] for a, b in pairwise(bounds)]) == whole


@pytest.mark.parametrize("name", STREAMS)
def test_elements_are_those_of_the_document(name: str) -> None:
    found = [json.loads(frame.data) for frame in frames([STREAMS[name]]) if frame.data]
    if name.startswith("cut"):
        assert found == [{"a": 1}]
    else:
        assert found == json.loads(STREAMS[name])


@pytest.mark.parametrize("name", ["google", "compact", "nested", "escapes", "empty", "arrays"])
def test_raw_bytes_are_kept(name: str) -> None:
    raw = b"".join(frame.raw for frame in frames([STREAMS[name]]))
    assert raw == STREAMS[name].rstrip(b"\n")


def test_an_element_leaves_as_soon_as_it_is_whole() -> None:
    decoder = JSONArrayDecoder()
    assert decoder.feed(b'[{"a":1') == []
    assert [frame.data for frame in decoder.feed(b"}")] == [b'{"a":1}']


def test_what_follows_the_array_is_ignored() -> None:
    decoder = JSONArrayDecoder()
    assert [frame.data for frame in decoder.feed(b'[{"a":1}]{"b":2}')] == [b'{"a":1}', b""]
    assert decoder.feed(b'[{"c":3}]') == []


@pytest.mark.parametrize("stream", [b'{"a":1}', b'[1,{"a":1}]', b'["a",{"a":1}]', b'x [{"a":1}]'])
def test_what_is_no_array_of_objects(stream: bytes) -> None:
    with pytest.raises(FramingError):
        frames([stream])


def test_an_element_may_not_grow_without_end() -> None:
    decoder = JSONArrayDecoder(limit=100)
    with pytest.raises(FramingError, match="larger than 100 bytes"):
        for _ in range(20):
            decoder.feed(b'[{"a":"' + b"x" * 20)


def test_invalid_utf8_is_replaced_in_the_data_only() -> None:
    (frame, _) = frames([b'[{"a":"\xff"}]'])
    assert frame.data.decode() == '{"a":"\ufffd"}'
    assert frame.raw == b'[{"a":"\xff"}'


def test_the_encoder_writes_a_document() -> None:
    encoder = JSONArrayEncoder()
    out = [encoder.keep_alive(), encoder.encode(Frame("", b'{"a":1}')), encoder.keep_alive()]
    out += [encoder.encode(Frame("", b'{"a":2}')), encoder.end()]
    assert json.loads(b"".join(out)) == [{"a": 1}, {"a": 2}]
    assert JSONArrayEncoder().end() == b"[]"


def test_an_encoder_goes_on_where_another_began() -> None:
    first, second = JSONArrayEncoder(), JSONArrayEncoder()
    begun = first.encode(Frame("", b"{}"))
    second.resume()
    assert json.loads(begun + second.encode(Frame("", b'{"a":1}')) + second.end()) == [{}, {"a": 1}]
