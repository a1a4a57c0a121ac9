"""Turns and blocks a provider gets (mappings.md §4, §5, §8)."""

import base64
import json
from typing import Any

import pytest

from plexus.transformers import anthropic_messages as dialect
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Citation,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    ServerToolCallContent,
    ServerToolResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import FunctionTool, Reasoning, UnifiedMessage
from tests.transformers.anthropic_messages.support import (
    losses,
    message,
    parse,
    raw,
    request,
    sent,
    target,
)


def turns(*messages: UnifiedMessage, **capabilities: Any) -> list[tuple[str, list[Any]]]:
    """Roles with their blocks; text blocks as their text."""
    found = sent(request(*messages), **capabilities)["messages"]
    return [
        (m["role"], [b["text"] if b["type"] == "text" else b for b in m["content"]]) for m in found
    ]


def blocks(*parts: Content, **capabilities: Any) -> list[Any]:
    return turns(message("user", *parts), **capabilities)[0][1]


def called(*ids: str) -> UnifiedMessage:
    return message("assistant", *(ToolCallContent(id=i, name="f", arguments="{}") for i in ids))


def result(call_id: str, text: str = "ok") -> ToolResultContent:
    return ToolResultContent(tool_call_id=call_id, content=(TextContent(text=text),))


def test_system_run_becomes_blocks() -> None:
    asked = request(message("system", "a", "b"), message("developer", "c"), message("user", "hi"))
    assert [block["text"] for block in sent(asked)["system"]] == ["a", "b", "c"]


def test_T14_mid_system_stays_in_place() -> None:
    conversation = (
        message("user", "a"),
        message("system", "new rule"),
        message("assistant", "b"),
        message("system", "other rule"),
        message("user", "c"),
    )
    assert turns(*conversation) == [
        ("user", ["a"]),
        ("system", ["new rule"]),
        ("assistant", ["b"]),
        ("user", ["<system>other rule</system>", "c"]),
    ]
    assert turns(*conversation, mid_system=False) == [
        ("user", ["a", "<system>new rule</system>"]),
        ("assistant", ["b"]),
        ("user", ["<system>other rule</system>", "c"]),
    ]
    assert losses(request(*conversation)) == ["message.system_mid"]


def test_roles_are_merged() -> None:
    conversation = (
        message("user", "a"),
        message("user", "b"),
        message("assistant", "c"),
        message("assistant", "d"),
        message("user", "e"),
    )
    assert turns(*conversation) == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e"]),
    ]


def test_first_turn_is_a_user() -> None:
    assert turns(message("assistant", "a"), message("user", "b"))[0] == ("user", ["Begin."])
    assert turns(message("system", "s")) == [("user", ["Begin."])]


def test_T84_prefill() -> None:
    conversation = (message("user", "a"), message("assistant", "Sure:  \n"))
    assert turns(*conversation)[-1] == ("user", ["Continue."])
    assert turns(*conversation, prefill=True)[-1] == ("assistant", ["Sure:"])
    own = parse(messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    assert [m["role"] for m in sent(own)["messages"]] == ["user", "assistant"]


def test_paused_turn_is_sent_back_to_be_continued() -> None:
    use = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}}
    own = parse(
        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": [use]}]
    )
    found = sent(own, prefill=False)["messages"]
    assert found[-1] == {"role": "assistant", "content": [use]}


def test_T57_blank_texts_are_left_out() -> None:
    conversation = (message("user", "", "a", " \n"), message("assistant", ""), message("user", "b"))
    assert turns(*conversation) == [("user", ["a", "b"])]


def test_marker_of_a_blank_part_moves_to_the_one_before() -> None:
    parts = (TextContent(text="a"), TextContent(text=" ", cache_control=CacheControl()))
    (found,) = sent(request(message("user", *parts)))["messages"][0]["content"]
    assert found == {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}


def test_T68_results_first_in_order_and_together() -> None:
    conversation = (
        message("user", "q"),
        called("c1", "c2"),
        message("tool", result("c2", "two")),
        message("user", "by the way"),
        message("tool", result("c1", "one")),
    )
    (_, _, (role, found)) = turns(*conversation)
    assert role == "user"
    assert [b if isinstance(b, str) else (b["tool_use_id"], b["content"]) for b in found] == [
        ("c1", "one"),
        ("c2", "two"),
        "by the way",
    ]
    assert losses(request(*conversation)) == []


def test_missing_and_orphan_results() -> None:
    conversation = (message("user", "q"), called("c1"), message("user", result("zz"), "next"))
    found = turns(*conversation)[-1][1]
    assert found[0] == {
        "type": "tool_result",
        "tool_use_id": "c1",
        "content": "no result was provided for this call",
        "is_error": True,
    }
    assert losses(request(*conversation)) == ["part.tool_result.orphan", "part.tool_result.missing"]
    assert turns(message("user", "q"), called("c1"))[-1][0] == "user"
    two = turns(message("user", "q"), called("c1"), message("user", "x"), called("c2"))
    assert [role for role, _ in two] == ["user", "assistant", "user", "assistant", "user"]


def test_result_forms() -> None:
    image = ImageContent(source=MediaSource("base64", data="iVBORw0KGgoAAAA="))
    parts = (
        ToolResultContent(tool_call_id="c1"),
        ToolResultContent(tool_call_id="c2", content=(TextContent(text="t"), image), is_error=True),
    )
    found = turns(message("user", "q"), called("c1", "c2"), message("tool", *parts))[-1][1]
    assert found[0] == {"type": "tool_result", "tool_use_id": "c1"}
    assert found[1]["is_error"] is True
    assert [b["type"] for b in found[1]["content"]] == ["text", "image"]


def test_T31_ids_are_made_legal_on_call_and_result() -> None:
    conversation = (message("user", "q"), called("call:1"), message("tool", result("call:1")))
    found = sent(request(*conversation))["messages"]
    new = found[1]["content"][0]["id"]
    assert new.startswith("toolu_") and new.replace("_", "").isalnum()
    assert found[2]["content"][0]["tool_use_id"] == new
    assert sent(request(*conversation))["messages"] == found


def test_reused_ids_are_told_apart() -> None:
    once = (called("call_0"), message("tool", result("call_0")))
    found = sent(request(message("user", "q"), *once, *once))["messages"]
    first, second = found[1]["content"][0]["id"], found[3]["content"][0]["id"]
    assert first == "call_0" != second
    assert found[4]["content"][0]["tool_use_id"] == second


@pytest.mark.parametrize(
    ("arguments", "expected", "warned"),
    [
        ("", {}, []),
        ('{"a": 1}', {"a": 1}, []),
        ("[1]", {"value": [1]}, ["part.tool_call.arguments"]),
        ('{"a": ', {"_raw": '{"a": '}, ["part.tool_call.arguments"]),
    ],
)
def test_T71_arguments_become_an_object(arguments: str, expected: Any, warned: list[str]) -> None:
    part = ToolCallContent(id="c", name="f", arguments=arguments)
    conversation = (message("user", "q"), message("assistant", part), message("tool", result("c")))
    assert sent(request(*conversation))["messages"][1]["content"][0]["input"] == expected
    assert losses(request(*conversation)) == warned


def test_T71_numbers_keep_their_spelling() -> None:
    part = ToolCallContent(id="c", name="f", arguments='{"a":1.0,"b":12345678901234567890123}')
    conversation = (message("user", "q"), message("assistant", part), message("tool", result("c")))
    body = dialect.format_request(request(*conversation), target()).body
    assert b'"input":{"a":1.0,"b":12345678901234567890123}' in body


def test_custom_calls() -> None:
    part = ToolCallContent(id="c", name="f", arguments="free text", kind="custom")
    conversation = (message("user", "q"), message("assistant", part), message("tool", result("c")))
    found = sent(request(*conversation))["messages"][1]["content"][0]
    assert found["input"] == {"input": "free text"}


ANTHROPIC = Origin("anthropic")


def test_T22_only_own_thinking_is_replayed() -> None:
    parts = (
        ThinkingContent(text="own", proof=Proof("sig", "signature", ANTHROPIC)),
        ThinkingContent(redacted=True, proof=Proof("enc", "encrypted", ANTHROPIC)),
        ThinkingContent(text="foreign", proof=Proof("sig", "signature", Origin("gemini"))),
        ThinkingContent(text="unsigned"),
        TextContent(text="so"),
    )
    conversation = (message("user", "q"), message("assistant", *parts), message("user", "go"))
    assert turns(*conversation)[1][1] == [
        {"type": "thinking", "thinking": "own", "signature": "sig"},
        {"type": "redacted_thinking", "data": "enc"},
        "so",
    ]
    assert losses(request(*conversation)) == ["part.thinking.foreign", "part.thinking"]


def test_T23_thinking_text_is_not_touched() -> None:
    odd = "  \u2028 spaces\r\nand  \t tabs "
    part = ThinkingContent(text=odd, proof=Proof("s", "signature", ANTHROPIC))
    found = sent(
        request(message("user", "q"), message("assistant", part, "x"), message("user", "y"))
    )
    assert found["messages"][1]["content"][0]["thinking"] == odd


def test_T85_images() -> None:
    jpg = ImageContent(source=MediaSource("base64", data="/9j/AA==", media_type="image/jpg"))
    bare = ImageContent(source=MediaSource("base64", data="R0lGODlh"))
    url = ImageContent(source=MediaSource("url", url="https://x/y"))
    data = ImageContent(source=MediaSource("url", url="data:image/webp;base64,UklGRg=="))
    assert [block["source"] for block in blocks(jpg, bare, url, data)] == [
        {"type": "base64", "media_type": "image/jpeg", "data": "/9j/AA=="},
        {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"},
        {"type": "url", "url": "https://x/y"},
        {"type": "base64", "media_type": "image/webp", "data": "UklGRg=="},
    ]


def test_documents() -> None:
    pdf = DocumentContent(
        source=MediaSource("base64", data="JVBERi0x", media_type="application/pdf"),
        filename="a.pdf",
    )
    plain = base64.b64encode("Grüße".encode()).decode()
    text = DocumentContent(source=MediaSource("base64", data=plain, media_type="text/markdown"))
    assert blocks(pdf, text) == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
            "title": "a.pdf",
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
        },
    ]


@pytest.mark.parametrize(
    "part",
    [
        AudioContent(source=MediaSource("base64", data="AA==")),
        VideoContent(source=MediaSource("url", url="https://x")),
        ImageContent(source=MediaSource("base64", data="AA==", media_type="image/bmp")),
        ImageContent(source=MediaSource("file_id", file_id="f")),
        ImageContent(source=MediaSource("url", url="data:image/png,raw")),
        DocumentContent(source=MediaSource("file_id", file_id="f")),
        DocumentContent(source=MediaSource("base64", data="AA==", media_type="application/msword")),
        DocumentContent(source=MediaSource("base64", data="!!", media_type="text/plain")),
    ],
    ids=["audio", "video", "bmp", "image id", "data url", "file id", "word", "base64"],
)
def test_media_it_cannot_mean(part: Content) -> None:
    with pytest.raises(PlexusError) as problem:
        blocks(TextContent(text="a"), part)
    assert problem.value.error.http_status == 400
    assert problem.value.error.param == "messages[0].content[1]"


def test_refusals_and_foreign_parts() -> None:
    parts = (
        RefusalContent(text="no"),
        ServerToolCallContent(
            id="s", tool="web_search", name="w", dialect="gemini", raw=raw({}), arguments='{"q":1}'
        ),
        ServerToolResultContent(tool_call_id="s", tool="web_search", dialect="gemini", raw=raw({})),
        OpaqueContent(dialect="gemini", raw=raw({})),
    )
    conversation = (message("user", "q"), message("assistant", *parts), message("user", "go"))
    assert turns(*conversation)[1][1] == ["no", '[web search: {"q":1}]']
    assert losses(request(*conversation)) == ["part.refusal", "part.server_tool", "part.opaque"]


def test_citations_of_earlier_answers() -> None:
    own = Citation("url", url="u", dialect="anthropic-messages", raw=raw({"type": "x"}))
    foreign = Citation("url", url="u", dialect="openai-chat")
    part = TextContent(text="t", citations=(own, foreign))
    conversation = (message("user", "q"), message("assistant", part), message("user", "go"))
    found = sent(request(*conversation))["messages"][1]["content"][0]
    assert found["citations"] == [{"type": "x"}]
    assert losses(request(*conversation)) == ["part.text.citations"]


def test_step_that_removed_a_marker_removes_it_from_verbatim_blocks() -> None:
    part = ServerToolCallContent(
        id="s",
        tool="web_search",
        name="web_search",
        dialect="anthropic-messages",
        raw=raw({"type": "server_tool_use", "cache_control": {"type": "ephemeral"}, "id": "s"}),
    )
    conversation = (message("user", "q"), message("assistant", part, "x"), message("user", "go"))
    found = sent(request(*conversation))["messages"][1]["content"][0]
    assert found == {"type": "server_tool_use", "id": "s"}


def test_names_are_made_legal_and_mapped_back() -> None:
    part = ToolCallContent(id="c", name="a.b", arguments="{}")
    tools = (FunctionTool(name="a.b"), FunctionTool(name="a_b"), FunctionTool(name="x" * 200))
    asked = request(
        message("user", "q"), message("assistant", part), message("tool", result("c")), tools=tools
    )
    wire = dialect.format_request(asked, target())
    found = json.loads(wire.body)
    names = [tool["name"] for tool in found["tools"]]
    assert names[1] == "a_b" and len(set(names)) == 3 and all(len(n) <= 128 for n in names)
    assert found["messages"][1]["content"][0]["name"] == names[0]
    assert [wire.tool_names[names[0]], wire.tool_names[names[2]]] == ["a.b", "x" * 200]


def test_budget_thinking_is_off_when_the_tool_turn_lost_its_own() -> None:
    conversation = (message("user", "q"), called("c1"), message("tool", result("c1")))
    asked = request(*conversation, reasoning=Reasoning(effort="low"), max_tokens=10000)
    assert sent(asked, thinking="budget")["thinking"] == {"type": "disabled"}
    assert losses(asked, thinking="budget") == ["reasoning.effort", "reasoning.history"]
    proof = Proof("s", "signature", ANTHROPIC)
    own = message("assistant", ThinkingContent(text="t", proof=proof), *called("c1").content)
    asked = request(conversation[0], own, conversation[2], reasoning=Reasoning(effort="low"))
    assert sent(asked, thinking="budget")["thinking"]["type"] == "enabled"
