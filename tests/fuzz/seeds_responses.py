"""Rich documents of ``openai-responses``, for mutations to start from."""

from typing import Any

_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
_USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 16,
}

REQUESTS: tuple[dict[str, Any], ...] = (
    {"model": "m", "input": "hello"},
    {
        "model": "m",
        "instructions": "Be brief.",
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "In English."}]},
            {
                "type": "message",
                "id": "msg_1",
                "role": "user",
                "status": "completed",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {
                        "type": "input_image",
                        "image_url": f"data:image/png;base64,{_PNG}",
                        "detail": "low",
                    },
                    {"type": "input_image", "file_id": "file_1", "detail": "auto"},
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBERi0=",
                        "prompt_cache_breakpoint": {"mode": "explicit"},
                    },
                    {"type": "input_file", "file_url": "https://example.com/a.pdf"},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "They want the weather."}],
                "content": [{"type": "reasoning_text", "text": "weather"}],
                "encrypted_content": "gAAAA",
            },
            {
                "type": "message",
                "id": "msg_2",
                "role": "assistant",
                "phase": "commentary",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "Let me see.", "annotations": []},
                    {"type": "refusal", "refusal": "No."},
                ],
            },
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_1",
                "name": "weather",
                "arguments": '{"city":"Oslo"}',
                "status": "completed",
            },
            {"type": "custom_tool_call", "call_id": "call_2", "name": "shell", "input": "ls"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
            {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
            {
                "type": "custom_tool_call_output",
                "call_id": "call_2",
                "output": [{"type": "input_text", "text": "a.txt"}],
            },
            {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"},
            {"role": "assistant", "content": "Rain."},
            {"role": "user", "content": "Why?"},
        ],
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "The weather",
                "parameters": _SCHEMA,
                "strict": True,
            },
            {
                "type": "custom",
                "name": "shell",
                "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
            },
            {
                "type": "namespace",
                "name": "mail",
                "description": "Letters",
                "tools": [{"type": "function", "name": "send", "parameters": _SCHEMA}],
            },
            {"type": "web_search", "filters": {"allowed_domains": ["example.com"]}},
        ],
        "tool_choice": {"type": "function", "name": "weather"},
        "parallel_tool_calls": False,
        "max_output_tokens": 100,
        "max_tool_calls": 3,
        "temperature": 1.5,
        "top_p": 0.9,
        "top_logprobs": 2,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {
            "format": {"type": "json_schema", "name": "answer", "schema": _SCHEMA, "strict": True},
            "verbosity": "low",
        },
        "metadata": {"trace": "1"},
        "safety_identifier": "u1",
        "service_tier": "auto",
        "prompt_cache_key": "k",
        "truncation": "auto",
        "store": False,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    },
    {
        "model": "m",
        "previous_response_id": "resp_1",
        "input": [
            {"type": "item_reference", "id": "msg_1"},
            {"type": "shell_call_output", "call_id": "c", "output": []},
            {"type": "configuration_update", "reasoning": {"effort": "low"}},
        ],
        "tools": [{"type": "shell"}],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "shell"}]},
        "background": False,
    },
)

_OUTPUT: list[dict[str, Any]] = [
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm."}, {"type": "summary_text", "text": "!"}],
        "content": [{"type": "reasoning_text", "text": "raw"}],
        "encrypted_content": "gAAAA",
    },
    {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "oslo"},
    },
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "phase": "final_answer",
        "content": [
            {
                "type": "output_text",
                "text": "It rains.",
                "annotations": [
                    {
                        "type": "url_citation",
                        "url": "https://example.com",
                        "title": "Weather",
                        "start_index": 0,
                        "end_index": 2,
                    }
                ],
                "logprobs": [{"token": "It", "bytes": [73], "logprob": -0.1, "top_logprobs": []}],
            }
        ],
    },
    {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Oslo"}',
    },
    {
        "id": "ctc_1",
        "type": "custom_tool_call",
        "status": "completed",
        "call_id": "call_2",
        "name": "shell",
        "input": "ls",
    },
]


def _response(**members: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1760000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt",
        "output": [],
        "service_tier": "default",
        "usage": None,
        **members,
    }


ANSWERS: tuple[dict[str, Any], ...] = (
    _response(output=_OUTPUT, usage=_USAGE),
    _response(
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
        output=[_OUTPUT[2]],
        usage=_USAGE,
    ),
    _response(status="failed", error={"code": "server_error", "message": "no"}),
    {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}},
)

Frames = list[tuple[str, Any]]


def _frames(*events: dict[str, Any]) -> Frames:
    numbered = ({**event, "sequence_number": number} for number, event in enumerate(events))
    return [(event["type"], event) for event in numbered]


def _at(place: int, kind: str, **members: Any) -> dict[str, Any]:
    item_id = _OUTPUT[place]["id"]
    return {"type": f"response.{kind}", "output_index": place, "item_id": item_id, **members}


def _item(place: int, kind: str, **members: Any) -> dict[str, Any]:
    return {
        "type": f"response.output_item.{kind}",
        "output_index": place,
        "item": {**_OUTPUT[place], **members},
    }


STREAMS: tuple[Frames, ...] = (
    _frames(
        {"type": "response.created", "response": _response(status="in_progress")},
        {"type": "response.in_progress", "response": _response(status="in_progress")},
        _item(0, "added", summary=[], content=[]),
        _at(0, "reasoning_summary_part.added", summary_index=0, part={"type": "summary_text"}),
        _at(0, "reasoning_summary_text.delta", summary_index=0, delta="Hm."),
        _at(0, "reasoning_summary_text.done", summary_index=0, text="Hm."),
        _at(0, "reasoning_summary_text.delta", summary_index=1, delta="!"),
        _at(0, "reasoning_text.delta", content_index=0, delta="raw"),
        _item(0, "done"),
        _item(1, "added", status="in_progress"),
        _at(1, "web_search_call.searching"),
        _item(1, "done"),
        _item(2, "added", content=[], status="in_progress"),
        _at(2, "content_part.added", content_index=0, part={"type": "output_text", "text": ""}),
        _at(2, "output_text.delta", content_index=0, delta="It ", logprobs=[]),
        _at(2, "output_text.delta", content_index=0, delta="rains."),
        _at(
            2,
            "output_text.annotation.added",
            content_index=0,
            annotation_index=0,
            annotation=_OUTPUT[2]["content"][0]["annotations"][0],
        ),
        _at(2, "output_text.done", content_index=0, text="It rains."),
        _at(2, "content_part.done", content_index=0, part=_OUTPUT[2]["content"][0]),
        _item(2, "done"),
        _item(3, "added", arguments="", status="in_progress"),
        _at(3, "function_call_arguments.delta", delta='{"city":'),
        _item(4, "added", input="", status="in_progress"),
        _at(3, "function_call_arguments.delta", delta='"Oslo"}'),
        _at(3, "function_call_arguments.done", arguments='{"city":"Oslo"}'),
        _at(4, "custom_tool_call_input.delta", delta="ls"),
        _item(3, "done"),
        _item(4, "done"),
        {
            "type": "response.completed",
            "response": _response(output=_OUTPUT, usage=_USAGE),
        },
    ),
    _frames(
        {"type": "response.created", "response": _response(status="in_progress")},
        _at(2, "output_text.delta", content_index=0, delta="It rains."),
        {
            "type": "response.incomplete",
            "response": _response(
                status="incomplete",
                incomplete_details={"reason": "content_filter"},
                output=[],
                usage=_USAGE,
            ),
        },
    ),
    _frames(
        {"type": "response.created", "response": _response(status="in_progress")},
        {"type": "error", "code": "server_error", "message": "no", "param": None},
        {
            "type": "response.failed",
            "response": _response(status="failed", error={"code": "server_error", "message": "no"}),
        },
    ),
)
