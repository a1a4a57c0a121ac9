"""An error that passes through in a form which the client's SDK would not notice is said again."""

from __future__ import annotations

import json

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Passthrough
from plexus.unified.request import Source

CHAT_TEXT = b'data: {"choices":[{"index":0,"delta":{"content":"Half"},"finish_reason":null}]}\n\n'
TEXT = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Half"}}\n\n'
)
ERROR = b'{"type":"error","error":{"type":"api_error","message":"it broke"}}'


def relay(dialect: Dialect, stream: bytes) -> bytes:
    """What a client of ``dialect`` gets of a provider's ``stream`` that ends in an error."""
    call = ClientCall(
        model="m",
        stream=True,
        body=JsonBody.parse(b'{"model":"m","stream":true,"max_tokens":9,"messages":[]}'),
        source=Source(dialect=dialect.NAME, request_id="req_7"),
    )
    target = TargetModel(provider="p", model="m", family=dialect.FAMILY)
    translation = Passthrough(dialect, target).prepare(call).stream()
    out = translation.feed(stream)
    assert translation.committed
    assert translation.failure is not None
    return out


def test_an_error_event_passes_as_it_is() -> None:
    event = b"event: error\ndata: " + ERROR + b"\n\n"
    assert relay(anthropic_messages, TEXT + event) == TEXT + event
    assert relay(openai_chat, CHAT_TEXT + event) == CHAT_TEXT + event


@pytest.mark.parametrize(
    "last",
    [
        b"data: " + ERROR + b"\n\n",
        b"event: message_stop\ndata: {" + b'"type":"message_stop"}\n\n',
        b"event: content_block_delta\ndata: {half\n\n",
    ],
    ids=["no name", "stop without a reason", "no JSON"],
)
def test_anthropic_clients_get_a_named_error(last: bytes) -> None:
    out = relay(anthropic_messages, TEXT + last)
    assert out.startswith(TEXT + b"event: error\ndata: ")
    data = json.loads(out[len(TEXT) :].partition(b"data: ")[2])
    assert (data["type"], data["request_id"]) == ("error", "req_7")
    assert b"message_stop" not in out


@pytest.mark.parametrize(
    "last",
    [
        b'{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}',
        b'{"choices":[{"index":0,"delta":{},"finish_reason":null}],"x_groq":{"error":"it broke"}}',
    ],
    ids=["finish_reason", "x_groq"],
)
def test_chat_clients_get_an_error_object(last: bytes) -> None:
    out = relay(openai_chat, CHAT_TEXT + b"data: " + last + b"\n\n")
    data = json.loads(out[len(CHAT_TEXT) :].removeprefix(b"data: "))
    assert data["error"].keys() == {"message", "type", "param", "code"}
    assert b"[DONE]" not in out


@pytest.mark.parametrize("tail", [b"", b"\n", b": bye\n\n"])
def test_an_error_that_is_the_whole_stream_is_kept_to_its_last_byte(tail: bytes) -> None:
    call = ClientCall(
        model="m",
        stream=True,
        body=JsonBody.parse(b'{"model":"m","stream":true,"max_tokens":9,"messages":[]}'),
        source=Source(dialect=anthropic_messages.NAME),
    )
    target = TargetModel(provider="p", model="m", family="anthropic")
    translation = Passthrough(anthropic_messages, target).prepare(call).stream()
    whole = b"event: error\ndata: " + ERROR.replace(b"api_error", b"overloaded_error") + b"\n\n"
    translation.feed(whole + tail)
    assert translation.verbatim is not None
    assert translation.verbatim.verbatim == whole + tail
