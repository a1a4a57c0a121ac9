"""What mutations start from: rich documents of every dialect, and recorded ones where they are."""

import json
from collections.abc import Iterable
from typing import Any

from tests.fuzz import seeds_responses
from tests.fuzz.seeds_gemini import GEMINI_ANSWERS, GEMINI_REQUESTS, GEMINI_STREAMS
from tests.streams.corpus import Recorded, recorded

_SEED_LIMIT = 12_000
"""Bytes: larger recordings hold one picture and slow everything down."""

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

CHAT_REQUESTS: tuple[dict[str, Any], ...] = (
    {"model": "m", "messages": [{"role": "user", "content": "hello"}]},
    {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "In English."}]},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/png;base64,{_PNG}", "detail": "low"},
                    },
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                    {
                        "type": "file",
                        "file": {
                            "filename": "a.pdf",
                            "file_data": "data:application/pdf;base64,JVBERi0=",
                        },
                    },
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "They want the weather.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                    },
                    {
                        "id": "call_2",
                        "type": "custom",
                        "custom": {"name": "shell", "input": "ls"},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
            {
                "role": "tool",
                "tool_call_id": "call_2",
                "content": [{"type": "text", "text": "a.txt"}],
            },
            {"role": "system", "content": "Answer now."},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "user", "content": "Why?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "The weather",
                    "parameters": _SCHEMA,
                    "strict": True,
                },
            },
            {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
        "max_completion_tokens": 100,
        "temperature": 1.5,
        "top_p": 0.9,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "seed": 7,
        "stop": ["END", "\n\n"],
        "n": 1,
        "logprobs": True,
        "top_logprobs": 2,
        "logit_bias": {"50256": -100},
        "reasoning_effort": "high",
        "verbosity": "low",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": _SCHEMA, "strict": True},
        },
        "metadata": {"trace": "1"},
        "user": "u1",
        "service_tier": "auto",
        "store": False,
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    {
        "model": "m",
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": None,
                "function_call": {"name": "f", "arguments": "{}"},
            },
            {"role": "function", "name": "f", "content": "1"},
        ],
        "functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
        "function_call": {"name": "f"},
        "max_tokens": 5,
        "stop": "x",
        "web_search_options": {"search_context_size": "low"},
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
        "prediction": {"type": "content", "content": "hi"},
    },
)

MESSAGES_REQUESTS: tuple[dict[str, Any], ...] = (
    {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]},
    {
        "model": "m",
        "max_tokens": 4000,
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "text": "In English."},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": _PNG},
                        "cache_control": {"type": "ephemeral", "ttl": "1h"},
                    },
                    {
                        "type": "image",
                        "source": {"type": "url", "url": "https://example.com/a.png"},
                    },
                    {
                        "type": "document",
                        "title": "T",
                        "context": "C",
                        "citations": {"enabled": True},
                        "source": {"type": "text", "media_type": "text/plain", "data": "words"},
                    },
                    {
                        "type": "document",
                        "source": {
                            "type": "content",
                            "content": [{"type": "text", "text": "block"}],
                        },
                    },
                    {
                        "type": "search_result",
                        "source": "https://example.com",
                        "title": "S",
                        "content": [{"type": "text", "text": "found"}],
                        "citations": {"enabled": True},
                    },
                    {"type": "text", "text": "What is this?"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                    {"type": "redacted_thinking", "data": "cmVk"},
                    {
                        "type": "text",
                        "text": "It is rain.",
                        "citations": [
                            {
                                "type": "char_location",
                                "cited_text": "words",
                                "document_index": 0,
                                "document_title": "T",
                                "start_char_index": 0,
                                "end_char_index": 5,
                            }
                        ],
                    },
                    {
                        "type": "tool_use",
                        "id": "toolu_1",
                        "name": "weather",
                        "input": {"city": "Oslo"},
                    },
                    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
                    {
                        "type": "server_tool_use",
                        "id": "srvtoolu_1",
                        "name": "web_search",
                        "input": {"query": "x"},
                    },
                    {
                        "type": "web_search_tool_result",
                        "tool_use_id": "srvtoolu_1",
                        "content": [
                            {
                                "type": "web_search_result",
                                "url": "https://example.com",
                                "title": "S",
                                "encrypted_content": "ZW5j",
                                "page_age": None,
                            }
                        ],
                    },
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_1",
                        "content": [
                            {"type": "text", "text": "rain"},
                            {
                                "type": "image",
                                "source": {
                                    "type": "base64",
                                    "media_type": "image/png",
                                    "data": _PNG,
                                },
                            },
                        ],
                    },
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_2",
                        "content": "failed",
                        "is_error": True,
                    },
                    {"type": "text", "text": "go on"},
                ],
            },
            {"role": "system", "content": "Mid-conversation."},
            {"role": "user", "content": "and?"},
        ],
        "tools": [
            {
                "name": "weather",
                "description": "The weather",
                "input_schema": _SCHEMA,
                "cache_control": {"type": "ephemeral"},
                "strict": True,
            },
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "custom", "name": "own", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {
            "effort": "high",
            "format": {"type": "json_schema", "schema": _SCHEMA},
        },
        "temperature": 1,
        "top_k": 5,
        "top_p": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"},
        "service_tier": "auto",
        "stream": True,
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "container": "c1",
        "mcp_servers": [{"type": "url", "url": "https://example.com/mcp", "name": "x"}],
        "cache_control": {"type": "ephemeral"},
    },
    {
        "model": "m",
        "max_tokens": 1,
        "system": "s",
        "thinking": {"type": "adaptive"},
        "tool_choice": {"type": "any"},
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
        ],
    },
)

CHAT_ANSWERS: tuple[dict[str, Any], ...] = (
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "hello",
                    "refusal": None,
                    "reasoning_content": "thinking",
                    "annotations": [
                        {
                            "type": "url_citation",
                            "url_citation": {
                                "url": "https://example.com",
                                "title": "S",
                                "start_index": 0,
                                "end_index": 5,
                            },
                        }
                    ],
                    "tool_calls": [
                        {
                            "id": "call_1",
                            "type": "function",
                            "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                        },
                        {"id": "call_2", "type": "custom", "custom": {"name": "s", "input": "ls"}},
                    ],
                },
                "logprobs": {
                    "content": [
                        {"token": "hello", "logprob": -0.1, "bytes": [104], "top_logprobs": []}
                    ],
                    "refusal": None,
                },
                "finish_reason": "tool_calls",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "refusal": "no"},
                "finish_reason": "stop",
            },
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
        "service_tier": "default",
        "system_fingerprint": "fp",
    },
    {
        "error": {
            "message": "bad",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
)

MESSAGES_ANSWERS: tuple[dict[str, Any], ...] = (
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "cmVk"},
            {
                "type": "text",
                "text": "hello",
                "citations": [
                    {
                        "type": "web_search_result_location",
                        "url": "https://example.com",
                        "title": "S",
                        "encrypted_index": "ZW5j",
                        "cited_text": "words",
                    }
                ],
            },
            {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {"query": "x"},
            },
            {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_1",
                "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
            },
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 5,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 7,
            "server_tool_use": {"web_search_requests": 1},
            "service_tier": "standard",
        },
        "container": None,
    },
    {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "Overloaded"},
        "request_id": "req_1",
    },
)

Frames = list[tuple[str, Any]]


def _chunk(delta: Any, finish: str | None = None, **rest: Any) -> tuple[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1760000000,
        "model": "m",
    }
    return "", {**head, "choices": [choice], **rest}


def _named(*events: dict[str, Any]) -> Frames:
    return [(event["type"], event) for event in events]


CHAT_STREAMS: tuple[Frames, ...] = (
    [
        _chunk({"role": "assistant", "content": "", "refusal": None}),
        _chunk({"reasoning_content": "Hm"}),
        _chunk({"content": "hel"}),
        _chunk({"content": "lo"}),
        _chunk(
            {
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": ""},
                    }
                ]
            }
        ),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city"'}}]}),
        _chunk({"tool_calls": [{"index": 0, "function": {"arguments": ':"Oslo"}'}}]}),
        _chunk(
            {
                "tool_calls": [
                    {
                        "index": 1,
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "weather", "arguments": "{}"},
                    }
                ]
            }
        ),
        _chunk({}, "tool_calls"),
        (
            "",
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1760000000,
                "model": "m",
                "choices": [],
                "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14},
            },
        ),
        ("", "[DONE]"),
    ],
    [
        _chunk({"role": "assistant", "content": "no"}),
        _chunk({"refusal": "I will not"}),
        ("", {"error": {"message": "overloaded", "type": "server_error", "code": 503}}),
    ],
)

MESSAGES_STREAMS: tuple[Frames, ...] = (
    _named(
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 3, "output_tokens": 1},
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "ping"},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "thinking_delta", "thinking": "Hm"},
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "signature_delta", "signature": "c2ln"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "text", "text": ""},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "text_delta", "text": "hello"},
        },
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {
                "type": "citations_delta",
                "citation": {
                    "type": "page_location",
                    "cited_text": "x",
                    "document_index": 0,
                    "document_title": None,
                    "start_page_number": 1,
                    "end_page_number": 2,
                },
            },
        },
        {"type": "content_block_stop", "index": 1},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
        },
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": '{"city":'},
        },
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": '"Oslo"}'},
        },
        {"type": "content_block_stop", "index": 2},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 12},
        },
        {"type": "message_stop"},
    ),
    _named(
        {
            "type": "message_start",
            "message": {
                "id": "msg_2",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 3, "output_tokens": 1},
            },
        },
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {},
            },
        },
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"query":"x"}'},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "redacted_thinking", "data": "cmVk"},
        },
        {"type": "content_block_stop", "index": 1},
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    ),
)


BUILT_IN_REQUESTS = {
    "openai-chat": CHAT_REQUESTS,
    "anthropic-messages": MESSAGES_REQUESTS,
    "openai-responses": seeds_responses.REQUESTS,
    "gemini": GEMINI_REQUESTS,
}
BUILT_IN_ANSWERS = {
    "openai-chat": CHAT_ANSWERS,
    "anthropic-messages": MESSAGES_ANSWERS,
    "openai-responses": seeds_responses.ANSWERS,
    "gemini": GEMINI_ANSWERS,
}
BUILT_IN_STREAMS = {
    "openai-chat": CHAT_STREAMS,
    "anthropic-messages": MESSAGES_STREAMS,
    "openai-responses": seeds_responses.STREAMS,
    "gemini": GEMINI_STREAMS,
}


def requests(dialect: str) -> list[Any]:
    return [*BUILT_IN_REQUESTS[dialect], *_documents(found.request for found in recorded(dialect))]


USUAL_ANSWERS: dict[str, list[Any]] = {
    "openai-chat": [
        {
            "id": "chatcmpl-1",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        }
        for message in (
            {"role": "assistant", "content": "hello", "refusal": None},
            {"role": "assistant", "content": "so", "reasoning_content": "hm"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
        )
    ],
    "anthropic-messages": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": content,
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 3, "output_tokens": 4},
        }
        for content in (
            [{"type": "text", "text": "hello"}],
            [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            ],
        )
    ],
    "openai-responses": [],
    "gemini": [
        {
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4},
            "modelVersion": "m",
            "responseId": "r",
        }
        for parts in (
            [{"text": "hello"}],
            [{"text": "hm", "thought": True}, {"text": "so"}],
            [{"functionCall": {"name": "f", "args": {"a": 1}}}],
        )
    ],
}
"""What nearly every answer looks like: for tests of readers that know only that."""


def answers(dialect: str) -> list[Any]:
    return [
        *BUILT_IN_ANSWERS[dialect],
        *_documents(found.body for found in recorded(dialect) if not found.stream),
    ]


def streams(dialect: str) -> list[Frames]:
    small = (found for found in recorded(dialect) if found.stream and len(found.body) < _SEED_LIMIT)
    return [*BUILT_IN_STREAMS[dialect], *(frames for found in small if (frames := _frames(found)))]


def _documents(bodies: Iterable[bytes | None]) -> list[Any]:
    small = (body for body in bodies if body is not None and len(body) < _SEED_LIMIT)
    found = (json.loads(body) for body in small)
    return [document for document in found if isinstance(document, dict)]


def _frames(found: Recorded) -> Frames:
    """Event names and data of a recording, read by the plainest rules."""
    frames: Frames = []
    for block in found.body.decode().replace("\r\n", "\n").split("\n\n"):
        event = ""
        data: list[str] = []
        for line in block.split("\n"):
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
        if data:
            text = "\n".join(data)
            frames.append((event, json.loads(text) if text.startswith("{") else text))
    return frames
