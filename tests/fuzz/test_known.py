"""Inputs that once broke something, cut down: each must be refused or served, never crash."""

from random import Random

import pytest

from tests.fuzz.harness import DIALECTS
from tests.fuzz.test_answers import check_answer, check_stream
from tests.fuzz.test_requests import check_request

_HEAD = b'"model":"m","messages":[{"role":"user","content":"a"}]'
_CHAT = b'"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":'

REQUESTS = {
    "a format that is a list": (
        "openai-chat",
        b'{%b,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":'
        b'{"type":"object","format":["a"],"properties":{"x":{"format":{},"minItems":[1]}}}}}}'
        % _HEAD,
    ),
    "a tool without a name": (
        "openai-chat",
        b'{%b,"tools":[{"type":"function","function":{"name":""}}]}' % _HEAD,
    ),
    "a schema that requires a list": (
        "anthropic-messages",
        b'{%b,"max_tokens":9,"output_config":{"format":{"type":"json_schema","schema":'
        b'{"type":"object","properties":{},"required":[["a"]],"additionalProperties":false}}}}'
        % _HEAD,
    ),
    "a number no float can hold": (
        "openai-chat",
        b'{%b,"tools":[{"type":"web_search","parameters":{"a":1e999}}]}' % _HEAD,
    ),
    "a number no float can hold in a schema": (
        "gemini",
        b'{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"responseMimeType":'
        b'"application/json","responseSchema":{"properties":{"a":{"title":-1e999}}}}}',
    ),
}
ANSWERS = {
    "line breaks between the members of what is kept whole": (
        "openai-chat",
        b'{%b0,"message":{"content":"a"},"logprobs":{"content":\r\n[{"token":\n"a"}]},'
        b'"finish_reason":"stop"}]}' % _CHAT,
    ),
    "a choice's index is false": (
        "openai-chat",
        b'{%bfalse,"message":{"content":"a"},"finish_reason":"stop"}]}' % _CHAT,
    ),
    "an error with a surrogate in it": (
        "openai-chat",
        b'{"error":{"message":"bad","param":"\xed\xa0\x80"}}',
    ),
    "an error with a number no float can hold": (
        "openai-chat",
        b'{"object":-1e999,"message":"content_filter"}',
    ),
    "a member twice in a server tool's block": (
        "anthropic-messages",
        b'{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":'
        b'"server_tool_use","id":"srvtoolu_1","name":"web_search","name":"a","input":{"b":1}}],'
        b'"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}',
    ),
    "two candidates of one index": (
        "gemini",
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","index":0},'
        b'{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP","index":0}]}',
    ),
}
STREAMS = {
    "a summary at a place that would fill the memory": (
        "openai-responses",
        b'data: {"type":"response.created","response":{"id":"r","model":"m"}}\n\n'
        b'data: {"type":"response.output_item.added","output_index":0,'
        b'"item":{"type":"reasoning","id":"rs","summary":[]}}\n\n'
        b'data: {"type":"response.reasoning_summary_text.delta","output_index":0,"item_id":"rs",'
        b'"summary_index":1000000000,"delta":"x"}\n\n',
    ),
    "arguments of a call for an item that is a message": (
        "openai-responses",
        b'data: {"type":"response.created","response":{"id":"r","model":"m"}}\n\n'
        b'data: {"type":"response.output_item.added","output_index":0,'
        b'"item":{"type":"message","id":"i","content":[]}}\n\n'
        b'data: {"type":"response.function_call_arguments.delta","output_index":0,"item_id":"i",'
        b'"delta":"{"}\n\n',
    ),
    "a byte that is no UTF-8 in a name": (
        "openai-chat",
        b'data: {%b0,"delta":{"cont\xedent":"a"}}]}\n\ndata: [DONE]\n\n' % _CHAT,
    ),
    "a surrogate in log-probabilities": (
        "openai-chat",
        b'data: {%b0,"delta":{"content":"a"},"logprobs":"\xed\xa0\x80"}]}\n\n' % _CHAT,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests(name: str) -> None:
    dialect, raw = REQUESTS[name]
    for seed in range(8):
        assert check_request(DIALECTS[dialect], raw, Random(seed)) in ("refused", "accepted")


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name: str) -> None:
    upstream, raw = ANSWERS[name]
    for client in DIALECTS.values():
        check_answer(client, DIALECTS[upstream], raw, Random(1))


@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str) -> None:
    upstream, raw = STREAMS[name]
    for client in DIALECTS.values():
        check_stream(client, DIALECTS[upstream], raw, Random(1))
