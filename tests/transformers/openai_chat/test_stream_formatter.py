"""What a chat client reads of a stream (streaming.md §3, §9, §10)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import openai_chat as chat
from plexus.unified.chunks import (
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    Ping,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    AudioContent,
    Citation,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import UnifiedError
from plexus.unified.fold import fold, unfold
from plexus.unified.response import Finish, UnifiedUsage
from tests.transformers.openai_chat.support import (
    RECEIVED,
    answered,
    call,
    parse,
    parts,
    read_bytes,
    written,
)

USAGE = UnifiedUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
CLAUDE = Origin("anthropic")
START = MessageStart(id="msg_1", model="claude", dialect="other")
END: list[StreamChunk] = [FinishReport(Finish("stop")), MessageStop()]


def deltas(response_parts: list[Any], finish: str = "stop", **fields: Any) -> list[Any]:
    """The deltas of an answer, without role and finish chunk."""
    chunks = written(unfold(answered(*response_parts, finish=finish)), parse(stream=True, **fields))
    assert chunks[-1] == "[DONE]"
    found = [one["choices"][0]["delta"] for one in chunks[:-1]]
    assert found[0]["role"] == "assistant"
    assert found[-1] == {}
    return found[1:-1]


def test_the_bytes_of_a_small_stream() -> None:
    request = parse(stream=True, stream_options={"include_usage": True})
    formatter, encoder = chat.stream_formatter(request), chat.encoder()
    stream = [
        START,
        PartStart(0, TextContent(text="")),
        PartDelta(0, "text", "Hé\u2028"),
        Ping(),
        PartStop(0, TextContent(text="Hé\u2028")),
        UsageReport(USAGE, final=True),
        *END,
    ]
    out = b"".join(encoder.encode(f) for one in stream for f in formatter.feed(one)).decode()
    head = (
        '{"id":"chatcmpl-msg_1","object":"chat.completion.chunk",'
        f'"created":{RECEIVED},"model":"claude","choices":['
    )
    plain = '"logprobs":null,"finish_reason":null}],"usage":null}'
    assert out == (
        f'data: {head}{{"index":0,"delta":{{"role":"assistant","content":""}},{plain}\n\n'
        f'data: {head}{{"index":0,"delta":{{"content":"Hé\u2028"}},{plain}\n\n'
        f'data: {head}{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"stop"}}],'
        '"usage":null}\n\n'
        f'data: {head}],"usage":{{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}}}\n\n'
        "data: [DONE]\n\n"
    )


def test_no_usage_where_nobody_asked() -> None:
    chunks = written([START, UsageReport(USAGE, final=True), *END])
    assert all("usage" not in one for one in chunks[:-1])
    assert len(chunks) == 3


def test_usage_of_the_start_is_enough() -> None:
    request = parse(stream_options={"include_usage": True})
    start = MessageStart(id="i", model="m", usage=USAGE)
    assert written([start, *END], request)[-2]["usage"]["total_tokens"] == 5


def test_T44_dense_tool_indexes_and_names_once() -> None:
    found = deltas(
        [
            TextContent(text="a"),
            ToolCallContent(id="c1", name="f", arguments='{"a":1}'),
            TextContent(text="b"),
            ToolCallContent(id="c2", name="g", arguments="{}"),
        ],
        "tool_calls",
    )
    assert found == [
        {"content": "a"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
        {"content": "b"},
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "g", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_a_message_of_calls_only_has_null_content() -> None:
    chunks = written(unfold(answered(ToolCallContent(id="c", name="f"), finish="tool_calls")))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_custom_calls_come_whole() -> None:
    custom = ToolCallContent(id="c1", name="n", arguments="raw", kind="custom")
    assert deltas([custom, ToolCallContent(id="c2", name="f", arguments="{}")], "tool_calls") == [
        {
            "tool_calls": [
                {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "n", "input": "raw"}}
            ]
        },
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "f", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_T66_thinking_and_its_proofs_share_an_index() -> None:
    found = deltas(
        [
            ThinkingContent(text="a", proof=Proof("s", "signature", CLAUDE)),
            ThinkingContent(redacted=True, proof=Proof("r", "encrypted", CLAUDE)),
            ThinkingContent(
                summary=("x", "y"), id="rs_1", proof=Proof("e", "encrypted", Origin("openai"))
            ),
            TextContent(text="t"),
        ]
    )
    assert found == [
        {"reasoning_content": "a"},
        {
            "reasoning_details": [
                {
                    "type": "reasoning.text",
                    "index": 0,
                    "text": "a",
                    "signature": "s",
                    "format": "anthropic-claude-v1",
                },
                {
                    "type": "reasoning.encrypted",
                    "index": 1,
                    "data": "r",
                    "format": "anthropic-claude-v1",
                },
            ]
        },
        {
            "reasoning_content": "x",
            "reasoning_details": [
                {"type": "reasoning.summary", "index": 2, "id": "rs_1", "summary": "x"}
            ],
        },
        {
            "reasoning_content": "\n\ny",
            "reasoning_details": [
                {"type": "reasoning.summary", "index": 3, "id": "rs_1", "summary": "y"}
            ],
        },
        {
            "reasoning_details": [
                {
                    "type": "reasoning.encrypted",
                    "index": 4,
                    "id": "rs_1",
                    "data": "e",
                    "format": "openai-responses-v1",
                }
            ]
        },
        {"content": "t"},
    ]


def test_a_client_that_excludes_reasoning_gets_none() -> None:
    thinking = ThinkingContent(text="a", proof=Proof("s", "signature", CLAUDE))
    found = deltas([thinking, TextContent(text="t")], reasoning={"exclude": True})
    assert found == [{"content": "t"}]


def test_T26_a_gemini_signature_stays_with_its_call() -> None:
    proof = Proof("sig", "signature", Origin("gemini"))
    made = ToolCallContent(id="c", name="f", arguments="{}", proof=proof)
    assert deltas([made], "tool_calls")[1] == {
        "reasoning_details": [
            {
                "type": "reasoning.encrypted",
                "data": "sig",
                "format": "google-gemini-v1",
                "id": "c",
                "index": 0,
            }
        ],
        "tool_calls": [
            {
                "index": 0,
                "function": {"arguments": ""},
                "extra_content": {"google": {"thought_signature": "sig"}},
            }
        ],
    }


def test_citations_count_from_the_start_of_the_content() -> None:
    url = Citation(kind="url", url="https://e.x", title="E")
    page = Citation(kind="document_page", title="P")
    found = deltas([TextContent(text="abc"), TextContent(text="de", citations=(url, page))])
    assert found[-1] == {
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {
                    "start_index": 3,
                    "end_index": 5,
                    "url": "https://e.x",
                    "title": "E",
                },
                "index": 0,
            }
        ]
    }


def test_refusals_audio_and_images() -> None:
    audio = AudioContent(
        id="a", source=MediaSource("base64", data="AAAA"), transcript="t", expires_at=1
    )
    image = ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png"))
    assert deltas([RefusalContent(text="no"), audio, image]) == [
        {"refusal": "no"},
        {"audio": {"id": "a", "data": "AAAA", "expires_at": 1, "transcript": "t"}},
        {
            "images": [
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AAAA"},
                    "index": 0,
                }
            ]
        },
    ]


def test_what_chat_cannot_show_is_hidden() -> None:
    assert deltas([OpaqueContent(dialect="other", raw=Raw(b"{}")), TextContent(text="x")]) == [
        {"content": "x"}
    ]


@pytest.mark.parametrize(
    ("finish", "given", "expected"),
    [
        ("stop", [], "stop"),
        ("stop_sequence", [], "stop"),
        ("length", [], "length"),
        ("context_window", [], "length"),
        ("content_filter", [], "content_filter"),
        ("refusal", [], "content_filter"),
        ("refusal", [TextContent(text="x")], "content_filter"),
        ("refusal", [RefusalContent(text="no")], "stop"),
        ("pause", [], "stop"),
        ("other", [], "stop"),
    ],
)
def test_T81_finish_reasons(finish: Any, given: list[Any], expected: str) -> None:
    chunks = written(unfold(answered(*given, finish=finish)))
    assert chunks[-2]["choices"][0]["finish_reason"] == expected


def test_deprecated_functions_are_answered_in_kind() -> None:
    request = chat.parse_request(
        call({"messages": [{"role": "user", "content": "x"}], "functions": [{"name": "f"}]})
    )
    made = answered(ToolCallContent(id="c", name="f", arguments="{}"), finish="tool_calls")
    chunks = written(unfold(made), request)
    assert [one["choices"][0]["delta"] for one in chunks[1:-2]] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    assert chunks[-2]["choices"][0]["finish_reason"] == "function_call"


def test_a_later_choice_first_opens_the_earlier_ones() -> None:
    found = written([START, PartStart(0, TextContent(text=""), 2), PartDelta(0, "text", "x")])
    assert [one["choices"][0]["index"] for one in found] == [0, 1, 2, 2]


def test_logprobs_ride_on_the_text_they_belong_to() -> None:
    start = MessageStart(id="i", model="m", dialect="openai-chat")
    found = written(
        [
            start,
            LogprobsDelta(0, Raw(b'{"content":[1]}')),
            PartStart(0, TextContent(text="")),
            PartDelta(0, "text", "x"),
            PartStop(0, TextContent(text="x")),
            LogprobsDelta(0, Raw(b'{"content":[2]}')),
            *END,
        ]
    )
    assert [one["choices"][0]["logprobs"] for one in found[:-1]] == [
        None,
        {"content": [1]},
        {"content": [2]},
    ]


@pytest.mark.parametrize("opened", [False, True])
def test_T46_an_error_ends_the_stream_without_done(opened: bool) -> None:
    error = UnifiedError(kind="overloaded", message="busy", retry_after=2.5)
    before: list[StreamChunk] = [START, PartStart(0, TextContent(text=""))] if opened else []
    found = written([*before, StreamError(error, partial=opened)])
    assert found[-1] == {
        "error": {
            "message": "busy (retry after 2.5 s)",
            "type": "server_error",
            "param": None,
            "code": "overloaded",
        }
    }


ROUND = [
    [TextContent(text="a")],
    [ThinkingContent(text="t", proof=Proof("s", "signature", CLAUDE)), TextContent(text="a")],
    [ThinkingContent(redacted=True, proof=Proof("r", "encrypted", CLAUDE)), TextContent(text="a")],
    [
        ThinkingContent(
            summary=("x", "y"), id="r", proof=Proof("e", "encrypted", Origin("openai"))
        ),
        TextContent(text="a"),
    ],
    [
        ThinkingContent(text="1", proof=Proof("s1", "signature", CLAUDE)),
        ThinkingContent(text="2", proof=Proof("s2", "signature", CLAUDE)),
        ToolCallContent(id="c", name="f", arguments="{}"),
    ],
    [TextContent(text="a", proof=Proof("g", "signature", Origin("gemini")))],
    [
        ToolCallContent(
            id="c", name="f", arguments="{}", proof=Proof("g", "signature", Origin("gemini"))
        )
    ],
    [ToolCallContent(id="c", name="f", arguments="x", kind="custom")],
    [
        TextContent(text="a"),
        ToolCallContent(id="c", name="f", arguments="{}"),
        TextContent(text="b"),
    ],
    [RefusalContent(text="no")],
    [AudioContent(id="a", source=MediaSource("base64", data="AAAA"), transcript="t", expires_at=1)],
    [ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png"))],
    [TextContent(text="x" * 3 + "\u2028日本")],
    [],
]


@pytest.mark.parametrize("given", ROUND)
def test_our_own_stream_read_back_is_the_source(given: list[Any]) -> None:
    source = answered(*given, usage=USAGE)
    request = parse(stream_options={"include_usage": True})
    formatter, encoder = chat.stream_formatter(request), chat.encoder()
    raw = b"".join(encoder.encode(f) for one in unfold(source) for f in formatter.feed(one))
    back = fold(read_bytes(raw))
    assert _plain(parts(back)) == _plain(parts(source))
    assert back.usage == USAGE
    assert json.loads(raw.split(b"\n\n")[0][6:])["id"] == back.id


def _plain(given: tuple[Any, ...]) -> list[str]:
    """Parts without who stood behind a proof: the reader knows only the provider it reads from."""
    return [repr(part).replace("upstream", "").replace("m-1", "") for part in given]
