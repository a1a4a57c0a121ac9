"""Canonical requests as Converse bodies; each is held against botocore's model of the API."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import bedrock_converse as converse
from plexus.transformers.bedrock_converse.models import family_of, model_path
from plexus.unified.content import (
    AudioContent,
    CacheControl,
    Content,
    DocumentContent,
    ImageContent,
    MediaSource,
    Origin,
    Proof,
    SearchResultContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
    VideoContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ToolChoice,
    UnifiedMessage,
)
from tests.transformers.bedrock_converse.support import HI, NOVA, asked, call, target, written

GPT = "openai.gpt-oss-120b-1:0"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
CLAUDES = Origin("anthropic")
F = FunctionTool(name="f", description="does it", parameters=Raw(b'{"type":"object"}'))
CACHE = CacheControl()


def blocks(*parts: Content, role: Any = "user", **known: Any) -> list[dict[str, Any]]:
    """The blocks of a message's parts."""
    end = () if role == "user" else (HI,)
    lead = () if role == "user" else (HI,)
    body = written(asked(*lead, UnifiedMessage(role=role, content=parts), *end), target(**known))
    found: list[dict[str, Any]] = body["messages"][len(lead)]["content"]
    return found


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0", "amazon"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0",
            "amazon",
        ),
        ("global.amazon.nova-2-lite-v1:0", "amazon"),
        (GPT, "bedrock-openai"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "meta"),
        ("deepseek.v3-v1:0", "deepseek"),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", "bedrock"),
    ],
)
def test_families(model: str, family: str) -> None:
    assert family_of(target(model)) == family
    assert family_of(target(model, family="anthropic")) == "anthropic"


def test_paths() -> None:
    assert model_path("us.amazon.nova-lite-v1:0", "converse") == (
        "/model/us.amazon.nova-lite-v1:0/converse"
    )
    arn = "arn:aws:bedrock:us-east-1:1:inference-profile/x"
    assert model_path(arn, "converse").endswith("inference-profile%2Fx/converse")
    made = converse.format_request(asked(HI, stream=True), target(NOVA))
    assert made.path == "/model/us.amazon.nova-lite-v1:0/converse-stream"
    assert "stream" not in json.loads(made.body) and "model" not in json.loads(made.body)


def test_pictures_documents_sound_and_video() -> None:
    text = MediaSource("text", data="words", media_type="text/plain")
    assert blocks(
        ImageContent(source=MediaSource("base64", data=PNG)),
        ImageContent(source=MediaSource("url", url=f"data:image/jpg;base64,{PNG}")),
        ImageContent(source=MediaSource("url", url="s3://bucket/a.webp")),
        DocumentContent(
            source=MediaSource("base64", data="JVBERi0="), filename="a.b.pdf", context="why"
        ),
        DocumentContent(source=text, title="Notes", citations_enabled=True),
        DocumentContent(source=text, title="Notes"),
        DocumentContent(
            source=MediaSource("base64", data="UEsD", media_type="application/octet-stream"),
            filename="sheet.xlsx",
        ),
        DocumentContent(blocks=(TextContent(text="one"), TextContent(text="two"))),
        AudioContent(source=MediaSource("base64", data="UklG"), format="wav"),
        VideoContent(source=MediaSource("base64", data="AAAA", media_type="video/mp4")),
        SearchResultContent(source="https://e.x", title="t", blocks=(TextContent(text="found"),)),
    ) == [
        {"image": {"format": "png", "source": {"bytes": PNG}}},
        {"image": {"format": "jpeg", "source": {"bytes": PNG}}},
        {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://bucket/a.webp"}}}},
        {
            "document": {
                "format": "pdf",
                "name": "a b pdf",
                "source": {"bytes": "JVBERi0="},
                "context": "why",
            }
        },
        {
            "document": {
                "format": "txt",
                "name": "Notes",
                "source": {"text": "words"},
                "citations": {"enabled": True},
            }
        },
        {"document": {"format": "txt", "name": "Notes 2", "source": {"text": "words"}}},
        {"document": {"format": "xlsx", "name": "sheet xlsx", "source": {"bytes": "UEsD"}}},
        {
            "document": {
                "format": "txt",
                "name": "Document",
                "source": {"content": [{"text": "one"}, {"text": "two"}]},
            }
        },
        {"audio": {"format": "wav", "source": {"bytes": "UklG"}}},
        {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
        {"searchResult": {"source": "https://e.x", "title": "t", "content": [{"text": "found"}]}},
    ]


def test_a_data_url_that_is_no_base64_is_refused() -> None:
    part = ImageContent(source=MediaSource("url", url="data:image/png,abc"))
    with pytest.raises(PlexusError, match="base64"):
        blocks(part)


def test_thinking_goes_back_only_to_its_own_family() -> None:
    signed = ThinkingContent(text="hm", proof=Proof("sig", "signature", CLAUDES))
    hidden = ThinkingContent(redacted=True, proof=Proof("EuQF", "encrypted", CLAUDES))
    foreign = ThinkingContent(text="x", proof=Proof("e", "encrypted", Origin("openai")))
    said = TextContent(text="done")
    assert blocks(signed, hidden, foreign, said, role="assistant") == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": base64.b64encode(b"EuQF").decode()}},
        {"text": "done"},
    ]
    assert blocks(signed, said, role="assistant", model=NOVA) == [{"text": "done"}]
    own = ThinkingContent(redacted=True, proof=Proof("QUJD", "encrypted", Origin("bedrock-openai")))
    assert blocks(own, said, role="assistant", model=GPT)[0] == {
        "reasoningContent": {"redactedContent": "QUJD"}
    }


def test_a_round_of_tools() -> None:
    calls = (
        ToolCallContent(id="call_1", name="f", arguments='{"a": 1.0}'),
        ToolCallContent(id="weird id!", name="g.h"),
    )
    results = (
        ToolResultContent(tool_call_id="weird id!", is_error=True),
        ToolResultContent(
            tool_call_id="call_1",
            content=(
                TextContent(text="20"),
                ImageContent(source=MediaSource("base64", data=PNG)),
                DocumentContent(source=MediaSource("base64", data="JVBERi0=")),
            ),
        ),
    )
    made = converse.format_request(
        asked(
            HI,
            UnifiedMessage(role="assistant", content=calls),
            UnifiedMessage(role="tool", content=results),
            UnifiedMessage(role="user", content=(TextContent(text="and?"),)),
        ),
        target(),
    )
    body = json.loads(made.body)
    spoken, answered = body["messages"][1]["content"], body["messages"][2]["content"]
    assert spoken[0] == {"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"a": 1.0}}}
    assert b'"a": 1.0' in made.body
    other = spoken[1]["toolUse"]
    assert other["name"] == "g_h" and made.tool_names == {"g_h": "g.h"}
    assert [list(block) for block in answered] == [["toolResult"], ["toolResult"], ["text"]]
    assert answered[0]["toolResult"]["content"][0] == {"text": "20"}
    assert [next(iter(item)) for item in answered[0]["toolResult"]["content"]] == [
        "text",
        "image",
        "document",
    ]
    assert answered[1]["toolResult"] == {
        "toolUseId": other["toolUseId"],
        "content": [{"json": {}}],
        "status": "error",
    }
    # The client sent no tools, but Converse wants them beside a history with calls.
    names = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
    assert names == ["f", "g_h"]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        (ToolChoice(mode="auto"), {"auto": {}}),
        (ToolChoice(mode="required"), {"any": {}}),
        (ToolChoice(mode="function", name="f"), {"tool": {"name": "f"}}),
        (ToolChoice(mode="allowed", names=("f",), forced=True), {"any": {}}),
        (ToolChoice(mode="allowed", names=("f",)), {"auto": {}}),
    ],
)
def test_tool_choice(choice: ToolChoice, wanted: dict[str, Any]) -> None:
    body = written(asked(HI, tools=(F, FunctionTool(name="g")), tool_choice=choice))
    assert body["toolConfig"]["toolChoice"] == wanted
    assert len(body["toolConfig"]["tools"]) == (1 if choice.mode == "allowed" else 2)


def test_no_tool_choice_leaves_the_tools_out_unless_they_were_called() -> None:
    none = ToolChoice(mode="none")
    assert "toolConfig" not in written(asked(HI, tools=(F,), tool_choice=none))
    spoken = UnifiedMessage(role="assistant", content=(ToolCallContent(id="c", name="f"),))
    result = UnifiedMessage(role="tool", content=(ToolResultContent(tool_call_id="c"),))
    body = written(asked(HI, spoken, result, tools=(F,), tool_choice=none))
    assert "toolChoice" not in body["toolConfig"]


def test_a_forced_tool_that_cannot_be_meant_is_refused() -> None:
    choice = ToolChoice(mode="function", name="f")
    with pytest.raises(PlexusError):
        converse.format_request(
            asked(
                HI, tools=(F,), tool_choice=ToolChoice(mode="allowed", names=("x",), forced=True)
            ),
            target(),
        )
    assert "toolConfig" not in written(asked(HI, tool_choice=choice))


def test_one_tool_at_a_time() -> None:
    body = written(asked(HI, tools=(F,), parallel_tool_calls=False))
    more = body["additionalModelRequestFields"]
    assert more == {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


def test_cache_points_stand_behind_what_they_mark() -> None:
    body = written(
        asked(
            UnifiedMessage(
                role="system", content=(TextContent(text="be brief", cache_control=CACHE),)
            ),
            UnifiedMessage(
                role="user",
                content=(
                    TextContent(text="a", cache_control=CacheControl(ttl="1h")),
                    TextContent(text=" ", cache_control=CACHE),
                    TextContent(text="b"),
                ),
            ),
            tools=(FunctionTool(name="f", cache_control=CACHE),),
        )
    )
    point = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "be brief"}, point]
    assert body["toolConfig"]["tools"][1] == point
    # A time is never longer than one before it.
    short = {"cachePoint": {"type": "default", "ttl": "5m"}}
    assert body["messages"][0]["content"] == [{"text": "a"}, short, {"text": "b"}]
    auto = asked(HI, prompt_cache=PromptCache(auto=CacheControl(ttl="1h")))
    assert written(auto)["messages"][0]["content"] == [
        {"text": "hi"},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    ]
    plain = target("us.meta.llama3-3-70b-instruct-v1:0")
    assert written(auto, plain)["messages"][0]["content"] == [{"text": "hi"}]


SCHEMA = Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}')
FORMAT = ResponseFormat(type="json_schema", name="answer", schema=SCHEMA)


def test_structured_output() -> None:
    wanted = written(asked(HI, response_format=FORMAT), target(NOVA))["outputConfig"]["textFormat"]
    assert wanted["type"] == "json_schema"
    schema = wanted["structure"]["jsonSchema"]
    assert schema["name"] == "answer"
    assert json.loads(schema["schema"]) == json.loads(bytes(SCHEMA))


def test_structured_output_as_a_forced_tool() -> None:
    to = target(NOVA, json_schema=False)
    made = converse.format_request(asked(HI, response_format=FORMAT), to)
    body = json.loads(made.body)
    assert made.structured_tool == "structured_output"
    assert body["toolConfig"]["toolChoice"] == {"tool": {"name": "structured_output"}}
    assert "outputConfig" not in body


@pytest.mark.parametrize(
    ("model", "reasoning", "more"),
    [
        (
            "claude",
            Reasoning(effort="high"),
            {
                "thinking": {"type": "adaptive", "display": "summarized"},
                "output_config": {"effort": "high"},
            },
        ),
        (NOVA, Reasoning(effort="xhigh"), {"type": "enabled", "maxReasoningEffort": "high"}),
        (NOVA, Reasoning(max_tokens=1000), {"type": "enabled", "maxReasoningEffort": "low"}),
        (NOVA, Reasoning(effort="none"), {"type": "disabled"}),
        (GPT, Reasoning(effort="minimal"), "low"),
        (GPT, Reasoning(effort="none"), "low"),
        (GPT, Reasoning(effort="medium"), "medium"),
    ],
)
def test_reasoning(model: str, reasoning: Reasoning, more: Any) -> None:
    to = target() if model == "claude" else target(model)
    sent = written(asked(HI, reasoning=reasoning), to)["additionalModelRequestFields"]
    if model == NOVA:
        assert sent == {"reasoningConfig": more}
    elif model == GPT:
        assert sent == {"reasoning_effort": more}
    else:
        assert sent == more


def test_a_budget_leaves_room_for_the_answer() -> None:
    reasoning = Reasoning(max_tokens=8000, mode="budget")
    body = written(asked(HI, reasoning=reasoning), target(thinking="budget"))
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 8000
    assert body["inferenceConfig"]["maxTokens"] > 8000


def test_sampling_and_stops() -> None:
    sampled = asked(
        HI, temperature=0.5, top_p=0.9, top_k=5, max_tokens=100, stop=("END",), stream=True
    )
    body = written(sampled, target(NOVA))
    assert body["inferenceConfig"] == {
        "maxTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "stopSequences": ["END"],
    }
    assert body["additionalModelRequestFields"] == {"inferenceConfig": {"topK": 5}}
    assert "additionalModelResponseFieldPaths" not in body
    body = written(sampled, target(sampling="full"))
    assert body["additionalModelRequestFields"] == {"top_k": 5}
    assert body["additionalModelResponseFieldPaths"] == ["/stop_sequence"]


def test_tiers_and_labels() -> None:
    body = written(
        asked(HI, service_tier="flex", speed="fast", user="u-1", metadata={"team": "a", "bad": "é"})
    )
    assert body["serviceTier"] == {"type": "flex"}
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["requestMetadata"] == {"user_id": "u-1", "team": "a"}


def test_turns_alternate_and_begin_with_the_user() -> None:
    spoken = UnifiedMessage(role="assistant", content=(TextContent(text="a "),))
    body = written(asked(spoken, HI, HI, spoken), target(NOVA))
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    kept = written(asked(HI, spoken), target(NOVA, prefill=True))
    assert kept["messages"][-1] == {"role": "assistant", "content": [{"text": "a"}]}


def test_equal_requests_give_equal_bytes() -> None:
    request = asked(HI, tools=(F,), metadata={"b": "1", "a": "2"}, user="ann@example.com")
    assert len({converse.format_request(request, target()).body for _ in range(5)}) == 1


def test_an_anthropic_client_says_claudes_own_words() -> None:
    """What Claude's own dialect says of thinking and sampling is not second-guessed."""
    from plexus.transformers import anthropic_messages

    body = {
        "model": "m",
        "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "temperature": 1,
        "messages": [{"role": "user", "content": "hi"}],
    }
    request = anthropic_messages.parse_request(call("anthropic-messages", body))
    sent = written(request)
    assert sent["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 2048}
    }
    assert sent["inferenceConfig"] == {"maxTokens": 4096, "temperature": 1.0}
