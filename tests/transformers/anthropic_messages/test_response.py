"""Whole answers, both ways (anthropic-messages.md §6, mappings.md §12-§15)."""

import json
from typing import Any

import pytest
from anthropic.types import Message

from plexus.transformers import anthropic_messages as dialect
from plexus.transformers.proofs import open_envelope, seal
from plexus.unified.chunks import check_grammar
from plexus.unified.content import (
    AudioContent,
    Citation,
    CompactionContent,
    Content,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.fold import fold, unfold
from plexus.unified.response import Choice, Finish, FinishReason, UnifiedChatResponse, UnifiedUsage
from tests.transformers.anthropic_messages.support import (
    NAME,
    OWN,
    answer,
    formatted,
    message,
    provider_answer,
    raw,
    request,
    wire,
)

PROVIDER = Origin("anthropic", "anthropic", "claude")


def parsed(*blocks: dict[str, Any], **fields: Any) -> UnifiedChatResponse:
    found = dialect.parse_response(provider_answer(*blocks, **fields), wire())
    assert fold(unfold(found)) == found
    check_grammar(list(unfold(found)))
    return found


def blocks(*parts: Content, **fields: Any) -> list[Any]:
    return list(formatted(answer(*parts, **fields))["content"])


def test_parse_everything() -> None:
    found = parsed(
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"b": 1.0, "a": "é"}},
        stop_reason="tool_use",
        container={"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
        future=None,
    )
    assert (found.id, found.model, found.dialect) == ("msg_1", "claude-x", NAME)
    assert found.choices[0].message.content == (
        ThinkingContent(text="hm", proof=Proof("sig", "signature", PROVIDER)),
        ThinkingContent(redacted=True, proof=Proof("enc", "encrypted", PROVIDER)),
        TextContent(text="so"),
        ToolCallContent(id="t", name="f", arguments='{"b":1.0,"a":"é"}'),
    )
    assert found.choices[0].finish == Finish("tool_calls", raw="tool_use")
    assert list(found.ext[NAME]) == ["container"]


def test_T35_prompt_includes_the_caches() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "priority",
        "inference_geo": "us",
    }
    found = parsed({"type": "text", "text": "x"}, usage=usage)
    assert found.service_tier == "priority"
    assert found.usage == UnifiedUsage(
        prompt_tokens=113,
        completion_tokens=7,
        total_tokens=120,
        cache_read_tokens=100,
        cache_write_tokens=10,
        cache_write_by_ttl={"5m": 4, "1h": 6},
        reasoning_tokens=5,
        server_tool_requests={"web_search": 2},
        ext={NAME: {"inference_geo": type(raw(0))(b'"us"')}},
    )
    assert formatted(found)["usage"] == usage


@pytest.mark.parametrize(
    ("word", "blocks", "reason"),
    [
        ("end_turn", [], "stop"),
        ("max_tokens", [], "length"),
        ("stop_sequence", [], "stop_sequence"),
        ("pause_turn", [], "pause"),
        ("refusal", [], "refusal"),
        ("model_context_window_exceeded", [], "context_window"),
        ("compaction", [], "compaction"),
        ("tool_use", [], "stop"),
        ("something_new", [], "other"),
        ("end_turn", [{"type": "tool_use", "id": "t", "name": "f", "input": {}}], "tool_calls"),
        (None, [{"type": "text", "text": "x"}], "stop"),
    ],
)
def test_T45_T81_finish(word: str | None, blocks: list[Any], reason: FinishReason) -> None:
    finish = parsed(*blocks, stop_reason=word).choices[0].finish
    assert (finish.reason, finish.raw) == (reason, word)


def test_refusal_details_become_a_part() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "no"}
    found = parsed(stop_reason="refusal", stop_details=details)
    assert found.choices[0].message.content == (RefusalContent(text="no", category="cyber"),)
    again = formatted(found)
    assert (again["content"], again["stop_details"]) == ([], details)


def test_names_custom_tools_and_structured_output_are_undone() -> None:
    body = provider_answer(
        {"type": "tool_use", "id": "a", "name": "a_b", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "sql", "input": {"input": "select"}},
        {"type": "tool_use", "id": "c", "name": "out", "input": {"n": 1}},
        stop_reason="tool_use",
    )
    tools = wire(tool_names={"a_b": "a.b"}, custom_tools=frozenset({"sql"}), structured_tool="out")
    assert dialect.parse_response(body, tools).choices[0].message.content == (
        ToolCallContent(id="a", name="a.b", arguments='{"x":1}'),
        ToolCallContent(id="b", name="sql", arguments="select", kind="custom"),
        TextContent(text='{"n":1}'),
    )
    only = provider_answer(
        {"type": "tool_use", "id": "c", "name": "out", "input": {"n": 1}}, stop_reason="tool_use"
    )
    found = dialect.parse_response(only, wire(structured_tool="out"))
    assert found.choices[0].finish.reason == "stop"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', "overloaded"),
        (b'{"error":{"message":"m"}}', "upstream"),
        (b'{"type":"message","content":[],"stop_reason":null}', "upstream"),
        (b'{"type":"message","content":"text"}', "upstream"),
        (b'{"type":"message"}', "upstream"),
        (b"<html>bad gateway</html>", "upstream"),
        (b"[]", "upstream"),
        (b"", "upstream"),
        (b'{"type":"message","content":[{"type":"text"}],"stop_reason":"end_turn"}', "upstream"),
        (b"[" * 100_000, "upstream"),
    ],
)
def test_T100_failures_in_a_200(body: bytes, kind: str) -> None:
    with pytest.raises(PlexusError) as problem:
        dialect.parse_response(body, wire())
    assert problem.value.error.kind == kind
    assert dialect.observe_response(body).error is not None or body.endswith(b'"end_turn"}')


def test_empty_content_with_a_reason_is_an_answer() -> None:
    for reason in ("end_turn", "stop_sequence", "refusal", "max_tokens"):
        assert parsed(stop_reason=reason).choices[0].message.content == ()


def test_message_of_another_provider_is_one_the_sdk_takes() -> None:
    parts = (
        ThinkingContent(text="hm", proof=Proof("enc", "encrypted", Origin("openai"))),
        TextContent(text="so"),
        ToolCallContent(id="call_1", name="f", arguments='{"a":1}'),
    )
    found = formatted(answer(*parts, finish=Finish("tool_calls")))
    checked = Message.model_validate(found)
    assert checked.stop_reason == "tool_use"
    assert found["id"].startswith("msg_") and found["type"] == "message"
    assert found["id"] == formatted(answer())["id"]
    assert [block.type for block in checked.content] == ["thinking", "text", "tool_use"]
    assert found["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 5,
    }


def test_usage_is_estimated_when_the_provider_gave_none() -> None:
    response = UnifiedChatResponse(
        id="r", model="m", choices=answer(TextContent(text="x" * 40)).choices, dialect="openai-chat"
    )
    asked = request(message("user", "y" * 80), source=OWN)
    body, _ = dialect.format_response(response, asked)
    usage = json.loads(body)["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (20, 10)


@pytest.mark.parametrize("vendor", [{}, {"vendor": 1}], ids=["in one look", "in many"])
def test_counts_below_zero_are_none(vendor: dict[str, Any]) -> None:
    usage = {"input_tokens": -1, "output_tokens": -2, "cache_read_input_tokens": -3, **vendor}
    found = parsed({"type": "text", "text": "so"}, usage=usage).usage
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (0, 0, 0)
    assert found.cache_read_tokens is None


def test_T22_foreign_proofs_travel_in_an_envelope() -> None:
    foreign = Proof("enc", "encrypted", Origin("openai", "p", "m"))
    (readable, hidden, own) = blocks(
        ThinkingContent(summary=("one", "two"), proof=foreign),
        ThinkingContent(proof=foreign),
        ThinkingContent(text="t", proof=Proof("sig", "signature", Origin("anthropic"))),
    )
    assert readable["thinking"] == "one\n\ntwo"
    assert open_envelope(readable["signature"]) == Proof("enc", "encrypted", Origin("openai"))
    assert hidden == {"type": "redacted_thinking", "data": readable["signature"]}
    assert own["signature"] == "sig"


def test_thinking_without_proof() -> None:
    (found,) = blocks(ThinkingContent(text="t"), ThinkingContent())
    assert found["signature"].startswith("plx1.") and open_envelope(found["signature"]) is None


def test_proof_of_a_text_is_kept() -> None:
    proof = Proof("AAAA", "signature", Origin("gemini"))
    found = blocks(TextContent(text="so", proof=proof))
    (sealed,) = [block for block in found if block["type"] == "thinking"]
    assert open_envelope(sealed["signature"]) == proof


def test_proof_of_a_call_stands_before_it() -> None:
    proof = Proof("AAAA", "signature", Origin("gemini"))
    found = blocks(
        ToolCallContent(id="c", name="f", arguments="{}", proof=proof), finish=Finish("tool_calls")
    )
    assert [block["type"] for block in found] == ["thinking", "tool_use"]
    assert found[0]["thinking"] == "" and open_envelope(found[0]["signature"]) == proof


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (" ", {}),
        ('{"a":1}', {"a": 1}),
        ("[1]", {"value": [1]}),
        ('"x"', {"value": "x"}),
        ('{"a":', {"_raw": '{"a":'}),
    ],
)
def test_T71_input_is_an_object(arguments: str, expected: Any) -> None:
    (found,) = blocks(ToolCallContent(id="c", name="f", arguments=arguments))
    assert found["input"] == expected


def test_custom_call() -> None:
    (found,) = blocks(ToolCallContent(id="c:1", name="f", arguments='say "x"', kind="custom"))
    assert found["input"] == {"input": 'say "x"'}
    assert found["id"].startswith("toolu_")


def test_refusal_of_another_provider() -> None:
    found = formatted(answer(RefusalContent(text="I cannot")))
    assert found["content"] == [{"type": "text", "text": "I cannot"}]
    assert found["stop_reason"] == "refusal"
    assert found["stop_details"] == {"type": "refusal", "category": None, "explanation": "I cannot"}
    Message.model_validate(found)


@pytest.mark.parametrize(
    ("finish", "word", "sequence"),
    [
        (Finish("stop"), "end_turn", None),
        (Finish("stop_sequence", "END"), "stop_sequence", "END"),
        (Finish("stop_sequence"), "end_turn", None),
        (Finish("length"), "max_tokens", None),
        (Finish("context_window"), "model_context_window_exceeded", None),
        (Finish("tool_calls"), "tool_use", None),
        (Finish("content_filter"), "refusal", None),
        (Finish("pause"), "pause_turn", None),
        (Finish("cancelled"), "end_turn", None),
        (Finish("other", raw="eos"), "end_turn", None),
    ],
)
def test_T64_stop_reason_is_a_closed_list(finish: Finish, word: str, sequence: str | None) -> None:
    found = formatted(answer(TextContent(text="x"), finish=finish))
    assert (found["stop_reason"], found["stop_sequence"]) == (word, sequence)


def test_answers_that_ended_in_an_error() -> None:
    reasons: tuple[FinishReason, ...] = ("error", "malformed_tool_call")
    for reason in reasons:
        with pytest.raises(PlexusError):
            formatted(answer(TextContent(text="x"), finish=Finish(reason)))


def cited(start: int, end: int | None) -> Citation:
    return Citation("url", url="https://a", title="A", start=start, end=end)


def test_web_citations_split_the_text() -> None:
    found = blocks(TextContent(text="The sky is blue. Grass is green.", citations=(cited(4, 16),)))
    assert [(block["text"], len(block.get("citations", []))) for block in found] == [
        ("The ", 0),
        ("sky is blue.", 1),
        (" Grass is green.", 0),
    ]
    assert found[1]["citations"][0] == {
        "type": "web_search_result_location",
        "url": "https://a",
        "title": "A",
        "encrypted_index": "",
        "cited_text": "sky is blue.",
    }


@pytest.mark.parametrize(
    ("spans", "texts"),
    [
        ([(0, 3), (3, 6)], ["abc", "def"]),
        ([(0, 4), (2, 6)], ["abcdef"]),
        ([(2, None)], ["ab", "cdef"]),
        ([(9, 12)], ["abcdef"]),
        ([(4, 6), (0, 2)], ["ab", "cd", "ef"]),
    ],
)
def test_citation_spans(spans: list[tuple[int, int | None]], texts: list[str]) -> None:
    citations = tuple(cited(*span) for span in spans)
    found = blocks(TextContent(text="abcdef", citations=citations))
    assert [block["text"] for block in found] == texts
    assert sum(len(block.get("citations", [])) for block in found) == len(spans)


def test_blank_text_between_citations_is_no_block() -> None:
    found = blocks(TextContent(text="ab cd \n", citations=(cited(0, 2), cited(3, 5))))
    assert [block["text"] for block in found] == ["ab", " cd \n"]


def test_own_citations_are_verbatim() -> None:
    own = Citation("url", url="u", dialect=NAME, raw=raw({"type": "web_search_result_location"}))
    (found,) = blocks(TextContent(text="t", citations=(own,)), source=NAME)
    assert found["citations"] == [{"type": "web_search_result_location"}]


def test_T57_blank_text() -> None:
    parts = (TextContent(text=""), TextContent(text=" \n"), TextContent(text="x"))
    assert blocks(*parts) == [{"type": "text", "text": "x"}]
    own = [{"type": "text", "text": " \n"}, {"type": "text", "text": "x"}]
    assert blocks(*parts, source=NAME) == own


def test_T74_foreign_server_tools_are_hidden() -> None:
    call = ServerToolCallContent(id="s", tool="web_search", name="w", dialect="gemini", raw=raw({}))
    body, warnings = dialect.format_response(
        answer(call, OpaqueContent(dialect="x", raw=raw({})), TextContent(text="x")), request()
    )
    assert json.loads(body)["content"] == [{"type": "text", "text": "x"}]
    assert [w.loss.field for w in warnings] == ["response.server_tools", "response.opaque"]


def test_own_blocks_are_verbatim() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    done = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    upload = {"type": "container_upload", "file_id": "f"}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    found = parsed(use, done, upload, call, stop_reason="tool_use")
    assert formatted(found)["content"] == [use, done, upload, call]


def test_every_response_loss_is_declared() -> None:
    parts: tuple[Content, ...] = (
        TextContent(text="abc", citations=(cited(0, 1),)),
        AudioContent(source=MediaSource("base64", data="AA"), transcript="said"),
        CompactionContent(dialect="openai-responses", raw=raw({})),
        ToolCallContent(id="c", name="f", arguments="[1]"),
        ToolCallContent(id="d", name="g", arguments="x", kind="custom"),
        RefusalContent(text="no"),
    )
    response = answer(*parts, service_tier="flex", ext={"openai-chat": {"x": raw(1)}})
    choice = response.choices[0]
    second = Choice(index=1, message=choice.message, finish=choice.finish)
    first = Choice(message=choice.message, finish=choice.finish, logprobs=raw({}))
    whole = UnifiedChatResponse(
        id="r",
        model="m",
        choices=(first, second),
        dialect="openai-chat",
        usage=response.usage,
        service_tier="flex",
        ext=response.ext,
    )
    body, warnings = dialect.format_response(whole, request(source=OWN))
    assert {w.loss.field for w in warnings} == {
        "response.audio",
        "response.choices",
        "response.citations",
        "response.compaction",
        "response.logprobs",
        "response.refusal",
        "response.service_tier",
        "response.tool_call.arguments",
        "response.tool_call.custom",
    }
    assert "said" in json.dumps(json.loads(body)["content"])


def test_envelopes_have_one_alphabet() -> None:
    value = seal(Proof("é?>~", "encrypted", Origin("x")))
    assert set(value.removeprefix("plx1.")) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )
    assert open_envelope(value) == Proof("é?>~", "encrypted", Origin("x"))
