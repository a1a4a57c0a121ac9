"""Faults of providers before the first content, rows C of reliability §2.3, each with its control.

The rows with a status alone, C10, C12, C15 and C16 are in ``tests/gateway/test_promises.py``; C7 in
the tests of each dialect's errors.  Not here: C5 and C25, for there is neither a rate of bytes nor
a cooldown yet; C26, which nobody could notice.
"""

from __future__ import annotations

import gc
import ssl
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from plexus.gateway.dispatcher import Exchange
from tests.faults.server import DEADLINE, FaultServer, Peer, Script, fault_server
from tests.gateway import wire
from tests.gateway.conftest import Serve, provider, two
from tests.gateway.harness import CHAT, MESSAGES, SAY, Answer, Gateway, Json
from tests.gateway.test_promises import DIALECTS, PATHS, good, text_of

PEM = Path(__file__).with_name("selfsigned.pem")
"""A certificate for 127.0.0.1 that nobody trusts, and its key."""

PATIENCE = {"connect": 2, "first_content": 0.4, "idle": 0.3}
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@pytest.fixture(scope="module")
def lasting_first() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


@pytest.fixture(scope="module")
def lasting_second() -> Iterator[FaultServer]:
    with fault_server() as server:
        yield server


@pytest.fixture
def first(lasting_first: FaultServer) -> FaultServer:
    """One for all tests, so that they can share gateways; but without a past."""
    lasting_first.forget()
    return lasting_first


@pytest.fixture
def second(lasting_second: FaultServer) -> FaultServer:
    lasting_second.forget()
    return lasting_second


@pytest.fixture
def serve(shared: Serve) -> Serve:
    return shared


def over(
    serve: Serve,
    first: FaultServer,
    second: FaultServer,
    script: Script,
    dialect: str,
    **more: Json,
) -> Gateway:
    first.script, second.script = script, good("openai-chat")
    return serve(two(provider(first, dialect), provider(second), timeouts=PATIENCE, **more))


def must_fail_over(served: Gateway, stream: bool, path: str = CHAT) -> Answer:
    """The second target answers ``m``; the answer of the first alone, which is an error."""
    answer = served.ask(path, model="m", stream=stream)
    assert answer.status == 200, answer
    assert text_of(served, path, answer.body) == "second"
    alone = served.ask(path, model="one", stream=stream)
    assert alone.status >= 500, alone
    assert "error" in alone.json
    return alone


# --- C1 -------------------------------------------------------------------------------------------


def test_c1_certificates(serve: Serve, second: FaultServer) -> None:
    """One that is not trusted, or is another host's, is never talked to; nor is plain HTTP."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    second.script = good("openai-chat")
    with fault_server(good("openai-chat", "first"), context) as secure:
        own = f"https://127.0.0.1:{secure.port}/v1"
        trusted = {"ca_file": str(PEM)}
        cases: dict[str, tuple[Json, str]] = {
            "untrusted": ({"api_base_url": own}, "certificate"),
            "another host": (
                {"api_base_url": own.replace("127.0.0.1", "localhost"), **trusted},
                "certificate",
            ),
            "no TLS": ({"api_base_url": second.url.replace("http:", "https:"), **trusted}, "TLS"),
        }
        for keys, words in cases.values():
            served = serve(two({**provider(secure), **keys}, provider(second)))
            alone = must_fail_over(served, False)
            assert alone.status == 502
            assert words in alone.error["message"]
            assert not secure.requests
        # The control: who trusts it is served.
        served = serve(two({**provider(secure), "api_base_url": own, **trusted}, provider(second)))
        assert text_of(served, CHAT, served.ask(model="m").body) == "first"


def test_c1_a_name_that_does_not_exist(serve: Serve, second: FaultServer) -> None:
    second.script = good("openai-chat")
    away = {**provider(1), "api_base_url": "https://nowhere.invalid/v1"}
    alone = must_fail_over(serve(two(away, provider(second))), False)
    assert "no connection could be made" in alone.error["message"]


# --- C2 to C4 -------------------------------------------------------------------------------------


async def silent(peer: Peer) -> None:
    await peer.stall()


async def only_head(peer: Peer) -> None:
    if b'"stream"' in peer.request.body:
        await peer.stream(end=False)
    else:
        await peer.head(200, "application/json", content_length="99")
    await peer.stall()


async def only_comments(peer: Peer) -> None:
    await peer.stream(end=False)
    await peer.drip(b"10\r\n: keep-alive 1\n\n\r\n", 0.02)


async def only_spaces(peer: Peer) -> None:
    """What some vendors send instead of comments, in JSON."""
    await peer.head(200, "application/json", transfer_encoding="chunked")
    await peer.drip(b"1\r\n \r\n", 0.02)


async def only_starts(peer: Peer) -> None:
    piece = wire.chat_stream()[0]
    await peer.stream(end=False)
    await peer.drip(b"%x\r\n%b\r\n" % (len(piece), piece), 0.02)


@pytest.mark.parametrize(
    ("script", "stream"),
    [
        (silent, False),
        (silent, True),
        (only_head, False),
        (only_head, True),
        (only_comments, True),
        (only_spaces, False),
        (only_starts, True),
    ],
)
def test_c2_to_c4_no_content_in_time(
    serve: Serve, first: FaultServer, second: FaultServer, script: Script, stream: bool
) -> None:
    served = over(serve, first, second, script, "openai-chat")
    alone = must_fail_over(served, stream)
    assert alone.status == 504
    assert alone.error["code"] == "plexus_timeout"
    first.wait(lambda: len(first.departures) >= 2, "both calls to be let go of")


@BOTH
@pytest.mark.parametrize("script", [silent, only_head, only_starts])
def test_c2_to_c4_what_timed_out_is_forgotten(
    serve: Serve, first: FaultServer, second: FaultServer, script: Script, stream: bool
) -> None:
    """Neither its prompt nor anything else of the call stays in memory."""
    served = over(serve, first, second, script, "openai-chat")
    for _ in range(3):
        served.ask(model="one", stream=stream)
    deadline = monotonic() + DEADLINE
    while any(isinstance(thing, Exchange) for thing in gc.get_objects()):
        assert monotonic() < deadline, "an exchange is still there"
        served.run(gc.collect)


# --- C6 -------------------------------------------------------------------------------------------


async def closes(peer: Peer) -> None:
    peer.close()


async def resets(peer: Peer) -> None:
    peer.reset()


async def half_a_head(peer: Peer) -> None:
    await peer.raw(b"HTTP/1.1 200 OK\r\ncontent-le")
    peer.close()


@BOTH
@pytest.mark.parametrize("script", [closes, resets, half_a_head])
def test_c6_no_answer(
    serve: Serve, first: FaultServer, second: FaultServer, script: Script, stream: bool
) -> None:
    served = over(serve, first, second, script, "openai-chat")
    assert must_fail_over(served, stream).status == 502
    # What makes a provider act is not sent twice; nor is it when nothing is known of the first.
    before = len(second.requests)
    for more in ({"store": True}, {"tools": [{"type": "web_search"}]}):
        answer = served.ask(model="m", stream=stream, **more)
        assert answer.status == 502
        assert len(second.requests) == before
    # The control: before it was sent, everything may go elsewhere.
    first.script = good("openai-chat", "first")
    assert served.ask(model="m", stream=stream, store=True).status == 200


@pytest.mark.parametrize("how", ["close", "reset"])
def test_c6_stale_connections(serve: Serve, first: FaultServer, how: str, long: bool) -> None:
    """A connection that the provider closes after an answer costs no client an error."""

    async def script(peer: Peer) -> None:
        await peer.answer(200, wire.chat("hello"))
        if peer.number % 3 == 0:
            peer.close() if how == "close" else peer.reset()

    first.script = script
    served = serve(two(provider(first), provider(first)))
    made, count = first.connections, 2000 if long else 150
    with served.session() as session:
        for _ in range(count):
            body = {"model": "one", "messages": SAY, "store": True}
            assert session.ask(CHAT, body).status == 200
    # Connections were kept (the control: not one a request), and each request was sent once.
    assert count / 3 - 2 <= first.connections - made < count * 0.5
    assert len(first.requests) == count


# --- C8, C9, C11, C14 -----------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_c9_statuses_of_the_server(
    serve: Serve, first: FaultServer, second: FaultServer, dialect: str
) -> None:
    code = 0

    async def script(peer: Peer) -> None:
        await peer.answer(code, b"<h1>gone wrong</h1>" if code > 504 else b"", "text/html")

    served = over(serve, first, second, script, dialect)
    for each in (500, 501, 502, 503, 504, 507, 508, *range(520, 531), 599):
        code = each
        for stream in (False, True):
            alone = must_fail_over(served, stream, PATHS[dialect])
            assert b"<h1>" not in alone.body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_c8_a_quota_and_c11_a_full_context(
    serve: Serve, first: FaultServer, second: FaultServer, dialect: str
) -> None:
    """A spent quota is another target's chance; a context that is too long is the client's."""
    quota = wire.chat_error("You exceeded your current quota", "insufficient_quota")
    full = wire.chat_error("maximum context length is 10 tokens", "invalid_request_error")
    if dialect == "anthropic-messages":
        quota = wire.message_error("over your spend limit", "billing_error")
        full = wire.message_error("prompt is too long: 11 tokens > 10", "invalid_request_error")
    code, body = 429, quota

    async def script(peer: Peer) -> None:
        await peer.answer(code, body)

    served = over(serve, first, second, script, dialect)
    path = PATHS[dialect]
    assert text_of(served, path, served.ask(path, model="m").body) == "second"
    before = len(second.requests)
    code, body = 400, full
    answer = served.ask(path, model="m")
    assert (answer.status, answer.body) == (400, full)
    assert len(second.requests) == before


# --- C17 ------------------------------------------------------------------------------------------

EMPTY: dict[str, tuple[str, bytes]] = {
    "no choices": ("openai-chat", wire.chat(choices=[])),
    "null choices": ("openai-chat", wire.chat(choices=None)),
    "null message": ("openai-chat", wire.chat(choices=[{"index": 0, "message": None}])),
    "no members": ("openai-chat", b"{}"),
    "no content": ("anthropic-messages", wire.message(content=None)),
    "nothing": ("anthropic-messages", b"{}"),
    "a list": ("openai-chat", b"[]"),
    "no JSON": ("openai-chat", b"OK"),
    "half": ("anthropic-messages", wire.message()[:-20]),
    "blank": ("openai-chat", b"  \n"),
    "empty": ("anthropic-messages", b""),
    "invalid UTF-8": ("openai-chat", b"\xff\xfe{}"),
}


@BOTH
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("name", EMPTY)
def test_c17_answers_without_an_answer(
    serve: Serve, first: FaultServer, second: FaultServer, name: str, path: str, stream: bool
) -> None:
    dialect, body = EMPTY[name]

    async def script(peer: Peer) -> None:
        await peer.answer(200, body)

    must_fail_over(over(serve, first, second, script, dialect), stream, path)


def test_c17_a_refusal_is_an_answer(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    """The control, and D23."""
    refusal = {"role": "assistant", "content": None, "refusal": "no"}
    filtered = {"role": "assistant", "content": ""}

    async def script(peer: Peer) -> None:
        choice = {"index": 0, "message": refusal, "finish_reason": "stop"}
        if b"filter" in peer.request.body:
            choice = {"index": 0, "message": filtered, "finish_reason": "content_filter"}
        await peer.answer(200, wire.chat(choices=[choice]))

    served = over(serve, first, second, script, "openai-chat")
    for said in ("hi", "filter"):
        for path in (CHAT, MESSAGES):
            body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": said}]}
            answer = served.ask(path, body)
            assert answer.status == 200
            assert answer.headers["x-plexus-provider"] == "first"
    assert not second.requests


# --- C18 to C24 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_c18_redirects_are_not_followed(
    serve: Serve, first: FaultServer, second: FaultServer, code: int
) -> None:
    with fault_server(good("openai-chat", "canary")) as canary:

        async def script(peer: Peer) -> None:
            await peer.answer(code, b"", location=f"{canary.url}/chat/completions")

        served = over(serve, first, second, script, "openai-chat")
        alone = must_fail_over(served, False)
        assert str(canary.port) not in alone.body.decode()
        assert not canary.connections


@pytest.mark.parametrize("code", [201, 202, 204, 205, 206, 226, 304])
def test_c19_odd_successes(
    serve: Serve, first: FaultServer, second: FaultServer, code: int
) -> None:
    async def script(peer: Peer) -> None:
        if code in (204, 205, 304):
            await peer.raw(b"HTTP/1.1 %d Odd\r\n\r\n" % code)
            peer.close()
        else:
            await peer.answer(code, wire.chat())

    must_fail_over(over(serve, first, second, script, "openai-chat"), False)


def test_c19_informational_answers(serve: Serve, first: FaultServer, second: FaultServer) -> None:
    """Some are skipped; an endless number ends with the deadline."""

    async def hints(peer: Peer) -> None:
        for _ in range(20):
            await peer.raw(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await peer.answer(200, wire.chat("hello"))

    async def flood(peer: Peer) -> None:
        await peer.drip(b"HTTP/1.1 100 Continue\r\n\r\n", 0.005)

    served = over(serve, first, second, hints, "openai-chat")
    answer = served.ask(model="m")
    assert text_of(served, CHAT, answer.body) == "hello"
    first.script = flood
    must_fail_over(served, False)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "label", ["application/json", "text/plain", "application/octet-stream", None]
)
def test_c20_labels_are_not_believed(
    serve: Serve, first: FaultServer, second: FaultServer, dialect: str, label: str | None
) -> None:
    """A stream by its first bytes, whatever it is called; and JSON likewise."""
    pieces = wire.chat_stream("first") if dialect == "openai-chat" else wire.message_stream("first")
    whole = wire.chat("first") if dialect == "openai-chat" else wire.message("first")

    async def script(peer: Peer) -> None:
        if b'"stream"' in peer.request.body:
            await peer.head(200, label, connection="close")
            await peer.raw(b"".join(pieces))
            peer.close()
        else:
            await peer.answer(200, whole, label and "text/event-stream")

    served = over(serve, first, second, script, dialect)
    for path in (CHAT, MESSAGES):
        for stream in (False, True):
            answer = served.ask(path, model="m", stream=stream)
            assert text_of(served, path, answer.body) == "first"
            assert ("event-stream" in answer.headers["content-type"]) is stream
    assert not second.requests


@pytest.mark.parametrize("lines", [1, 10_000])
def test_c21_large_heads(serve: Serve, first: FaultServer, second: FaultServer, lines: int) -> None:
    async def script(peer: Peer) -> None:
        more = b"".join(b"x-%d: %b\r\n" % (n, b"a" * (1_000_000 // lines)) for n in range(lines))
        await peer.raw(b"HTTP/1.1 200 OK\r\n" + more + b"content-length: 2\r\n\r\n{}")

    must_fail_over(over(serve, first, second, script, "openai-chat"), False)


def test_c22_headers_by_list(serve: Serve, first: FaultServer) -> None:
    async def script(peer: Peer) -> None:
        own = {
            "set_cookie": "a=b",
            "x_evil": "1",
            "server": "them",
            "connection": "keep-alive, x-secret",
            "x_secret": "1",
            "x_plexus_provider": "forged",
            "access_control_allow_origin": "*",
            "location": "http://evil.example",
            "x_request_id": "upstream-1",
            "x_ratelimit_remaining_requests": "7",
        }
        await peer.answer(400 if b"bad" in peer.request.body else 200, wire.chat("hello"), **own)

    first.script = script
    served = serve(two(provider(first), provider(first)))
    for said in ("hi", "bad"):
        body = {"model": "one", "messages": [{"role": "user", "content": said}]}
        found = served.ask(CHAT, body).headers
        assert not {"set-cookie", "x-evil", "x-secret", "location"} & found.keys()
        assert "access-control-allow-origin" not in found
        assert found["x-plexus-provider"] == "first"
        assert found.get("server") != "them"
        # The control: what is on the list.
        assert found["x-plexus-upstream-request-id"] == "upstream-1"
        assert found["x-request-id"] != "upstream-1"
        assert found["x-ratelimit-remaining-requests"] == "7"


@BOTH
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate", "gzip, gzip"])
def test_c23_packed_answers(
    serve: Serve, first: FaultServer, second: FaultServer, coding: str, stream: bool
) -> None:
    """They were not asked for, so they may be bombs."""

    async def script(peer: Peer) -> None:
        assert peer.request.headers["accept-encoding"] == "identity"
        await peer.answer(200, b"\x1f\x8b\x08\x00" + b"\x00" * 99, content_encoding=coding)

    must_fail_over(over(serve, first, second, script, "openai-chat"), stream)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_c24_answers_that_end_with_their_connection(
    serve: Serve, first: FaultServer, second: FaultServer, dialect: str, version: bytes
) -> None:
    """Their JSON must be whole, their stream must have its end."""
    chat = dialect == "openai-chat"
    pieces = wire.chat_stream("first") if chat else wire.message_stream("first")
    whole = wire.chat("first") if chat else wire.message("first")
    cut = 0

    async def script(peer: Peer) -> None:
        stream = b'"stream"' in peer.request.body
        kind = b"text/event-stream" if stream else b"application/json"
        await peer.raw(b"HTTP/%b 200 OK\r\ncontent-type: %b\r\n\r\n" % (version, kind))
        body = b"".join(pieces) if stream else whole
        await peer.raw(body[: len(body) - cut])
        peer.close()

    served = over(serve, first, second, script, dialect)
    for path in (CHAT, MESSAGES):
        for stream in (False, True):
            assert text_of(served, path, served.ask(path, model="m", stream=stream).body) == "first"
    assert not second.requests
    cut = 30
    must_fail_over(served, False, PATHS[dialect])


def test_d25_random_bytes(
    serve: Serve, first: FaultServer, second: FaultServer, seeded: Random, long: bool
) -> None:
    """Whatever a provider sends, the second answers, or the client reads an error."""
    sent = b""

    async def script(peer: Peer) -> None:
        await peer.raw(sent)
        peer.close()

    served = over(serve, first, second, script, "openai-chat")
    heads = (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n")
    for _ in range(1000 if long else 40):
        sent = seeded.choice(heads) + seeded.randbytes(seeded.randint(0, 80))
        for path in (CHAT, MESSAGES):
            answer = served.ask(path, model="m", stream=seeded.random() < 0.5)
            assert text_of(served, path, answer.body) == "second", sent
    assert not [line for line in served.sink.lines if line[0] == "error"]
