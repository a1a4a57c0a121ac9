"""JSON texts one after the other (RFC 7464)."""

from __future__ import annotations

from plexus.streaming.framing import Frame
from plexus.streaming.json_seq import JSONSequenceEncoder, texts


def test_what_is_written_is_read() -> None:
    encoder = JSONSequenceEncoder()
    events = [b'{"a":"x\\u001e"}', b'{\n "b": 1\n}', b"[]"]
    data = b"".join(encoder.encode(Frame("name", event)) for event in events)
    encoder.resume()
    assert texts(data + encoder.keep_alive() + encoder.end()) == events


def test_text_that_is_in_no_frame() -> None:
    assert texts(b"") == []
    assert texts(b'{"error":{}}') == [b'{"error":{}}']
