"""Every quirk of a vendor that its profile names, by the section of vendors.md that it is from."""

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.compiler.profiles import profiles
from plexus.transformers import openai_chat as chat
from plexus.transformers.capabilities import Capabilities, TargetModel
from plexus.unified.content import (
    CacheControl,
    ImageContent,
    MediaSource,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
    ToolResultContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    CustomTool,
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    ToolChoice,
    UnifiedChatRequest,
    UnifiedMessage,
)
from plexus.unified.response import UnifiedChatResponse
from tests.transformers.openai_chat.support import (
    ASK,
    answer,
    asked,
    call,
    chunk,
    completion,
    delta,
    folded,
    parse,
    parts,
    read,
    request_to,
    sse,
)

HI = UnifiedMessage(role="user", content=(TextContent(text="hi"),))
SYSTEM = UnifiedMessage(role="system", content=(TextContent(text="be brief"),))
TOOL = FunctionTool(name="f", parameters=Raw(b'{"type":"object","properties":{}}'))
CALL = ToolCallContent(id="toolu_01", name="f", arguments="{}")
RESULT = UnifiedMessage(
    role="tool", content=(ToolResultContent(tool_call_id="toolu_01", content=HI.content),)
)
EXTRAS: dict[str, Any] = {
    "audio": Raw(b"{}"),
    "metadata": {"a": "b"},
    "modalities": ("audio",),
    "moderation": Raw(b"{}"),
    "prediction": Raw(b"{}"),
    "prompt_cache": PromptCache(key="k", mode="explicit", retention="24h"),
    "safety_identifier": "u",
    "service_tier": "flex",
    "store": True,
    "verbosity": "low",
    "web_search": Raw(b"{}"),
}
"""A request with everything that OpenAI alone has."""


def vendor(name: str, model: str = "m-1", **more: Any) -> TargetModel:
    """A model of a vendor as its profile knows it."""
    profile = profiles()[name]
    known = {**profile.of(model), **more}
    return TargetModel(
        provider=name, model=model, family=profile.family, capabilities=Capabilities(**known)
    )


class Sent:
    """What a provider gets, and the fields that were lost on the way."""

    def __init__(self, request: UnifiedChatRequest, to: TargetModel) -> None:
        self.wire = chat.format_request(request, to)
        self.body: dict[str, Any] = json.loads(self.wire.body)
        self.losses = [warning.loss.field for warning in self.wire.warnings]

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    def only(self) -> dict[str, Any]:
        """The members beside the ones every request has."""
        return {k: v for k, v in self.body.items() if k not in ("model", "messages")}


def send(to: TargetModel, *messages: UnifiedMessage, **fields: Any) -> Sent:
    """A request of a client that speaks another dialect."""
    return Sent(asked(*(messages or (HI,)), **fields), to)


def spoken(*content: Any) -> UnifiedMessage:
    return UnifiedMessage(role="assistant", content=content)


# -- §1: what compatible vendors have in common ----------------------------------------------------

LONG = {"azure", "cerebras", "gemini", "groq", "openai", "vercel"}
"""Those that take the newer name of the output limit."""

VENDORS = sorted(set(profiles()) - {"openai", "azure", "openrouter", "vercel"})


@pytest.mark.parametrize("name", VENDORS)
def test_s1_what_only_openai_has_is_left_out_and_reported(name: str) -> None:
    sent = send(vendor(name), **EXTRAS)
    refused = {"audio", "metadata", "modalities", "moderation", "store", "verbosity"}
    assert not {*refused, "safety_identifier", "web_search_options"} & set(sent.body)
    assert {"audio", "modalities", "moderation", "store", "verbosity"} <= set(sent.losses)
    # The control: OpenAI itself gets all of it, but keeps no translated answer.
    assert send(vendor("openai"), **EXTRAS).losses == ["store"]


@pytest.mark.parametrize("name", VENDORS)
def test_s1_what_changes_nothing_is_no_loss(name: str) -> None:
    neutral = parse(
        store=False, verbosity="medium", modalities=["text"], logit_bias={}, service_tier="auto"
    )
    assert Sent(neutral, vendor(name)).losses == []


@pytest.mark.parametrize("name", [*VENDORS, "vercel"])
def test_s1_developer_becomes_system(name: str) -> None:
    sent = send(vendor(name), UnifiedMessage(role="developer", content=HI.content), HI)
    assert [message["role"] for message in sent.messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (name, "max_tokens" if name not in LONG else "max_completion_tokens")
        for name in sorted(profiles())
    ],
)
def test_s1_the_name_of_the_output_limit(name: str, field: str) -> None:
    assert send(vendor(name), max_tokens=9).only() == {field: 9}


@pytest.mark.parametrize("name", sorted(profiles()))
def test_s1_usage_of_a_stream_is_asked_for_only_where_it_must_be(name: str) -> None:
    unasked = {"groq", "cerebras", "mistral", "together", "perplexity"}
    sent = send(vendor(name), stream=True)
    assert ("stream_options" in sent.body) is (name not in unasked)
    # Nor is a client's own request edited where that is not needed (canonical.md §8).
    own = call({"model": "a", "messages": [ASK], "stream": True})
    passed = chat.passthrough(own, vendor(name))
    assert passed.hide_usage is (name not in unasked)
    assert (b"stream_options" in passed.body) is (name not in unasked)


@pytest.mark.parametrize("name", sorted(profiles()))
def test_s1_pass_through_is_not_edited_by_a_profile(name: str) -> None:
    body = {
        "model": "m-1",
        "messages": [{"role": "developer", "content": "x"}, {**ASK, "odd": 1}],
        "seed": 1,
        "store": True,
        "max_tokens": 1,
        "n": 2,
        "tool_choice": "required",
    }
    assert json.loads(chat.passthrough(call(body), vendor(name)).body) == body


def test_s1_several_system_messages_are_one_where_nothing_is_known() -> None:
    later = UnifiedMessage(role="system", content=(TextContent(text="later"),))
    sent = send(vendor("compatible"), SYSTEM, SYSTEM, HI, later, HI)
    assert [(m["role"], m["content"]) for m in sent.messages] == [
        ("system", "be brief\n\nbe brief"),
        ("user", "hi"),
        ("user", "<system>later</system>"),
        ("user", "hi"),
    ]
    assert set(sent.losses) == {"message.system_mid", "message.system_multi"}


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("stream", [False, True])
def test_s1_free_text_tools_are_functions_there_and_back(name: str, stream: bool) -> None:
    grammar = Raw(b'{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}')
    patch = CustomTool(name="apply.patch", description="d", format=grammar)
    called = ToolCallContent(id="toolu_01", name="apply.patch", arguments="a\nb", kind="custom")
    sent = send(
        vendor(name),
        HI,
        spoken(called),
        RESULT,
        tools=(patch,),
        tool_choice=ToolChoice(mode="custom", name="apply.patch"),
    )
    (tool,) = sent.body["tools"]
    assert (tool["type"], tool["function"]["name"]) == ("function", "apply_patch")
    assert tool["function"]["parameters"]["required"] == ["input"]
    assert tool["function"]["description"].startswith("d\n\nThe input must follow")
    (history,) = sent.messages[1]["tool_calls"]
    assert history["function"] == {"name": "apply_patch", "arguments": '{"input":"a\\nb"}'}
    assert {"tool.custom", "part.tool_call.custom"} <= set(sent.losses)
    arguments = ['{"inp', 'ut": "x\\', 'ny"}']
    if stream:
        chunks = [
            delta(tool_calls=[{"index": 0, "id": "c", "function": {"name": "apply_patch"}}]),
            *(
                delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}])
                for piece in arguments
            ),
            delta(_finish="tool_calls"),
        ]
        found = folded(*chunks, to=sent.wire)
    else:
        whole = {"id": "c", "function": {"name": "apply_patch", "arguments": "".join(arguments)}}
        found = answer(completion({"tool_calls": [whole]}, "tool_calls"), sent.wire)
    assert parts(found) == (
        ToolCallContent(id="c", name="apply.patch", arguments="x\ny", kind="custom"),
    )
    # The control: OpenAI has such tools itself.
    own = send(vendor("openai"), HI, tools=(patch,))
    assert own.body["tools"][0]["type"] == "custom"


def test_s1_a_free_text_call_that_is_no_object_is_its_own_text() -> None:
    sent = send(vendor("groq"), tools=(CustomTool(name="p"),))
    whole = {"id": "c", "function": {"name": "p", "arguments": "not json"}}
    found = answer(completion({"tool_calls": [whole]}, "tool_calls"), sent.wire)
    assert parts(found)[0].arguments == "not json"


# -- §2: DeepSeek ----------------------------------------------------------------------------------

DEEPSEEK = vendor("deepseek")


@pytest.mark.parametrize(
    ("effort", "body", "losses"),
    [
        ("none", {"thinking": {"type": "disabled"}}, []),
        ("minimal", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, True),
        ("low", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}, []),
        ("medium", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, True),
        ("high", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, []),
        ("xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, True),
        ("max", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}, []),
    ],
)
def test_s2_efforts(effort: Any, body: dict[str, Any], losses: Any) -> None:
    sent = send(DEEPSEEK, reasoning=Reasoning(effort=effort))
    assert sent.only() == body
    assert sent.losses == (["reasoning.effort"] if losses is True else [])


def test_s2_a_call_carries_its_reasoning_back_even_when_it_is_empty() -> None:
    thought = ThinkingContent(text="hm")
    sent = send(DEEPSEEK, HI, spoken(thought, CALL), RESULT, spoken(CALL), RESULT, HI)
    assert [m.get("reasoning_content") for m in sent.messages if "tool_calls" in m] == ["hm", ""]
    # The control: a vendor that does not insist gets no empty member.
    other = send(vendor("zai"), HI, spoken(CALL), RESULT)
    assert "reasoning_content" not in other.messages[1]


def test_s2_an_answer_without_a_call_gets_no_empty_reasoning() -> None:
    assert "reasoning_content" not in send(DEEPSEEK, HI, spoken(*HI.content), HI).messages[1]


def test_s2_members_that_it_does_not_have() -> None:
    sent = send(DEEPSEEK, seed=1, top_k=2, min_p=0.1, repetition_penalty=1.1)
    assert sent.only() == {}
    assert set(sent.losses) == {"seed", "top_k", "min_p", "repetition_penalty"}


def test_s2_log_probabilities_only_without_thinking() -> None:
    assert send(DEEPSEEK, logprobs=True, top_logprobs=2).losses == ["logprobs"]
    off = send(DEEPSEEK, logprobs=True, top_logprobs=2, reasoning=Reasoning(effort="none"))
    assert (off.body["logprobs"], off.body["top_logprobs"], off.losses) == (True, 2, [])


def test_s2_a_schema_goes_as_json_mode_with_an_instruction() -> None:
    schema = ResponseFormat(type="json_schema", name="x", schema=Raw(b'{"type":"object"}'))
    sent = send(DEEPSEEK, SYSTEM, HI, response_format=schema)
    assert sent.body["response_format"] == {"type": "json_object"}
    assert "JSON" in sent.messages[1]["content"]
    assert '{"type":"object"}' in sent.messages[1]["content"]
    assert sent.losses == ["response_format.schema"]


def test_s2_strict_tools_only_at_beta() -> None:
    sent = send(DEEPSEEK, tools=(FunctionTool(name="f", strict=True),))
    assert "strict" not in sent.body["tools"][0]["function"]
    assert sent.losses == ["tool.strict"]
    beta = vendor("deepseek", strict_tools=True)
    assert send(beta, tools=(FunctionTool(name="f", strict=True),)).losses == []


def test_s2_usage_counts_cache_hits_apart() -> None:
    usage = {
        "prompt_tokens": 30,
        "completion_tokens": 5,
        "total_tokens": 35,
        "prompt_cache_hit_tokens": 20,
        "prompt_cache_miss_tokens": 10,
    }
    found = answer(completion({"role": "assistant", "content": "x"}, usage=usage)).usage
    assert found is not None
    assert (found.prompt_tokens, found.cache_read_tokens) == (30, 20)


@pytest.mark.parametrize("stream", [False, True])
def test_s2_insufficient_system_resource_is_overloaded(stream: bool) -> None:
    with pytest.raises(PlexusError) as caught:
        if stream:
            folded(delta(content="x"), delta(_finish="insufficient_system_resource"))
        else:
            answer(completion({"content": "x"}, "insufficient_system_resource"))
    assert caught.value.error.kind == "overloaded"


def test_s2_keep_alive_comments_and_blank_lines() -> None:
    raw = b": keep-alive\n\n\n\n" + sse(delta(content="x"), delta(_finish="stop"))
    decoder, parser = chat.decoder(), chat.stream_parser(request_to(DEEPSEEK))
    chunks = [c for frame in decoder.feed(raw) for c in parser.feed(frame)]
    assert chunks
    assert parts(answer(b"\n\n\n" + completion({"content": "x"}))) == (TextContent(text="x"),)


# -- §3: Groq --------------------------------------------------------------------------------------

GROQ = vendor("groq")


def test_s3_members_that_no_model_supports() -> None:
    sent = send(
        GROQ,
        logprobs=True,
        top_logprobs=1,
        logit_bias=Raw(b'{"1":1}'),
        presence_penalty=1.0,
        frequency_penalty=1.0,
    )
    assert sent.only() == {}
    assert set(sent.losses) == {
        "logprobs",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
    }


def test_s3_more_answers_than_one_are_refused() -> None:
    with pytest.raises(PlexusError) as caught:
        send(GROQ, n=2)
    assert caught.value.error.param == "n"
    assert send(vendor("xai"), n=2).body["n"] == 2


def test_s3_limits_of_tools_and_stops() -> None:
    tools = tuple(FunctionTool(name=f"f{number}") for number in range(129))
    assert len(send(GROQ, tools=tools[:128]).body["tools"]) == 128
    with pytest.raises(PlexusError) as caught:
        send(GROQ, tools=tools)
    assert "at most 128 tools" in caught.value.error.message
    assert send(GROQ, stop=tuple("abcde")).body["stop"] == list("abcd")


def test_s3_strange_members_are_stripped() -> None:
    """400 "property … is unsupported": members of messages, parts, tools; markers; $schema."""
    schema = {"$schema": "x", "type": "object", "properties": {"$schema": {"type": "string"}}}
    request = parse(
        messages=[
            {
                "role": "user",
                "odd": 1,
                "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            },
            {"role": "assistant", "content": None, "refusal": "no"},
            {"role": "user", "content": [{"type": "text", "text": "y", "odd": 2}]},
        ],
        tools=[{"type": "function", "function": {"name": "f", "parameters": schema, "odd": 3}}],
    )
    sent = Sent(request, GROQ)
    assert sent.messages == [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "no"},
        {"role": "user", "content": "y"},
    ]
    assert sent.body["tools"][0]["function"] == {
        "name": "f",
        "parameters": {"type": "object", "properties": {"$schema": {"type": "string"}}},
    }
    assert set(sent.losses) == {"message.ext", "part.ext", "tool.ext"}
    # The control: OpenAI gets what its client wrote.
    assert Sent(request, vendor("openai")).losses == []
    assert "odd" in Sent(request, vendor("openai")).messages[0]


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("qwen/qwen3-32b", "none", "none"),
        ("qwen/qwen3-32b", "low", "default"),
        ("qwen/qwen3-32b", "max", "default"),
        ("openai/gpt-oss-120b", "low", "low"),
        ("openai/gpt-oss-120b", "max", "high"),
        ("qwen/qwen3.8-max", "medium", "medium"),
    ],
)
def test_s3_words_for_effort(model: str, effort: Any, sent: str) -> None:
    body = send(vendor("groq", model), reasoning=Reasoning(effort=effort)).body
    assert body["reasoning_effort"] == sent
    assert body.get("reasoning_format") == (None if effort == "none" else "parsed")


def test_s3_thinking_that_nobody_wants_to_read_is_hidden() -> None:
    wanted = Reasoning(effort="low", include=False)
    assert send(GROQ, reasoning=wanted).body["reasoning_format"] == "hidden"
    assert "reasoning_format" not in send(GROQ).body


@pytest.mark.parametrize(
    ("tier", "word"),
    [("standard", "on_demand"), ("flex", "flex"), ("priority", "performance"), ("scale", None)],
)
def test_s3_service_tiers(tier: str, word: str | None) -> None:
    sent = send(GROQ, service_tier=tier)
    assert sent.body.get("service_tier") == word
    assert sent.losses == ([] if word else ["service_tier"])
    assert Sent(parse(service_tier="on_demand"), GROQ).body["service_tier"] == "on_demand"


def test_s3_usage_has_float_seconds_and_comes_in_x_groq() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "queue_time": 0.01}
    end = {**delta(_finish="stop"), "x_groq": {"id": "r", "usage": usage}}
    found = folded(delta(content="x"), end).usage
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == (3, 2)
    assert float(found.ext["openai-chat"]["queue_time"]) == 0.01


def test_s3_x_groq_error_ends_the_stream() -> None:
    with pytest.raises(PlexusError) as caught:
        folded(delta(content="x"), chunk(choices=[], x_groq={"id": "r", "error": "over capacity"}))
    assert caught.value.error.message == "over capacity"


def test_s3_tool_use_failed_is_not_the_clients_fault() -> None:
    body = {"error": {"code": "tool_use_failed", "message": "m", "failed_generation": "<f"}}
    assert chat.parse_error(400, {}, json.dumps(body).encode()).kind == "upstream"
    assert chat.parse_error(498, {}, b'{"error":{"message":"full"}}').kind == "overloaded"


# -- §4: Cerebras ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "effort", "sent", "losses"),
    [
        ("zai-glm-4.7", "none", "none", []),
        ("zai-glm-4.7", "max", "high", ["reasoning.effort"]),
        ("gpt-oss-120b", "none", "low", ["reasoning.off"]),
        ("gpt-oss-120b", "medium", "medium", []),
    ],
)
def test_s4_efforts(model: str, effort: Any, sent: str, losses: list[str]) -> None:
    found = send(vendor("cerebras", model), reasoning=Reasoning(effort=effort))
    assert (found.body["reasoning_effort"], found.losses) == (sent, losses)


def test_s4_glm_gets_its_thinking_back_in_tags() -> None:
    thought = ThinkingContent(text="hm")
    to = vendor("cerebras", "zai-glm-4.7")
    assert send(to, HI, spoken(thought, *HI.content), HI).messages[1] == {
        "role": "assistant",
        "content": "<think>hm</think>hi",
    }
    assert send(to, HI, spoken(thought, CALL), RESULT).messages[1]["content"] == "<think>hm</think>"
    other = send(vendor("cerebras", "gpt-oss-120b"), HI, spoken(thought, *HI.content), HI)
    assert other.messages[1] == {"role": "assistant", "content": "hi", "reasoning": "hm"}


def test_s4_members_that_it_refuses() -> None:
    sent = send(
        vendor("cerebras"),
        presence_penalty=1.0,
        frequency_penalty=1.0,
        logit_bias=Raw(b'{"1":1}'),
        prompt_cache=PromptCache(key="k"),
        service_tier="scale",
    )
    assert sent.only() == {"prompt_cache_key": "k"}
    assert len(sent.losses) == 4


def test_s4_older_models_cannot_be_told_to_call_one_by_one() -> None:
    asking: dict[str, Any] = {"tools": (TOOL,), "parallel_tool_calls": False}
    assert send(vendor("cerebras", "llama-3.3-70b"), **asking).losses == ["parallel_tool_calls"]
    newer = send(vendor("cerebras", "gpt-oss-120b"), **asking)
    assert (newer.body["parallel_tool_calls"], newer.losses) == (False, [])


def test_s4_an_error_in_a_stream_has_its_status_beside_it() -> None:
    with pytest.raises(PlexusError) as caught:
        folded(delta(content="x"), {"error": {"message": "slow"}, "status_code": 429})
    assert caught.value.error.kind == "rate_limit"


def test_s4_the_version_of_the_validation_is_pinned() -> None:
    assert profiles()["cerebras"].headers == {"x-cerebras-version-patch": "2"}


# -- §5: OpenRouter --------------------------------------------------------------------------------

ROUTER = vendor("openrouter")


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (Reasoning(effort="xhigh"), {"effort": "xhigh"}),
        (Reasoning(max_tokens=5000, mode="budget"), {"max_tokens": 5000}),
        (Reasoning(effort="none"), {"enabled": False}),
        (Reasoning(mode="adaptive"), {"enabled": True}),
        (Reasoning(effort="low", include=False), {"effort": "low", "exclude": True}),
        (Reasoning(effort="low", summary="auto"), {"effort": "low", "summary": "auto"}),
    ],
)
def test_s5_thinking_is_an_object_and_loses_nothing(wanted: Reasoning, sent: Any) -> None:
    found = send(ROUTER, reasoning=wanted)
    assert (found.body["reasoning"], found.losses) == (sent, [])
    assert "reasoning_effort" not in found.body


def test_s5_details_go_back_unmodified_and_in_order() -> None:
    details = [
        {"type": "reasoning.text", "text": "a", "signature": "s", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1"},
    ]
    numbered = [{**entry, "index": number} for number, entry in enumerate(details)]
    message = {"role": "assistant", "content": "x", "reasoning_details": numbered}
    sent = Sent(parse(messages=[ASK, message, ASK]), ROUTER)
    assert sent.messages[1]["reasoning_details"] == numbered
    foreign = ThinkingContent(text="hm", proof=Proof("s", "signature", Origin("gemini")))
    assert send(ROUTER, HI, spoken(foreign, *HI.content), HI).losses == []


def test_s5_cache_marks_only_for_claude() -> None:
    marked = UnifiedMessage(
        role="user", content=(TextContent(text="x", cache_control=CacheControl(ttl="1h")),)
    )
    claude = send(vendor("openrouter", "anthropic/claude-haiku-4.5"), marked)
    assert claude.messages[0]["content"] == [
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    assert send(vendor("openrouter", "openai/gpt-4o"), marked).messages[0]["content"] == "x"


def test_s5_errors_in_any_place() -> None:
    error = {"message": "m", "code": 429, "metadata": {"error_type": "rate_limit_exceeded"}}
    for chunks in (
        [delta(content="x"), {**chunk(choices=[]), "error": error}],
        [delta(content="x"), {**delta(_finish="error"), "error": error}],
    ):
        with pytest.raises(PlexusError) as caught:
            folded(*chunks)
        assert caught.value.error.kind == "rate_limit"
    with pytest.raises(PlexusError):
        answer(json.dumps({"error": error, "user_id": "u"}).encode())
    raw = {"error": {"code": 402, "message": "m", "metadata": {"provider_name": "p"}}}
    assert chat.parse_error(402, {}, json.dumps(raw).encode()).kind == "billing"
    moderated = {"error": {"code": 403, "message": "x requires moderation"}}
    assert chat.parse_error(403, {}, json.dumps(moderated).encode()).kind == "content_filter"


def test_s5_comments_keep_the_stream_alive_and_cost_is_kept() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.5}
    raw = b": OPENROUTER PROCESSING\n\n" + sse(
        delta(content="x"), {**delta(_finish="stop"), "usage": usage}
    )
    decoder, parser = chat.decoder(), chat.stream_parser(request_to(ROUTER))
    assert [c for frame in decoder.feed(raw) for c in parser.feed(frame)]
    found = answer(completion({"content": "x"}, usage=usage)).usage
    assert found is not None
    assert bytes(found.ext["openai-chat"]["cost"]) == b"0.5"


def test_s5_attribution() -> None:
    assert profiles()["openrouter"].headers == {"x-title": "Plexus"}


# -- §6: Mistral -----------------------------------------------------------------------------------

MISTRAL = vendor("mistral")


def test_s6_members_have_other_names_or_none() -> None:
    sent = send(
        MISTRAL,
        seed=7,
        user="u",
        logit_bias=Raw(b'{"1":1}'),
        top_k=3,
        repetition_penalty=1.5,
        prediction=Raw(b'{"type":"content","content":"x"}'),
        prompt_cache=PromptCache(key="k"),
        service_tier="standard",
    )
    assert sent.only() == {
        "random_seed": 7,
        "top_k": 3,
        "repetition_penalty": 1.5,
        "prediction": {"type": "content", "content": "x"},
        "prompt_cache_key": "k",
        "service_tier": "standard_only",
    }
    assert set(sent.losses) == {"user", "logit_bias"}


def test_s6_call_ids_are_nine_letters_and_digits() -> None:
    legal = ToolCallContent(id="abcDEF123", name="f", arguments="{}")
    sent = send(MISTRAL, HI, spoken(CALL, legal), RESULT)
    first, second = (call["id"] for call in sent.messages[1]["tool_calls"])
    assert (len(first), first.isalnum(), second) == (9, True, "abcDEF123")
    assert sent.messages[2]["tool_call_id"] == first
    # The same id every time: a cached prompt stays the same.
    assert send(MISTRAL, HI, spoken(CALL, legal), RESULT).wire.body == sent.wire.body
    assert send(vendor("xai"), HI, spoken(CALL), RESULT).messages[2]["tool_call_id"] == "toolu_01"


def test_s6_tool_choices() -> None:
    tools = (TOOL, FunctionTool(name="g"))
    for mode in ("auto", "none", "required"):
        sent = send(MISTRAL, tools=tools, tool_choice=ToolChoice(mode=mode))  # type: ignore[arg-type]
        assert (sent.body["tool_choice"], sent.losses) == (mode, [])
    only = ToolChoice(mode="allowed", names=("g",), forced=True)
    sent = send(MISTRAL, tools=tools, tool_choice=only)
    assert [tool["function"]["name"] for tool in sent.body["tools"]] == ["g"]
    assert (sent.body["tool_choice"], sent.losses) == ("required", ["tool_choice.allowed"])


def test_s6_thinking_goes_back_as_a_chunk_of_the_content() -> None:
    sent = send(MISTRAL, HI, spoken(ThinkingContent(text="hm"), *HI.content), HI)
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True}
    assert sent.messages[1]["content"] == [thought, {"type": "text", "text": "hi"}]


def test_s6_chunks_of_content_are_read_in_answers_and_deltas() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    content = [thought, {"type": "text", "text": "hi"}]
    expected = (ThinkingContent(text="hm"), TextContent(text="hi"))
    assert parts(answer(completion({"content": content}), request_to(MISTRAL))) == expected
    stream = folded(delta(content=[thought]), delta(content="hi"), delta(_finish="stop"))
    assert parts(stream) == expected


def test_s6_arguments_may_be_an_object_and_the_window_full() -> None:
    wire_call = {"id": "abcDEF123", "function": {"name": "f", "arguments": {"a": 1}}}
    found = parts(answer(completion({"content": "", "tool_calls": [wire_call]}, "tool_calls")))
    assert found == (ToolCallContent(id="abcDEF123", name="f", arguments='{"a": 1}'),)
    full = answer(completion({"content": "x"}, "model_length"))
    assert full.choices[0].finish.reason == "context_window"


def test_s6_a_prefill_says_prefix_and_is_not_repeated() -> None:
    sent = send(MISTRAL, HI, spoken(TextContent(text="Once upon")))
    assert sent.messages[1] == {"role": "assistant", "content": "Once upon", "prefix": True}
    assert sent.losses == []
    for pieces in (["Once upon a time"], ["On", "ce upo", "n a", " time"]):
        chunks = [delta(content=piece) for piece in pieces]
        found = folded(*chunks, delta(_finish="stop"), to=sent.wire)
        assert parts(found) == (TextContent(text=" a time"),)
    # A model that goes on without it, or stops inside it, loses nothing.
    for text in (" a time", "Once"):
        assert parts(folded(delta(content=text), delta(_finish="stop"), to=sent.wire)) == (
            TextContent(text=text),
        )


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (
            422,
            {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
            "invalid_request",
            "body.seed: Extra inputs are not permitted",
        ),
        (
            400,
            {"object": "error", "message": "no", "type": "t", "param": None, "code": "3051"},
            "invalid_request",
            "no",
        ),
        (401, {"message": "Unauthorized"}, "upstream", None),
    ],
)
def test_s6_error_shapes(status: int, body: Any, kind: str, message: str | None) -> None:
    error = chat.parse_error(status, {}, json.dumps(body).encode())
    assert error.kind == kind
    assert message is None or error.message == message


# -- §7: xAI ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "effort", "sent", "losses"),
    [
        ("grok-3-mini", "medium", "low", ["reasoning.effort"]),
        ("grok-3-mini", "high", "high", []),
        ("grok-4.3", "none", "none", []),
        ("grok-4.5", "none", "low", ["reasoning.off"]),
        ("grok-4.20-reasoning", "high", None, ["reasoning"]),
        ("grok-4.20-non-reasoning", "high", None, ["reasoning"]),
        ("grok-4.20-non-reasoning", "none", None, []),
    ],
)
def test_s7_efforts(model: str, effort: Any, sent: str | None, losses: list[str]) -> None:
    found = send(vendor("xai", model), reasoning=Reasoning(effort=effort))
    assert (found.body.get("reasoning_effort"), found.losses) == (sent, losses)


def test_s7_reasoning_models_refuse_penalties_and_stops() -> None:
    asking: dict[str, Any] = {"presence_penalty": 1.0, "frequency_penalty": 1.0, "stop": ("x",)}
    sent = send(vendor("xai", "grok-4.5"), **asking)
    assert sent.only() == {}
    assert set(sent.losses) == {"presence_penalty", "frequency_penalty", "stop"}
    plain = send(vendor("xai", "grok-4-fast-non-reasoning"), **asking)
    assert plain.only() == {"presence_penalty": 1.0, "frequency_penalty": 1.0, "stop": ["x"]}


def test_s7_keywords_of_schemas() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "minLength": {"type": "string", "minLength": 1, "enum": ["maxItems"]},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    tool = FunctionTool(name="f", parameters=Raw(json.dumps(schema).encode()))
    sent = send(vendor("xai"), tools=(tool,))
    assert sent.body["tools"][0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "minLength": {"type": "string", "enum": ["maxItems"]},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    assert sent.losses == ["tool.schema"]


def test_s7_usage_excludes_reasoning_and_sometimes_the_cache() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 45,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 30},
        "cost_in_usd_ticks": 12,
    }
    found = answer(completion({"content": "x"}, usage=usage)).usage
    assert found is not None
    assert (found.completion_tokens, found.reasoning_tokens, found.total_tokens) == (35, 30, 45)
    outside = {**usage, "prompt_tokens_details": {"cached_tokens": 40}}
    found = answer(completion({"content": "x"}, usage=outside)).usage
    assert found is not None
    assert (found.prompt_tokens, found.cache_read_tokens) == (50, 40)


def test_s7_a_call_comes_whole_and_a_blocked_prompt_is_a_403() -> None:
    whole = {"id": "c", "index": 0, "function": {"name": "f", "arguments": '{"a":1}'}}
    found = folded(delta(tool_calls=[whole]), delta(_finish="tool_calls"))
    assert parts(found) == (ToolCallContent(id="c", name="f", arguments='{"a":1}'),)
    said = {"code": "x", "error": "Content violates usage guidelines."}
    assert chat.parse_error(403, {}, json.dumps(said).encode()).kind == "content_filter"


# -- §8: Together ----------------------------------------------------------------------------------

TOGETHER = vendor("together")


def test_s8_log_probabilities_are_a_number() -> None:
    assert send(TOGETHER, logprobs=True, top_logprobs=3).only() == {"logprobs": 3}
    assert send(TOGETHER, logprobs=True).only() == {"logprobs": 1}
    assert send(TOGETHER, logprobs=False).only() == {"logprobs": 0}


def test_s8_thinking_is_a_switch_and_an_effort() -> None:
    sent = send(TOGETHER, reasoning=Reasoning(effort="low"))
    assert sent.only() == {"reasoning": {"enabled": True}, "reasoning_effort": "low"}
    off = send(TOGETHER, reasoning=Reasoning(effort="none"))
    assert (off.only(), off.losses) == ({"reasoning": {"enabled": False}}, [])


def test_s8_own_members_finish_and_errors() -> None:
    sent = send(TOGETHER, repetition_penalty=1.2, min_p=0.1, top_k=5)
    assert (sent.only(), sent.losses) == (
        {"repetition_penalty": 1.2, "min_p": 0.1, "top_k": 5},
        [],
    )
    assert answer(completion({"content": "x"}, "eos")).choices[0].finish.reason == "stop"
    assert chat.parse_error(400, {}, b'{"detail":"no"}').message == "no"


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_s8_reasoning_in_either_field(field: str) -> None:
    body = completion({"content": "x", field: "hm"})
    found = parts(answer(body, request_to(TOGETHER)))
    assert found == (ThinkingContent(text="hm"), TextContent(text="x"))


# -- §9: Vercel ------------------------------------------------------------------------------------


def test_s9_thinking_and_cache_marks() -> None:
    marked = UnifiedMessage(
        role="user", content=(TextContent(text="x", cache_control=CacheControl()),)
    )
    claude = send(
        vendor("vercel", "anthropic/claude-sonnet-4"), marked, reasoning=Reasoning(max_tokens=2048)
    )
    assert claude.body["reasoning"] == {"max_tokens": 2048}
    assert "cache_control" in claude.messages[0]["content"][0]
    # Not even a chat client's own mark goes to another vendor's model.
    own = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]
    native = parse(messages=[{"role": "user", "content": own}])
    assert Sent(native, vendor("vercel", "openai/gpt-4o")).messages[0]["content"] == "x"


# -- §10: Azure ------------------------------------------------------------------------------------

AZURE = vendor("azure")


def test_s10_what_it_lags_behind() -> None:
    cache = PromptCache(key="k", mode="explicit")
    sent = send(AZURE, verbosity="low", prompt_cache=cache)
    assert sent.only() == {"prompt_cache_key": "k"}
    assert sent.losses == ["verbosity"]


def test_s10_long_descriptions_are_cut() -> None:
    sent = send(AZURE, tools=(FunctionTool(name="f", description="x" * 1025),))
    assert len(sent.body["tools"][0]["function"]["description"]) == 1024
    assert sent.losses == ["tool.description"]
    assert send(AZURE, tools=(FunctionTool(name="f", description="x" * 1024),)).losses == []


def test_s10_the_first_chunk_has_no_choices_and_deltas_may_be_null() -> None:
    found = folded(
        chunk(choices=[], prompt_filter_results=[{"prompt_index": 0}], id="", model=""),
        delta(content="x"),
        chunk(choices=[{"index": 0, "delta": None, "content_filter_results": {}}]),
        delta(_finish="stop"),
        chunk(choices=[{"index": 0, "delta": {}, "content_filter_offsets": {}}]),
    )
    assert parts(found) == (TextContent(text="x"),)
    assert found.id == "chatcmpl-1"


def test_s10_a_blocked_prompt_and_a_missing_deployment() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}
    blocked = {"error": {"code": "content_filter", "message": "m", "innererror": inner}}
    assert chat.parse_error(400, {}, json.dumps(blocked).encode()).kind == "content_filter"
    missing = {"error": {"code": "DeploymentNotFound", "message": "m"}}
    assert chat.parse_error(404, {}, json.dumps(missing).encode()).kind == "not_found"
    wait = chat.parse_error(429, {"retry-after": "3", "retry-after-ms": "250"}, b"{}")
    assert wait.retry_after == 0.25
    assert answer(completion({"content": "x"}, "content_filter")).choices[0].finish.reason == (
        "content_filter"
    )


def test_s10_mistral_s_models_have_their_own_output_limit() -> None:
    assert send(vendor("azure", "my-mistral-large"), max_tokens=9).only() == {"max_tokens": 9}
    assert send(AZURE, max_tokens=9).only() == {"max_completion_tokens": 9}


# -- §11: Gemini's endpoint for OpenAI's clients ---------------------------------------------------

GEMINI = vendor("gemini")


def test_s11_signatures_come_and_go_back_with_their_call() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    wire_call = {"id": "c1", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}
    found = folded(delta(tool_calls=[wire_call]), delta(_finish="stop"), to=request_to(GEMINI))
    (called,) = parts(found)
    assert called.proof == Proof("c2ln", "signature", Origin("gemini", "gemini", "m-1"))
    assert found.choices[0].finish.reason == "tool_calls"
    result = UnifiedMessage(
        role="tool", content=(ToolResultContent(tool_call_id="c1", content=HI.content),)
    )
    sent = send(GEMINI, HI, spoken(called), result)
    assert sent.messages[1]["tool_calls"][0]["extra_content"] == extra
    # The control: no other family gets it.
    other = send(vendor("openai"), HI, spoken(called), result)
    assert "extra_content" not in other.messages[1]["tool_calls"][0]


def test_s11_errors_are_a_list() -> None:
    body = b'[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]'
    assert chat.parse_error(400, {}, body).message == "no"


# -- §12: Ollama -----------------------------------------------------------------------------------

OLLAMA = vendor("ollama")


def test_s12_members_that_it_does_not_have() -> None:
    strict = FunctionTool(name="f", strict=True)
    sent = send(OLLAMA, logit_bias=Raw(b'{"1":1}'), user="u", tools=(strict,))
    assert set(sent.only()) == {"tools"}
    assert set(sent.losses) == {"logit_bias", "user", "tool.strict"}
    with pytest.raises(PlexusError):
        send(OLLAMA, n=2)


def test_s12_tool_choice_is_not_sent() -> None:
    forced = send(OLLAMA, tools=(TOOL,), tool_choice=ToolChoice(mode="required"))
    assert "tool_choice" not in forced.body
    assert forced.losses == ["tool_choice.forced"]
    auto = send(OLLAMA, tools=(TOOL,), tool_choice=ToolChoice(mode="auto"))
    assert ("tool_choice" in auto.body, auto.losses) == (False, [])
    never = send(OLLAMA, tools=(TOOL,), tool_choice=ToolChoice(mode="none"))
    assert ("tools" in never.body, never.losses) == (False, ["tool_choice.none"])


@pytest.mark.parametrize(("effort", "sent"), [("none", "none"), ("max", "high"), ("low", "low")])
def test_s12_efforts(effort: Any, sent: str) -> None:
    assert send(OLLAMA, reasoning=Reasoning(effort=effort)).body["reasoning_effort"] == sent


def test_s12_an_unknown_model_is_not_found_and_calls_end_in_stop() -> None:
    body = b'{"error":{"message":"model x not found","type":"not_found_error"}}'
    assert chat.parse_error(404, {}, body).kind == "not_found"
    wire_call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    found = answer(completion({"content": "", "tool_calls": [wire_call]}, "stop"))
    assert found.choices[0].finish.reason == "tool_calls"


# -- §13: vLLM, SGLang, llama.cpp ------------------------------------------------------------------

VLLM = vendor("vllm")


def test_s13_reasoning_is_read_from_both_fields_and_sent_in_both() -> None:
    sent = send(VLLM, HI, spoken(ThinkingContent(text="hm"), *HI.content), HI)
    assert (sent.messages[1]["reasoning"], sent.messages[1]["reasoning_content"]) == ("hm", "hm")
    for field in ("reasoning", "reasoning_content"):
        found = folded(delta(**{field: "hm"}), delta(content="x"), delta(_finish="stop"))
        assert parts(found)[0] == ThinkingContent(text="hm")


@pytest.mark.parametrize("name", ["vllm", "sglang", "llama.cpp"])
def test_s13_thinking_is_a_switch_of_the_chat_template(name: str) -> None:
    sent = send(vendor(name), reasoning=Reasoning(effort="none"))
    assert sent.only() == {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}
    on = send(vendor(name), reasoning=Reasoning(effort="high"))
    assert on.body["chat_template_kwargs"] == {"enable_thinking": True, "thinking": True}
    assert on.losses == ["reasoning.effort"]
    oss = send(vendor(name, "openai/gpt-oss-20b"), reasoning=Reasoning(effort="high"))
    assert (oss.only(), oss.losses) == ({"reasoning_effort": "high"}, [])


@pytest.mark.parametrize("name", ["vllm", "sglang", "llama.cpp", "lm-studio"])
def test_s13_templates_allow_one_system_message_first(name: str) -> None:
    sent = send(vendor(name), SYSTEM, SYSTEM, HI, SYSTEM, HI)
    assert [message["role"] for message in sent.messages] == ["system", "user", "user", "user"]
    assert sent.messages[2]["content"] == "<system>be brief</system>"


def test_s13_an_instruction_joins_the_one_system_message() -> None:
    to = vendor("vllm", json_schema=False)
    schema = ResponseFormat(type="json_schema", schema=Raw(b"{}"))
    sent = send(to, SYSTEM, HI, response_format=schema)
    assert [message["role"] for message in sent.messages] == ["system", "user"]
    assert sent.messages[0]["content"].startswith("be brief\n\nAnswer with one JSON object")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("vllm", "Qwen/Qwen3-Coder-480B"),
        ("vllm", "openai/gpt-oss-20b"),
        ("vllm", "moonshotai/Kimi-K2"),
        ("moonshot", "kimi-k3"),
        ("qwen", "qwen3-coder-plus"),
    ],
)
def test_s13_models_without_required(name: str, model: str) -> None:
    to = vendor(name, model)
    sent = send(to, tools=(TOOL,), tool_choice=ToolChoice(mode="required"))
    assert (sent.body["tool_choice"], sent.losses) == ("auto", ["tool_choice.forced"])
    one = send(to, tools=(TOOL,), tool_choice=ToolChoice(mode="function", name="f"))
    assert one.losses == []
    wire = request_to(to)
    blank = folded(delta(content="\n\n"), delta(content=" x"), delta(_finish="stop"), to=wire)
    assert parts(blank) == (TextContent(text="x"),)
    wire_call = {"id": "c", "index": 0, "function": {"name": "f", "arguments": "{}"}}
    called = folded(delta(content="\n"), delta(tool_calls=[wire_call]), delta(_finish="x"), to=wire)
    assert parts(called) == (ToolCallContent(id="c", name="f", arguments="{}"),)


def test_s13_the_stop_sequence_is_named_and_empty_chunks_are_skipped() -> None:
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}
    found = folded(delta(content="x"), chunk(choices=None), chunk(choices=[choice]))
    assert found.choices[0].finish.stop_sequence == "END"
    token = {**choice, "stop_reason": 151643}
    assert folded(delta(content="x"), chunk(choices=[token])).choices[0].finish.reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_s13_harmony_marks_in_a_name_are_a_malformed_call(stream: bool) -> None:
    name = "f<|channel|>commentary"
    wire_call = {"id": "c", "index": 0, "function": {"name": name, "arguments": "{}"}}
    with pytest.raises(PlexusError) as caught:
        if stream:
            folded(delta(tool_calls=[wire_call]), delta(_finish="tool_calls"))
        else:
            answer(completion({"content": None, "tool_calls": [wire_call]}, "tool_calls"))
    assert (caught.value.error.kind, caught.value.error.code) == ("upstream", "malformed_tool_call")


# -- other vendors of §1 ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["moonshot", "zai"])
def test_s1_thinking_with_a_type(name: str) -> None:
    assert send(vendor(name), reasoning=Reasoning(mode="adaptive")).only() == {
        "thinking": {"type": "enabled"}
    }
    off = send(vendor(name), reasoning=Reasoning(enabled=False))
    assert (off.only(), off.losses) == ({"thinking": {"type": "disabled"}}, [])
    effort = send(vendor(name), reasoning=Reasoning(effort="low"))
    assert (effort.only(), effort.losses) == (
        {"thinking": {"type": "enabled"}},
        ["reasoning.effort"],
    )


def test_s1_qwen_has_a_switch_and_a_budget() -> None:
    qwen = vendor("qwen")
    sent = send(qwen, reasoning=Reasoning(max_tokens=5000, mode="budget"))
    assert (sent.only(), sent.losses) == ({"enable_thinking": True, "thinking_budget": 5000}, [])
    assert send(qwen, reasoning=Reasoning(effort="none")).only() == {"enable_thinking": False}


@pytest.mark.parametrize("name", ["perplexity", "huggingface", "compatible"])
def test_s1_thinking_is_not_replayed_where_nobody_said_that_it_may(name: str) -> None:
    sent = send(vendor(name), HI, spoken(ThinkingContent(text="hm"), *HI.content), HI)
    assert (sent.messages[1], sent.losses) == (
        {"role": "assistant", "content": "hi"},
        ["part.thinking"],
    )


def test_s1_the_client_s_own_form_for_its_vendor_is_kept() -> None:
    """A chat client that writes a vendor's own switch knows what it does."""
    sent = Sent(parse(thinking={"type": "enabled", "x": 1}), vendor("zai"))
    assert sent.body["thinking"] == {"type": "enabled", "x": 1}


# -- openai-chat.md §7: OpenAI's own models --------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "reasoning", "sampled"),
    [
        ("gpt-4.1", None, True),
        ("o4-mini", None, False),
        ("gpt-5-mini", None, False),
        ("gpt-5.2", None, True),
        ("gpt-5.2", "low", False),
        ("gpt-5.6", None, False),
        ("gpt-5.6", "none", True),
        ("gpt-6-astra", "low", False),
    ],
)
def test_sampling_beside_thinking(model: str, reasoning: Any, sampled: bool) -> None:
    wanted = None if reasoning is None else Reasoning(effort=reasoning)
    sent = send(vendor("openai", model), temperature=0.5, reasoning=wanted)
    assert ("temperature" in sent.body) is sampled
    assert ("temperature" in sent.losses) is not sampled


def test_the_defaults_of_sampling_are_no_loss() -> None:
    for model in ("o4-mini", "gpt-5.6"):
        sent = send(vendor("openai", model), temperature=1.0, top_p=1.0, logprobs=False)
        assert (sent.only(), sent.losses) == ({}, [])


@pytest.mark.parametrize(
    ("model", "reasoning", "effort", "losses"),
    [
        ("gpt-5.2", "low", "low", []),
        ("gpt-5.4-mini", "low", "none", ["reasoning.tools"]),
        ("gpt-5.4-mini", None, None, []),
        ("gpt-5.5", "high", "none", ["reasoning.tools"]),
        ("gpt-5.5", None, None, []),
        ("gpt-5.6", None, "none", ["reasoning.tools"]),
        ("gpt-5.6", "high", "none", ["reasoning.tools"]),
        ("gpt-5.6", "none", "none", []),
        ("gpt-6-sol", None, "none", ["reasoning.tools"]),
    ],
)
def test_thinking_beside_tools(model: str, reasoning: Any, effort: Any, losses: Any) -> None:
    wanted = None if reasoning is None else Reasoning(effort=reasoning)
    sent = send(vendor("openai", model), tools=(TOOL,), reasoning=wanted)
    assert (sent.body.get("reasoning_effort"), sent.losses) == (effort, losses)


@pytest.mark.parametrize("model", ["gpt-6-astra", "gpt-6.1-sol", "gpt-5.5-pro", "gpt-5.1-codex"])
def test_no_tools_beside_thinking_that_never_ends(model: str) -> None:
    """There is no way out in chat: another target may be asked (openai-chat.md §7)."""
    with pytest.raises(PlexusError) as caught:
        send(vendor("openai", model), tools=(TOOL,))
    assert (caught.value.error.kind, caught.value.error.param) == ("unsupported", "tools")
    assert send(vendor("openai", model)).losses == []


# -- §14: reasoning inside the content -------------------------------------------------------------


def tagged(text: str, size: int, **tags: Any) -> UnifiedChatResponse:
    """A stream of ``text`` in pieces of ``size`` characters."""
    wire = request_to(vendor("vllm", **tags))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return folded(*(delta(content=piece) for piece in pieces), delta(_finish="stop"), to=wire)


THINK = ("<think>", "</think>")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("<think>\nhm</think>\n\nhi", THINK, ("hm", "hi")),
        ("\n<think>a<b</thin</think>x", THINK, ("a<b</thin", "x")),
        ("hi <think>no</think>", THINK, ("", "hi <think>no</think>")),
        ("<thin ice", THINK, ("", "<thin ice")),
        ("<think>never closed", THINK, ("never closed", "")),
        ("hm</think>hi", ("", "</think>"), ("hm", "hi")),
        ("<think>hm</think>hi", ("", "</think>"), ("hm", "hi")),
        ("<think>a</think>b</think>c", THINK, ("a", "b</think>c")),
        ("[T]hm[/T]hi", ("[T]", "[/T]"), ("hm", "hi")),
    ],
)
def test_s14_tags(size: int, text: str, tags: Any, expected: tuple[str, str]) -> None:
    found = parts(tagged(text, size, think_tags=tags))
    thought = "".join(part.text for part in found if isinstance(part, ThinkingContent))
    said = "".join(part.text for part in found if isinstance(part, TextContent))
    assert (thought, said) == expected


def test_s14_a_call_ends_what_was_held_back() -> None:
    wire = request_to(vendor("vllm", think_tags=THINK))
    wire_call = {"id": "c", "index": 0, "function": {"name": "f", "arguments": "{}"}}
    found = folded(
        delta(content="<think>hm</th"),
        delta(tool_calls=[wire_call]),
        delta(_finish="stop"),
        to=wire,
    )
    assert parts(found)[0] == ThinkingContent(text="hm</th")


def test_s14_without_the_option_tags_are_text() -> None:
    assert parts(tagged("<think>hm</think>hi", 100)) == (TextContent(text="<think>hm</think>hi"),)


def test_s14_only_marks_are_held_back() -> None:
    """Never more than a mark is long (≤ len(tag) - 1 characters), and the blank before it."""
    wire = request_to(vendor("vllm", think_tags=THINK))
    parser, decoder = chat.stream_parser(wire), chat.decoder()
    sent = shown = ""
    for letter in "<think>a < b </thi c</think>d <e":
        sent += letter
        for frame in decoder.feed(sse(delta(content=letter), done=False)):
            for found in parser.feed(frame):
                shown += getattr(found, "value", "") or ""
        plain = sent.replace("<think>", "").replace("</think>", "")
        assert len(plain) - len(shown) <= len("</think>")


# -- what no vendor's data may say -----------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(profiles()))
def test_a_plain_request_loses_nothing(name: str) -> None:
    """Text, system, tools with their results, images, sampling: the daily bread of every client."""
    image = ImageContent(source=MediaSource("base64", data="AAAA", media_type="image/png"))
    sent = send(
        vendor(name),
        SYSTEM,
        UnifiedMessage(role="user", content=(*HI.content, image)),
        spoken(*HI.content, CALL),
        RESULT,
        HI,
        tools=(TOOL,),
        max_tokens=100,
        temperature=0.5,
        stop=("x",),
        stream=True,
    )
    assert sent.losses == []
    assert [message["role"] for message in sent.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "user",
    ]


@pytest.mark.parametrize("name", sorted(profiles()))
def test_refusals_of_the_client_s_own_history_stay_readable(name: str) -> None:
    sent = send(vendor(name), HI, spoken(RefusalContent(text="no")), HI)
    message = sent.messages[1]
    assert "no" in (message.get("refusal"), message["content"])


@pytest.mark.parametrize("name", sorted(profiles()))
def test_every_profile_reads_a_plain_stream(name: str) -> None:
    chunks = read(
        delta(role="assistant", content=""),
        delta(content="x"),
        delta(_finish="stop"),
        to=request_to(vendor(name)),
    )
    assert chunks[-1] is not None
