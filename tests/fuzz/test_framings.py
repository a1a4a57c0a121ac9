"""Every framing on its own, at 10^6 streams each in the long form: splits never change the frames.

Mutations are of bytes; the limit is small so that it is met.
"""

from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from plexus.streaming.document import DocumentError
from plexus.streaming.eventstream import EventStreamDecoder, EventStreamEncoder
from plexus.streaming.form import FormBody
from plexus.streaming.framing import Decoder, Frame, FramingError
from plexus.streaming.json_array import JSONArrayDecoder
from plexus.streaming.sse import SSEDecoder
from plexus.transformers.gemini.framing import GeminiDecoder
from tests.fuzz.harness import LONG, run
from tests.fuzz.mutate import Mutator, pieces

COUNT = 1_000_000 if LONG else 5_000
LIMIT = 400

DATA = (
    b"{}",
    b'{"a":"b\xc3\xa9\\"]}"}',
    b'{"text":"\xe2\x80\xa8\xc2\x85 ok","n":[1,[2,{"x":"["}]]}',
    b"[DONE]",
    b"",
    b'{"p":"' + b"x" * 300 + b'"}',
    b"\xff\xfe broken \xed\xa0\x80",
)
ENDS = (b"\n", b"\r\n", b"\r")


def sse(random: Random) -> bytes:
    out = b"\xef\xbb\xbf" if random.random() < 0.1 else b""
    for _ in range(random.randrange(5)):
        end = random.choice(ENDS)
        lines = [b"data:" + random.choice((b"", b" ")) + random.choice(DATA)]
        if random.random() < 0.4:
            lines.insert(random.randrange(2), b"event: delta")
        if random.random() < 0.2:
            lines.insert(random.randrange(2), random.choice((b": ping", b"id: 1", b"retry: 5")))
        out += b"".join(line + end for line in lines) + random.choice((end, end, b"\n", b""))
    return out


def array(random: Random) -> bytes:
    elements = [random.choice(DATA[:3]) for _ in range(random.randrange(5))]
    between = random.choice((b",", b",\r\n", b" ,\n"))
    return random.choice((b"[", b" [\n")) + between.join(elements) + random.choice((b"]", b"]\n"))


def either(random: Random) -> bytes:
    return sse(random) if random.random() < 0.5 else array(random)


def messages(random: Random) -> bytes:
    encoder = EventStreamEncoder()
    names = ("messageStart", "contentBlockDelta", "exception:throttlingException")
    frames = [Frame(random.choice(names), random.choice(DATA[:3])) for _ in range(3)]
    return b"".join(encoder.encode(frame) for frame in frames[: random.randrange(4)])


def form(random: Random) -> bytes:
    out = b""
    for number in range(random.randrange(4)):
        more = random.choice((b"", b'; filename="a.wav"\r\nContent-Type: audio/wav'))
        name = random.choice((b"model", b"file", b"f%d" % number))
        head = b'Content-Disposition: form-data; name="' + name + b'"' + more
        out += b"--b0\r\n" + head + b"\r\n\r\n" + random.choice(DATA) + b"\r\n"
    return out + b"--b0--\r\n"


class Made:
    """What ``whole`` writes, damaged as bytes three times in four."""

    def __init__(self, whole: Callable[[Random], bytes], random: Random) -> None:
        self._whole = whole
        self._random = random
        self._damage = Mutator([{}], random)

    def stream(self) -> bytes:
        raw = self._whole(self._random)
        return raw if self._random.random() < 0.25 else self._damage.damaged(raw)


def read(decoder: Decoder, parts: list[bytes]) -> tuple[list[Frame], bool]:
    """The frames, and whether an error ended them."""
    frames: list[Frame] = []
    try:
        for part in parts:
            frames += decoder.feed(part)
        frames += decoder.close()
    except FramingError as problem:
        assert str(problem)
        return frames, True
    return frames, False


def check_stream(new: Callable[[], Decoder], raw: bytes, random: Random) -> str:
    whole, failed = read(new(), [raw])
    cut, failed_too = read(new(), list(pieces(raw, random)))
    assert (cut, failed_too) == (whole, failed)
    for frame in whole:
        frame.data.decode()
    return "failed" if failed else "read"


DECODERS: dict[str, tuple[Callable[[], Decoder], Callable[[Random], bytes]]] = {
    "server-sent events": (partial(SSEDecoder, 10_000), sse),
    "server-sent events, limited": (partial(SSEDecoder, LIMIT), sse),
    "JSON array": (partial(JSONArrayDecoder, 10_000), array),
    "JSON array, limited": (partial(JSONArrayDecoder, 60), array),
    "JSON array or events": (GeminiDecoder, either),
    "event stream": (partial(EventStreamDecoder, LIMIT), messages),
}


@pytest.mark.parametrize("name", DECODERS)
def test_framing(name: str) -> None:
    new, whole = DECODERS[name]
    outcomes = run(
        f"{name}: the framing",
        COUNT,
        lambda random: Made(whole, random).stream,
        partial(check_stream, new),
    )
    assert outcomes["read"] > COUNT / 100, outcomes


def check_form(raw: bytes, random: Random) -> str:
    try:
        body = FormBody.parse(raw, "multipart/form-data; boundary=b0")
    except DocumentError as problem:
        assert str(problem)
        return "refused"
    for name, value in body.fields.items():
        # An edit that changes nothing keeps every byte.
        assert body.edit(name, value) == raw
    return "read"


def test_form() -> None:
    outcomes = run(
        "multipart form: the parser",
        COUNT,
        lambda random: Made(form, random).stream,
        check_form,
    )
    assert min(outcomes["read"], outcomes["refused"]) > COUNT / 100, outcomes
