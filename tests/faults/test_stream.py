"""Faults of providers in the middle of a stream, rows D of reliability §2.3, each with its control.

D9 to D11 are in ``tests/gateway/test_promises.py``, D22 in ``test_disconnects.py``, D25 in
``test_upstream.py``; D3, D4 and D17 to D21 are about parsers and stand in their tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tests.faults.server import FaultServer, Peer, fault_server
from tests.gateway import wire
from tests.gateway.client import Client, Ending
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, Gateway
from tests.gateway.test_promises import DIALECTS, good, text_of

IDLE_S = 0.25
LAST = {"openai-chat": 1, "anthropic-messages": 0}
"""Pieces at the end of a stream that only say that it has ended (streaming.md §2)."""

CLIENTS = pytest.mark.parametrize("path", [CHAT, MESSAGES])
PROVIDERS = pytest.mark.parametrize("dialect", DIALECTS)


def same(path: str, dialect: str) -> bool:
    """Whether the provider's bytes are passed through."""
    return (path == CHAT) is (dialect == "openai-chat")


def pieces_of(dialect: str) -> list[bytes]:
    return wire.chat_stream("hello") if dialect == "openai-chat" else wire.message_stream("hello")


class Streams:
    """A provider of each dialect that streams ``pieces``, then ``end``s it properly or not."""

    def __init__(self, server: FaultServer, served: Gateway) -> None:
        self.server = server
        self.served = served
        self.pieces: list[bytes] = []
        self.end = "proper"
        self.released = 0
        """Stalled calls that the gateway has let go of."""
        server.script = self._script

    async def _script(self, peer: Peer) -> None:
        end = self.end
        try:
            await peer.stream(*self.pieces, end=end == "proper")
            match end:
                case "close":
                    peer.close()
                case "reset":
                    peer.reset()
                case "stall":
                    await peer.stall()
                case other if other != "proper":
                    await peer.raw(other.encode("latin-1"))
                    peer.close()
        finally:
            # Seen by its watch, or by a write that failed.
            if end == "stall":
                self.released += 1
                self.server.mark("released")

    def wait_released(self, count: int) -> None:
        self.server.wait(lambda: self.released == count, f"{count} calls to be let go of")

    def ending(self, path: str, dialect: str, *pieces: bytes, end: str = "proper") -> Ending:
        """How a client of ``path`` sees the stream of a provider of ``dialect`` end."""
        self.pieces, self.end = list(pieces), end
        client = Client(self.served.port, path, dialect, True)
        found = client.ending()
        self.body, self.status = client.text, client.status
        return found


@pytest.fixture(scope="module")
def streams(shared: Serve) -> Iterator[Streams]:
    with fault_server() as server:
        config = two(
            provider(server),
            provider(server, "anthropic-messages"),
            timeouts={"first_content": 5, "idle": IDLE_S},
        )
        config["aliases"] = {
            "openai-chat": {"targets": ["first/m"]},
            "anthropic-messages": {"targets": ["second/m"]},
        }
        yield Streams(server, shared(config))


@CLIENTS
@PROVIDERS
@pytest.mark.parametrize("end", ["proper", "close", "reset"])
def test_d1_d7_cut_between_events(streams: Streams, end: str, dialect: str, path: str) -> None:
    """D5 as well: with a finish reason it was whole, only the sentinel is missing."""
    pieces = pieces_of(dialect)
    for count in range(len(pieces) + 1):
        whole = count >= len(pieces) - LAST[dialect]
        if end == "reset" and whole:
            # What was sent may be lost with its connection, or not.
            continue
        found = streams.ending(path, dialect, *pieces[:count], end=end)
        assert found == ("complete" if whole else "error"), (count, streams.body)


@CLIENTS
@PROVIDERS
def test_d2_cut_at_a_byte(
    streams: Streams, dialect: str, path: str, seeded: Random, long: bool
) -> None:
    """Every byte of a stream in the long form, some in the short."""
    raw = b"".join(pieces_of(dialect))
    last = len(raw) - len(b"".join(pieces_of(dialect)[-2:]))
    places = range(len(raw)) if long else sorted(seeded.sample(range(len(raw)), 40))
    places = [*places, *range(len(raw) - 40, len(raw))]
    endings: dict[Ending, int] = {"complete": 0, "error": 0, "cut": 0}
    for at in places:
        found = streams.ending(path, dialect, *filter(None, [raw[:at]]), end="close")
        endings[found] += 1
        if found == "complete":
            assert at >= last and text_of(streams.served, path, streams.body) == "hello"
        else:
            assert found == "error", (at, streams.body)
    print(f"{path} from {dialect}: {len(places):,} cuts, {endings}")
    # The control.
    assert streams.ending(path, dialect, raw, end="close") == "complete"


@CLIENTS
@PROVIDERS
def test_d3_split_anywhere(streams: Streams, dialect: str, path: str, seeded: Random) -> None:
    """Byte by byte and at random places: the client gets the same bytes."""
    raw = b"".join(pieces_of(dialect)).replace(b"hello", "héllo — ✓".encode())
    assert streams.ending(path, dialect, raw) == "complete"
    whole = text_of(streams.served, path, streams.body)
    singles = [raw[at : at + 1] for at in range(len(raw))]
    cuts = sorted(seeded.sample(range(1, len(raw)), 20))
    random = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    for split in (singles, random):
        assert streams.ending(path, dialect, *split) == "complete"
        assert text_of(streams.served, path, streams.body) == whole
        if same(path, dialect):
            assert streams.body == raw


@CLIENTS
@PROVIDERS
def test_d6_an_end_without_a_reason(streams: Streams, dialect: str, path: str) -> None:
    """``message_stop`` without ``message_delta`` is none; ``[DONE]`` is one (streaming.md §3)."""
    pieces = pieces_of(dialect)
    found = streams.ending(path, dialect, *pieces[:-2], pieces[-1])
    assert found == ("complete" if dialect == "openai-chat" else "error")
    assert streams.ending(path, dialect, *pieces) == "complete"


@CLIENTS
@PROVIDERS
def test_d8_events_after_the_end(streams: Streams, dialect: str, path: str) -> None:
    """The end stays where it was, and the next request is its own."""
    pieces = pieces_of(dialect)
    late = wire.chat_chunk({"content": "late"}) if dialect == "openai-chat" else pieces[2]
    end = b"data: [DONE]\n\n" if path == CHAT else b'"message_stop"}\n\n'
    for more in (late, b"garbage\n\n", b": comment\n\n", b"data: {\n\n"):
        for how in ("proper", "close"):
            assert streams.ending(path, dialect, *pieces, more, end=how) == "complete"
            before, mark, after = streams.body.partition(end)
            assert mark
            assert text_of(streams.served, path, before + mark) == "hello"
            assert not after or same(path, dialect)
            assert streams.ending(path, dialect, *pieces) == "complete"


BAD = {
    "D13 no JSON": b"data: {oops\n\n",
    "D13 half": b'data: {"choices": [{"index": 0, "delta": {"content": "x"\n\n',
    "D13 a list": b"data: [1]\n\n",
    "D13 a number": b"data: 5\n\n",
    "D13 invalid UTF-8 in a key": b'data: {"\xff": 1\n\n',
}


@CLIENTS
@PROVIDERS
@pytest.mark.parametrize("name", BAD)
def test_d13_one_bad_event(streams: Streams, name: str, dialect: str, path: str) -> None:
    """After content: an in-band error, for what was in it is lost.  Before: a status."""
    pieces = pieces_of(dialect)
    at = len(pieces) // 2
    if same(path, dialect) and path == CHAT:
        # Passed through as it came: the client's own reader stumbles over it (streaming.md §2).
        streams.ending(path, dialect, *pieces[:at], BAD[name], *pieces[at:])
        assert streams.body == b"".join([*pieces[:at], BAD[name], *pieces[at:]])
        return
    assert streams.ending(path, dialect, *pieces[:at], BAD[name], *pieces[at:]) == "error"
    assert streams.status == 200
    assert streams.ending(path, dialect, BAD[name], *pieces) == "error"
    assert streams.status == 502


UNKNOWN = {
    "D14 event": b'event: new_thing\ndata: {"type": "new_thing", "x": 1}\n\n',
    "D14 delta": b'data: {"choices": [{"index": 0, "delta": {"new_thing": 1}}]}\n\n',
    "D14 no choices": b'data: {"id": "x", "object": "chat.completion.chunk", "choices": []}\n\n',
    "D4 comment": b": hello\n\n",
    "D4 fields": b"id: 1\nretry: 5\nnew: x\n\n",
    "ping": b'event: ping\ndata: {"type": "ping"}\n\n',
}


@CLIENTS
@PROVIDERS
@pytest.mark.parametrize("name", UNKNOWN)
def test_d14_what_nobody_knows(streams: Streams, name: str, dialect: str, path: str) -> None:
    pieces = pieces_of(dialect)
    for at in (0, 1, len(pieces) // 2, len(pieces) - 1):
        found = streams.ending(path, dialect, *pieces[:at], UNKNOWN[name], *pieces[at:])
        assert found == "complete", (at, streams.body)
        assert text_of(streams.served, path, streams.body) == "hello"


@CLIENTS
@PROVIDERS
def test_d15_an_endless_line(streams: Streams, dialect: str, path: str) -> None:
    """An event is at most 16 MiB."""
    pieces = pieces_of(dialect)
    megabyte = b"x" * 2**20
    at = len(pieces) // 2
    endless = [*pieces[:at], b"data: ", *[megabyte] * 17]
    released = streams.released
    assert streams.ending(path, dialect, *endless, end="stall") == "error"
    assert streams.status == 200
    streams.wait_released(released + 1)


@CLIENTS
@PROVIDERS
def test_d16_silence(streams: Streams, dialect: str, path: str) -> None:
    """After content, an in-band error; after the finish, the end of a message that is whole."""
    pieces = pieces_of(dialect)
    released = streams.released
    assert streams.ending(path, dialect, *pieces[:4], end="stall") == "error"
    assert streams.status == 200
    assert b"timeout" in streams.body
    finished = pieces[: len(pieces) - LAST[dialect]]
    assert streams.ending(path, dialect, *finished, end="stall") == "complete"
    streams.wait_released(released + 2)


BROKEN = {
    "size": "zz\r\n",
    "negative": "-5\r\nhello\r\n",
    "huge": "ffffffffffffffffff\r\n",
    "short": "5\r\nhello world\r\n",
    "extension": "5;" + "a" * 200_000 + "\r\nhello\r\n",
    "trailer": "0\r\nx: " + "a" * 200_000 + "\r\n\r\n",
    "another answer": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
}


@CLIENTS
@PROVIDERS
@pytest.mark.parametrize("name", BROKEN)
def test_d24_broken_chunks(streams: Streams, name: str, dialect: str, path: str) -> None:
    pieces = pieces_of(dialect)
    assert streams.ending(path, dialect, *pieces[:4], end=BROKEN[name]) == "error"
    # The control: with nothing missing it does not matter; and a trailer may be.
    assert streams.ending(path, dialect, *pieces, end=BROKEN[name]) == "complete"
    assert streams.ending(path, dialect, *pieces, end="0\r\nx: y\r\n\r\n") == "complete"


def test_e16_a_step_that_breaks(serve: Serve, first: FaultServer) -> None:
    """A bug in a transformer is a 500 in the client's dialect, or in-band; the server lives on."""
    first.script = good("openai-chat")
    use = {where: [["tests.gateway.marks:Broken", {"where": where}]] for where in ("in", "out", "")}
    models = {f"m{where}": {"transformer": {"use": steps}} for where, steps in use.items()}
    served = serve(
        {
            "direct": True,
            "providers": {"p": {**provider(first), "models": models}},
            "aliases": {"a": {"targets": ["p/m"]}},
        }
    )
    for path in (CHAT, MESSAGES):
        for stream in (False, True):
            broken = [
                served.ask(path, model=f"p/m{where}", stream=stream) for where in ("in", "out")
            ]
            assert broken[0].status == 500
            assert broken[1].status == (200 if stream else 500)
            for answer in broken:
                assert b"secret" not in answer.body
                assert b"an internal error of Plexus" in answer.body
            assert Client(served.port, path, "p/mout", stream).ending() == "error"
            # The control: the step where it breaks nothing.
            assert Client(served.port, path, "p/m", stream).ending() == "complete"
    errors = [fields for level, _, fields in served.sink.lines if level == "error"]
    assert len(errors) == 12
    assert all(fields["type"] == "ZeroDivisionError" for fields in errors)
    assert "secret" not in repr(errors)
