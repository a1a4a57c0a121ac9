"""When a translated stream counts as said, so that no other target may answer (decision 10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexus.streaming.document import JsonBody
from plexus.transformers import anthropic_messages, gemini, openai_chat
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.translation import StreamTranslation, Translate
from plexus.unified.request import Source

TARGET = TargetModel(provider="p", model="m", family="anthropic")
BODIES = {
    openai_chat.NAME: b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}',
    gemini.NAME: b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}',
}
START = {"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": {}}}


def opened(block: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int = 0, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


REDACTED = [opened({"type": "redacted_thinking", "data": "RXVR"}), stop()]
SEARCH = [
    opened({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
    delta(type="input_json_delta", partial_json='{"query":'),
    delta(type="input_json_delta", partial_json='"x"}'),
    stop(),
    opened({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}, 1),
    stop(1),
]
CITED = [
    opened({"type": "text", "text": ""}, 2),
    delta(2, type="citations_delta", citation={"type": "char_location", "cited_text": "x"}),
]
CALL = [opened({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}})]
TEXT = [opened({"type": "text", "text": ""}, 2), delta(2, type="text_delta", text="so")]


def stream(client: Dialect) -> StreamTranslation:
    source = Source(dialect=client.NAME, received=1760000000, request_id="req_1")
    body = JsonBody.parse(BODIES[client.NAME])
    call = ClientCall(model="m", stream=True, body=body, source=source)
    return Translate(client, anthropic_messages, TARGET).prepare(call).stream()


def feed(to: StreamTranslation, events: list[dict[str, Any]]) -> None:
    for event in events:
        data = json.dumps(event)
        to.feed(f"event: {event['type']}\ndata: {data}\n\n".encode())


@pytest.mark.parametrize("client", [openai_chat, gemini], ids=["chat", "gemini"])
@pytest.mark.parametrize(
    "first", [REDACTED, SEARCH, CITED], ids=["redacted thinking", "server tool", "citation"]
)
def test_what_no_client_can_read_or_answer_does_not_count(
    client: Dialect, first: list[dict[str, Any]]
) -> None:
    translated = stream(client)
    feed(translated, [START, *first])
    assert not translated.committed
    feed(translated, TEXT[-1:] if first is CITED else TEXT)
    assert translated.committed


@pytest.mark.parametrize("client", [openai_chat, gemini], ids=["chat", "gemini"])
def test_the_start_of_a_call_counts(client: Dialect) -> None:
    translated = stream(client)
    feed(translated, [START, *CALL])
    assert translated.committed
