"""Conversations stored by the server (Anthropic's beta ``thread``), which no other dialect has.

anthropic-python 2.12.0 and @anthropic-ai/sdk 1.12.0 ask for one in every tool runner.  Answered
with a 200, the next request holds only what is new; refused in these words, they send it all.
"""

from __future__ import annotations

import json

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, openai_chat
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import Translate
from plexus.unified.errors import PlexusError
from plexus.unified.request import Source


def translate(upstream: Dialect, thread: object) -> bytes:
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "thread": thread,
    }
    call = ClientCall(
        model="m",
        stream=False,
        body=JsonBody.parse(json.dumps(body).encode()),
        source=Source(dialect="anthropic-messages", request_id="req_7"),
    )
    target = TargetModel(provider="p", model="m", family=upstream.FAMILY)
    return Translate(anthropic_messages, upstream, target).prepare(call).wire.body


@pytest.mark.parametrize(
    "thread", [{"type": "create"}, {"type": "continue", "previous_message_id": "msg_1"}]
)
def test_another_dialect_refuses_in_the_words_that_the_sdks_know(thread: object) -> None:
    with pytest.raises(PlexusError) as caught:
        translate(openai_chat, thread)
    status, body = anthropic_messages.format_error(caught.value.error, "req_7")
    assert status == 400
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": []}
    assert "thread" in error["message"]


def test_the_same_dialect_keeps_it() -> None:
    thread = {"type": "create"}
    assert json.loads(translate(anthropic_messages, thread))["thread"] == thread


def test_null_is_no_thread() -> None:
    assert "thread" not in json.loads(translate(openai_chat, None))
