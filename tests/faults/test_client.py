"""Faults of clients on the wire, rows A of reliability §2.3, each with its control.

A5 to A7 are in ``tests/gateway/test_disconnects.py``, A21 in ``test_mutated.py``.  Not here: A3 and
the sizes of A14, which are the bench's; A27's half-closed socket, for a client's FIN is how it
leaves (A5), and the two cannot be told apart before an answer; A30, for nothing is deduplicated.
"""

from __future__ import annotations

import json
import socket
import sys
import zlib
from collections.abc import Iterator
from itertools import product
from typing import Any

import brotli
import pytest

from plexus.gateway.limits import Limits
from tests.faults.server import DEADLINE, FaultServer, Peer, fault_server
from tests.gateway import wire
from tests.gateway.client import Client
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import (
    CHAT,
    MESSAGES,
    SAY,
    Gateway,
    Json,
    gateway,
    post,
    read_all,
    read_until,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMIT = 100_000
HEAD_S = 0.25
BODY = json.dumps({"model": "one", "messages": SAY}).encode()
SIZE = len(BODY)
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"host: plexus\r\n"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, BODY)
SECOND = b"GET /livez HTTP/1.1\r\nhost: plexus\r\n\r\n"
"""What a proxy in front might have taken for a part of the body."""


async def good(peer: Peer) -> None:
    chat = peer.request.path.endswith("/chat/completions")
    if b'"stream": true' in peer.request.body or b'"stream":true' in peer.request.body:
        await peer.stream(*(wire.chat_stream() if chat else wire.message_stream()))
    else:
        await peer.answer(200, wire.chat() if chat else wire.message())


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultServer]:
    with fault_server(good) as server:
        yield server


@pytest.fixture(scope="module")
def served(upstream: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """``one`` speaks chat, ``other`` messages; heads and bodies must come soon."""
    config = two(
        provider(upstream), provider(upstream, "anthropic-messages"), server={"body_limit": LIMIT}
    )
    limits = Limits(head=HEAD_S, receive=HEAD_S)
    with gateway(config, tmp_path_factory.mktemp("client"), limits=limits) as found:
        yield found


def answers(served: Gateway, data: bytes) -> list[int]:
    """The statuses of all answers to ``data`` on one connection, which the gateway closes."""
    sock = served.raw(data)
    try:
        got = read_all(sock)
    except ConnectionResetError:
        return []
    finally:
        sock.close()
    return [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]


def status(served: Gateway, data: bytes) -> int:
    """The first answer's; the client does not wait for the connection's end."""
    sock = served.raw(data)
    head = read_until(sock, b"\r\n\r\n")
    sock.close()
    return int(head.split()[1])


def framed(*lines: bytes, body: bytes = BODY) -> bytes:
    return LINE + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


LENGTH = b"content-length: %d" % SIZE
CLOSE = b"connection: close"


# --- A1, A2 ---------------------------------------------------------------------------------------


HALVES = {
    "nothing": b"",
    "half a line": b"POST /v1/chat",
    "half a head": LINE + HOST + b"x-a: b",
    "no end of the head": LINE + HOST + LENGTH + b"\r\n",
    "empty lines": b"\r\n\r\n",
}


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("half", HALVES)
def test_a1_a2_a_head_that_does_not_come(served: Gateway, half: str, kept: bool) -> None:
    """The connection is closed; one that was used before as well."""
    sock = served.raw(b"")
    if kept:
        sock.sendall(SECOND)
        assert b" 200 " in sock.recv(65536)
        if half == "nothing":
            # That is a kept-alive connection, which uvicorn closes after 75 seconds.
            sock.close()
            return
    sock.sendall(HALVES[half])
    assert sock.recv(1) == b""
    sock.close()


def test_a1_a_head_in_time(serve: Serve, first: FaultServer) -> None:
    """The control: it may come in pieces, and its answer may take longer."""

    async def script(peer: Peer) -> None:
        await first.until(lambda: "go" in first.marks)
        await peer.answer(200, wire.chat())

    first.script = script
    served = serve(two(provider(first), provider(first)), limits=Limits(head=HEAD_S))
    sock = served.raw(LINE)
    for piece in (HOST, LENGTH + b"\r\n" + CLOSE + b"\r\n", b"\r\n", BODY):
        sock.sendall(piece)
    first.wait(lambda: len(first.requests) == 1, "the call")
    sock.settimeout(2 * HEAD_S)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    first.mark("go")
    first.wake()
    sock.settimeout(DEADLINE)
    assert b" 200 OK" in read_all(sock)
    sock.close()


# --- A4 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [CHAT, MESSAGES])
def test_a4_a_client_that_does_not_read(serve: Serve, first: FaultServer, client: str) -> None:
    """It is cut off, and the upstream with it; one that reads slowly is served."""

    async def flood(peer: Peer) -> None:
        piece = wire.chat_chunk({"content": "x" * 60_000})
        await peer.stream(wire.chat_stream()[0], end=False)
        for _ in range(2000):
            if peer.left.is_set():
                return
            await peer.chunk(piece)

    first.script = flood
    served = serve(two(provider(first), provider(first)), limits=Limits(stalled=0.3))
    body = {"model": "one", "messages": SAY, "max_tokens": 9, "stream": True}
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(DEADLINE)
    sock.connect(("127.0.0.1", served.port))
    sock.sendall(post(client, json.dumps(body).encode()))
    first.wait(lambda: len(first.departures) == 1, "the upstream to be let go of")
    assert served.sink.wait_requests(1)[0]["outcome"] == "client_closed"
    sock.close()
    # The control: whoever reads gets all of it.
    first.script = good
    assert served.ask(client, body).status == 200


# --- A8, A9, A10, A25, A28 ------------------------------------------------------------------------

CODINGS = (
    b"xchunked",
    b"chunkedx",
    b"chunked, identity",
    b"identity, chunked",
    b"chunked, chunked",
    b"gzip",
    b"gzip, chunked",
    b"identity",
    b'"chunked"',
    b"chunked;q=1",
    b"chu nked",
    b"\x0bchunked",
    b"chunked\x00",
    b"\xffchunked",
    b"",
)
LENGTHS = (b"+%d", b"-%d", b"0x%x", b"%d,", b"%d, %d", b"%d %d", b"%d.0", b"%de0", b"1%d\x00", b"")
NAMES = (b"%b :", b" %b:", b"%b\t:", b"%b\x00:", b"\x0b%b:", b"%b\r:", b"x\r%b:", b"x\n%b:")


def shapes() -> Iterator[tuple[str, bytes]]:
    """Requests of which two parsers may think differently where they end."""
    chunked = b"transfer-encoding: chunked"
    for order in ((LENGTH, chunked), (chunked, LENGTH)):
        yield f"both {order}", framed(*order, body=CHUNKED)
        yield f"both, short {order}", framed(*order, body=b"0\r\n\r\n")
    for coding, more in product(CODINGS, ((), (LENGTH,), (chunked,), (b"transfer-encoding: x",))):
        line = b"transfer-encoding: " + coding
        for lines in {(line, *more), (*more, line)}:
            yield f"coding {lines}", framed(*lines, body=CHUNKED)
    for length, more in product(LENGTHS, ((), (LENGTH,), (b"content-length: 0",))):
        value = length.replace(b"%d", b"%d" % SIZE).replace(b"%x", b"%x" % SIZE)
        for lines in {(b"content-length: " + value, *more), (*more, b"content-length: " + value)}:
            yield f"length {lines}", framed(*lines)
    for other in (b"content-length: 0", b"content-length: %d" % (SIZE + 1), LENGTH):
        yield f"two lengths {other!r}", framed(LENGTH, other)
    for name, (header, value, body) in product(
        NAMES,
        (
            (b"transfer-encoding", b" chunked", CHUNKED),
            (b"content-length", b" %d" % SIZE, BODY),
        ),
    ):
        yield f"name {name!r}", framed(name % header + value, LENGTH, body=body)
    for fold in (b" ", b"\t"):
        yield "folded", framed(b"x-a: b", fold + b"chunked", LENGTH)
        yield "folded coding", framed(b"transfer-encoding:", fold + b"chunked", body=CHUNKED)
        yield "folded first", LINE + fold + HOST + LENGTH + b"\r\n\r\n" + BODY
    for size in (b"0x5", b"-1", b"+5", b"zz", b" ", b"", b"f" * 17, b"5 5"):
        yield f"chunk size {size!r}", framed(chunked, body=size + b"\r\n" + BODY + b"\r\n0\r\n\r\n")
    for end in (b"XX", b"\n", b"\r", b""):
        yield f"chunk end {end!r}", framed(chunked, body=b"%x\r\n%b%b0\r\n\r\n" % (SIZE, BODY, end))
    yield "line feeds in chunks", framed(chunked, body=CHUNKED.replace(b"\r\n", b"\n"))
    head = framed(LENGTH, body=b"")
    yield "bare line feeds", head.replace(b"\r\n", b"\n") + BODY
    for byte in (b"\r", b"\n", b"\x00"):
        yield f"{byte!r} in a value", framed(b"x-a: b" + byte + b"c", LENGTH)
        yield f"{byte!r} in the line", framed(LENGTH).replace(b"/v1", b"/v" + byte + b"1", 1)
    # A10
    yield "no host", LINE + LENGTH + b"\r\n\r\n" + BODY
    yield "two hosts", framed(b"host: other", LENGTH)
    yield "the same host twice", framed(HOST.rstrip(), LENGTH)
    # A28 and other protocols
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    yield "TLS", bytes.fromhex("160301020001000a")
    yield "SSH", b"SSH-2.0-OpenSSH_9.0\r\n\r\n"
    for version in (b"HTTP/3.0", b"HTTP/1.2", b"HTTP/1", b"HTTP/11", b"http/1.1", b"HTP/1.1"):
        yield f"{version!r}", framed(LENGTH).replace(b"HTTP/1.1", version, 1)
    for method in (b"post", b"PO ST", b"CONNECT", b"POST\t", b"GETT", b"\x00POST"):
        yield f"{method!r}", framed(LENGTH).replace(b"POST", method, 1)


SHAPES = list(shapes())


def test_a8_a9_a10_a28_shapes_that_smuggle(served: Gateway, upstream: FaultServer) -> None:
    """None is accepted, none gets two answers, none reaches a provider."""
    before = len(upstream.requests)
    accepted = {}
    for name, data in SHAPES:
        got = answers(served, data + SECOND)
        if got not in ([400], [405], []):
            accepted[name] = got
    assert not accepted
    assert len(upstream.requests) == before
    assert len(SHAPES) >= 200
    print(f"{len(SHAPES)} shapes, 0 accepted")


LEGAL = {
    "length": framed(LENGTH, CLOSE),
    "chunked": framed(b"transfer-encoding: chunked", CLOSE, body=CHUNKED),
    "Chunked": framed(b"Transfer-Encoding:\tChunked ", CLOSE, body=CHUNKED),
    "absolute": framed(LENGTH, CLOSE).replace(b" /v1", b" http://evil.example/v1", 1),
    # A25
    "trailers": framed(
        b"transfer-encoding: chunked",
        CLOSE,
        body=CHUNKED[:-2] + b"host: other\r\nx-api-key: k\r\n\r\n",
    ),
    "extensions": framed(
        b"transfer-encoding: chunked",
        CLOSE,
        body=b"%x;%b=%b\r\n%b\r\n0\r\n\r\n" % (SIZE, b"a" * 9, b"b" * 9, BODY),
    ),
    "one byte a chunk": framed(
        b"transfer-encoding: chunked",
        CLOSE,
        body=b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_a8_a25_legal_shapes(served: Gateway, upstream: FaultServer, name: str) -> None:
    """The control."""
    before = len(upstream.requests)
    assert answers(served, LEGAL[name]) == [200]
    assert len(upstream.requests) == before + 1
    assert "evil" not in upstream.requests[-1].headers["host"]


def test_a25_trailers_are_no_headers(serve: Serve, first: FaultServer) -> None:
    """A key in a trailer would be one that no proxy in front has seen."""
    first.script = good
    config = {**two(provider(first), provider(first)), "keys": {"k": {"secret": {"env": "K"}}}}
    served = serve(config, environment={"UPSTREAM_KEY": "u", "K": "secret-of-k"})
    own = b"x-api-key: secret-of-k"
    chunked = b"transfer-encoding: chunked"
    late = framed(chunked, CLOSE, body=CHUNKED[:-2] + own + b"\r\n\r\n")
    assert answers(served, late) == [401]
    assert answers(served, framed(chunked, own, CLOSE, body=CHUNKED)) == [200]


# --- A11, A12, A13, A23, A24 ----------------------------------------------------------------------


def test_a11_large_heads(served: Gateway) -> None:
    def head(*lines: bytes) -> list[int]:
        return answers(served, framed(LENGTH, CLOSE, *lines))

    assert head(b"x-a: " + b"a" * 17_000) == [431]
    assert head(b"x-a: " + b"a" * 100_000) == [431]
    assert head(*(b"x-%d: a" % number for number in range(1000))) == [431]
    assert head(*(b"x-%d: " % number + b"a" * 15_000 for number in range(5))) == [431]
    # The control.
    assert head(b"x-a: " + b"a" * 15_000) == [200]
    assert head(*(b"x-%d: a" % number for number in range(90))) == [200]


def large(size: int) -> bytes:
    """A request body of exactly ``size`` bytes."""
    body = json.dumps({"model": "one", "messages": SAY, "user": ""}).encode()
    return body[:-2] + b"u" * (size - len(body)) + b'"}'


def test_a12_a13_large_bodies(served: Gateway, upstream: FaultServer) -> None:
    before = len(upstream.requests)
    declared = framed(b"content-length: 1000000000", body=b"")
    assert status(served, declared) == 413
    assert served.ask(CHAT, large(LIMIT + 1)).status == 413
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    endless = framed(b"transfer-encoding: chunked", body=chunk * 20)
    assert status(served, endless) == 413
    assert len(upstream.requests) == before
    # The control.
    assert served.ask(CHAT, large(LIMIT)).status == 200


def packed(data: bytes, coding: str) -> bytes:
    if coding == "br":
        return brotli.compress(data)
    if coding == "zstd":
        return zstd.compress(data)
    wbits = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}[coding]
    packer = zlib.compressobj(9, wbits=wbits)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a23_T17_packed_bodies(served: Gateway, upstream: FaultServer, coding: str) -> None:
    before = len(upstream.requests)
    own = {"content-encoding": coding}

    def asked(raw: bytes, headers: dict[str, str]) -> int:
        return served.ask(CHAT, raw, headers=headers).status

    bomb = packed(b" " * 50_000_000, coding)
    assert len(bomb) < LIMIT
    good_one = packed(BODY, coding)
    assert asked(bomb, own) == 413
    assert asked(packed(large(LIMIT + 1), coding), own) == 413
    assert asked(good_one[:-9], own) == 400
    assert asked(good_one + b"x", own) == 400
    assert asked(packed(good_one, coding), own) == 400
    assert asked(BODY, own) == 400
    for unknown in ("compress", "gzip, gzip", "x"):
        refused = served.ask(CHAT, good_one, headers={"content-encoding": unknown})
        assert refused.status == 415
        assert "gzip, deflate, br, zstd" in refused.error["message"]
    assert len(upstream.requests) == before
    # The control.
    assert asked(good_one, own) == 200
    assert asked(packed(large(LIMIT), coding), own) == 200


def test_a23_T17_a_window_of_128_mib(served: Gateway) -> None:
    """A few bytes may ask the decoder for any amount of memory (RFC 9659)."""

    def asked(window: int) -> int:
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window})
        raw = packer.compress(BODY) + packer.flush()
        return served.ask(CHAT, raw, headers={"content-encoding": "zstd"}).status

    assert asked(27) == 400
    # The control.
    assert asked(23) == 200


def test_T17_every_endpoint_takes_packed_bodies(served: Gateway) -> None:
    own = {"content-encoding": "zstd"}
    for path in (CHAT, "/v1/messages/count_tokens", "/aliases/one/v1beta/models/m:countTokens"):
        body = {"contents": [{"parts": [{"text": "hi"}]}]} if "beta" in path else None
        raw = packed(json.dumps(body).encode() if body else BODY, "zstd")
        assert served.ask(path, raw, headers=own).status == 200, path


def test_a24_continue_is_said_late(serve: Serve, first: FaultServer) -> None:
    """After the key and the size were looked at; and the body's deadline holds."""
    first.script = good
    config = {
        **two(provider(first), provider(first)),
        "server": {"body_limit": LIMIT},
        "keys": {"k": {"secret": {"env": "K"}}},
    }
    served = serve(
        config, environment={"UPSTREAM_KEY": "u", "K": "key-k"}, limits=Limits(receive=HEAD_S)
    )
    expect, own = b"expect: 100-continue", b"x-api-key: key-k"
    assert status(served, framed(expect, LENGTH, body=b"")) == 401
    huge = b"content-length: %d" % (LIMIT + 1)
    assert status(served, framed(expect, own, huge, body=b"")) == 413
    assert answers(served, framed(expect, own, LENGTH, body=b"")) == [100, 408]
    # The control.
    sock = served.raw(framed(expect, own, LENGTH, CLOSE, body=b""))
    assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(BODY)
    assert b"HTTP/1.1 200 OK" in read_all(sock)
    sock.close()


# --- A16 to A20, A22 ------------------------------------------------------------------------------


def saying(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def chat(more: str = "", model: str = '"model":"one",') -> bytes:
    return saying(f'{{{model}"max_tokens":9,"messages":[{{"role":"user","content":"hi"}}]{more}}}')


NOT_JSON: dict[str, bytes] = {
    "A16 deep": chat(',"x":' + "[" * 1000 + "]" * 1000),
    "A16 deeper": chat(',"x":' + '{"a":' * 100_00 + "1" + "}" * 100_00),
    "A16 open": b"[" * 50_000,
    "A17 NaN": chat(',"temperature":NaN'),
    "A17 Infinity": chat(',"temperature":Infinity'),
    "A17 -Infinity": chat(',"temperature":-Infinity'),
    "A18 model twice": chat(',"model":"other"'),
    "A18 model twice, the same": chat(',"model":"one"'),
    "A18 stream twice": chat(',"stream":true,"stream":false'),
    "A18 escaped": chat(',"m\\u006fdel":"other"'),
    "A19 surrogate bytes": chat(',"user":"\ud800"'),
    "A19 overlong": chat(',"user":"X"').replace(b"X", b"\xc0\xaf"),
    "A19 invalid": chat(',"user":"X"').replace(b"X", b"\xff"),
    "A19 BOM": b"\xef\xbb\xbf" + chat(),
    "A19 NUL": chat() + b"\x00",
    "A19 UTF-16": chat().decode().encode("utf-16"),
    "A19 raw control": chat(',"user":"\x01"'),
    "two documents": chat() + chat(),
    "comment": chat() + b"// x",
    "trailing comma": chat(","),
    "no object": b"[1]",
    "nothing": b"",
    "a string": b'"model"',
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("name", NOT_JSON)
def test_a16_to_a19_bodies_that_are_no_json(
    served: Gateway, upstream: FaultServer, name: str, path: str
) -> None:
    before = len(upstream.requests)
    answer = served.ask(path, NOT_JSON[name])
    assert answer.status == 400, answer
    assert answer.error["type"] == "invalid_request_error"
    assert answer.headers["x-should-retry"] == "false"
    assert len(upstream.requests) == before
    # The control.
    assert served.ask(path, chat()).status == 200


ODD: dict[str, bytes] = {
    "A17 1e999": chat(',"temperature":1e999'),
    "A19 escaped surrogate": chat(',"user":"\\ud800"'),
    "A19 escaped NUL": chat(',"user":"\\u0000"'),
    "A20 digits": chat(',"seed":' + "1" * 5000),
    "A20 2^63": chat(',"seed":9223372036854775808'),
    "A20 tokens": chat(',"n":1e308'),
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("alias", ["one", "other"])
@pytest.mark.parametrize("name", ODD)
def test_a17_to_a20_odd_values(served: Gateway, name: str, alias: str, path: str) -> None:
    """Passed through as they came to the same dialect, else refused; never a fault of ours."""
    body = ODD[name].replace(b'"one"', b'"%b"' % alias.encode())
    assert served.ask(path, body).status in (200, 400)


@pytest.mark.parametrize(
    "model", ['"\\ud800"', '"\\u0000"', '"../../x"', '"one\\u202e"', '"' + "m" * 9999 + '"']
)
def test_a19_odd_models(served: Gateway, model: str) -> None:
    for path in (CHAT, MESSAGES):
        assert served.ask(path, chat(model=f'"model":{model},')).status in (400, 404)


POINTERS = ("api_base", "base_url", "api_base_url", "url", "user_config", "proxy", "extra_headers")


def test_a22_a_body_chooses_no_host(served: Gateway, upstream: FaultServer) -> None:
    """Wherever such a field stands, nothing else is called, and no header comes of it."""
    with fault_server(good) as canary:
        value: Any = {"authorization": "canary", "api_base": canary.url, "base_url": canary.url}
        for name in POINTERS:
            for aim in (canary.url, value):
                for path, alias in ((CHAT, "one"), (CHAT, "other"), (MESSAGES, "one")):
                    message: Json = {"role": "user", "content": "hi", name: aim}
                    body = {"model": alias, "messages": [message], "max_tokens": 9, name: aim}
                    before = len(upstream.requests)
                    answer = served.ask(path, body)
                    assert answer.status in (200, 400)
                    for request in upstream.requests[before:]:
                        assert "canary" not in repr(request.headers)
        assert not canary.connections


# --- A26, A27 -------------------------------------------------------------------------------------


def test_a26_http_1_0(served: Gateway) -> None:
    """A stream without chunks, which ends with the connection."""
    body = json.dumps({"model": "one", "messages": SAY, "stream": True}).encode()
    request = framed(b"content-length: %d" % len(body), body=body).replace(b"1.1", b"1.0", 1)
    sock = served.raw(request)
    head, _, rest = read_all(sock).partition(b"\r\n\r\n")
    sock.close()
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert rest == b"".join(wire.chat_stream())
    whole = served.raw(framed(LENGTH).replace(b"1.1", b"1.0", 1))
    assert read_all(whole).endswith(wire.chat())
    whole.close()


def test_a27_pipelined_requests(served: Gateway, upstream: FaultServer) -> None:
    """Answered one after the other, in order."""
    paths = (CHAT, MESSAGES, "/livez", "/nothing")
    wanted = [200, 200, 200, 404] * 5
    requests = [
        post(path, json.dumps({"model": "one", "messages": SAY, "max_tokens": 9}).encode())
        if path.startswith("/v1")
        else f"GET {path} HTTP/1.1\r\nhost: plexus\r\n\r\n".encode()
        for path in paths * 5
    ]
    last = b"GET /livez HTTP/1.1\r\nhost: plexus\r\nconnection: close\r\n\r\n"
    assert answers(served, b"".join(requests) + last) == [*wanted, 200]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("queued", [1, 3])
def test_a27_pipelined_and_gone(
    serve: Serve, first: FaultServer, queued: int, stream: bool
) -> None:
    """A client that leaves is gone for all of its requests: the one that runs is aborted."""

    async def stall(peer: Peer) -> None:
        await peer.stall()

    first.script = stall
    served = serve(two(provider(first), provider(first)))
    body = json.dumps({"model": "one", "messages": SAY, "stream": stream}).encode()
    sock = served.raw(post(CHAT, body) * (1 + queued))
    first.wait(lambda: len(first.requests) == 1, "the first call")
    sock.close()
    first.wait(lambda: len(first.departures) == 1, "the upstream to be let go of")
    assert served.sink.wait_requests(1)[0]["outcome"] == "client_closed"
    # The control: a client that stays is answered in full.
    first.script = good
    assert Client(served.port, CHAT, "one", stream).ending() == "complete"
