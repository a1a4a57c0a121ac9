"""What a provider gets, field by field (mappings.md §2, §6, §7, §10)."""

import json
from typing import Any

import pytest
from msgspec import Raw

from plexus.transformers import anthropic_messages as dialect
from plexus.unified.content import CacheControl
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    FunctionTool,
    PromptCache,
    Reasoning,
    ResponseFormat,
    Source,
    UnifiedChatRequest,
)
from tests.transformers.anthropic_messages.support import (
    FOREIGN,
    NAME,
    OWN,
    call,
    losses,
    message,
    parse,
    raw,
    request,
    sent,
    target,
)


def test_smallest_request() -> None:
    found = dialect.format_request(request(), target())
    assert found.path == "/messages"
    assert found.headers == (("anthropic-version", "2023-06-01"),)
    assert found.warnings == ()
    assert json.loads(found.body) == {
        "model": "claude",
        "max_tokens": 16000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_T19_equal_input_gives_equal_bytes() -> None:
    def once() -> bytes:
        tools = tuple(FunctionTool(name=f"weird name {n}") for n in range(5))
        asked = request(message("system", "s"), message("user", "hi"), tools=tools, stop=("a", "b"))
        return dialect.format_request(asked, target()).body

    assert once() == once()


@pytest.mark.parametrize(
    ("wanted", "stream", "capabilities", "expected"),
    [
        (None, False, {}, 16000),
        (None, True, {}, 32000),
        (None, True, {"max_output_tokens": 8192}, 8192),
        (None, False, {"max_output_tokens": 64000}, 16000),
        (None, True, {"max_output_tokens": 64000}, 32000),
        (None, False, {"default_max_tokens": 20000}, 20000),
        (5, False, {}, 5),
        (100000, True, {"max_output_tokens": 64000}, 64000),
    ],
)
def test_T03_max_tokens(
    wanted: int | None, stream: bool, capabilities: dict[str, int], expected: int
) -> None:
    assert sent(request(max_tokens=wanted, stream=stream), **capabilities)["max_tokens"] == expected


def test_T04_zero_warms_the_cache_of_an_own_client_only() -> None:
    assert sent(parse(max_tokens=0))["max_tokens"] == 0
    with pytest.raises(PlexusError) as problem:
        sent(request(max_tokens=0))
    assert problem.value.error.param == "max_tokens"


def test_T02_sampling_goes_only_to_models_that_take_it() -> None:
    asked = request(temperature=0, top_p=0.9, top_k=5)
    assert not {"temperature", "top_p", "top_k"} & set(sent(asked))
    assert losses(asked) == ["temperature", "top_p", "top_k"]
    full = sent(asked, sampling="full")
    assert (full["temperature"], full["top_p"], full["top_k"]) == (0, 0.9, 5)
    assert losses(asked, sampling="full") == []


def test_temperature_is_cut_and_never_scaled() -> None:
    asked = request(temperature=1.5)
    assert sent(asked, sampling="full")["temperature"] == 1
    assert losses(asked, sampling="full") == ["temperature.range"]
    assert sent(asked, sampling="full", temperature_max=2.0)["temperature"] == 1.5


def test_no_sampling_beside_thinking() -> None:
    asked = request(temperature=0.5, top_p=0.97, reasoning=Reasoning(effort="high"))
    found = sent(asked, sampling="full")
    assert "temperature" not in found
    assert found["top_p"] == 0.97


def test_own_client_keeps_sampling_for_an_unknown_model() -> None:
    found = sent(parse(temperature=0.2, top_p=0.3, top_k=4))
    assert (found["temperature"], found["top_p"], found["top_k"]) == (0.2, 0.3, 4)


def test_blank_stops_are_left_out() -> None:
    asked = request(stop=("END", " ", "\n"))
    assert sent(asked)["stop_sequences"] == ["END"]
    assert losses(asked) == ["stop.blank"]
    assert "stop_sequences" not in sent(request(stop=(" ",)))


def test_user_id() -> None:
    assert sent(request(user="u1"))["metadata"] == {"user_id": "u1"}
    assert sent(request(user="u1", safety_identifier="s1"))["metadata"] == {"user_id": "s1"}
    for personal in ("x" * 129, "jane@example.org", "+1 (555) 010-9999"):
        found = sent(request(user=personal))["metadata"]["user_id"]
        assert len(found) == 32 and found != personal
        assert losses(request(user=personal)) == ["user"]
    assert sent(parse(metadata={"user_id": "x" * 200}))["metadata"] == {"user_id": "x" * 200}


@pytest.mark.parametrize(
    ("tier", "expected", "warned"),
    [
        ("auto", "auto", []),
        ("standard", "standard_only", []),
        ("default", "standard_only", []),
        ("priority", "auto", ["service_tier"]),
        ("flex", None, ["service_tier"]),
    ],
)
def test_service_tier(tier: str, expected: str | None, warned: list[str]) -> None:
    asked = request(service_tier=tier)
    assert sent(asked).get("service_tier") == expected
    assert losses(asked) == warned


SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 3}, "s": {"type": "string"}},
    "required": ["n"],
}


def test_json_schema() -> None:
    asked = request(response_format=ResponseFormat(type="json_schema", schema=raw(SCHEMA)))
    found = sent(asked)["output_config"]["format"]
    assert found == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "description": "{minimum: 3}"},
                "s": {"type": "string"},
            },
            "required": ["n"],
            "additionalProperties": False,
        },
    }
    assert losses(asked) == ["response_format.schema"]


def test_a_schema_whose_format_is_no_word() -> None:
    schema = {"type": "object", "properties": {}, "format": {"any": "thing"}}
    asked = request(response_format=ResponseFormat(type="json_schema", schema=raw(schema)))
    assert losses(asked) == ["response_format.schema"]


def test_json_schema_of_an_own_client_is_verbatim() -> None:
    body = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    assert sent(parse(**body))["output_config"] == body["output_config"]


def test_json_schema_by_forced_tool() -> None:
    asked = request(response_format=ResponseFormat(type="json_schema", schema=raw(SCHEMA)))
    wire = dialect.format_request(asked, target(json_schema=False))
    found = json.loads(wire.body)
    assert wire.structured_tool == "structured_output"
    assert found["tools"] == [{"name": "structured_output", "input_schema": SCHEMA}]
    assert found["tool_choice"] == {"type": "tool", "name": "structured_output"}
    taken = request(
        tools=(FunctionTool(name="structured_output"),),
        response_format=ResponseFormat(type="json_schema", schema=raw(SCHEMA)),
    )
    wire = dialect.format_request(taken, target(json_schema=False))
    assert wire.structured_tool == "structured_output_"
    assert json.loads(wire.body)["tool_choice"] == {"type": "any"}


def test_json_object_is_an_instruction() -> None:
    asked = request(
        message("system", "be kind"),
        message("user", "hi"),
        response_format=ResponseFormat(type="json_object"),
    )
    system = sent(asked)["system"]
    assert system[0]["text"] == "be kind"
    assert "JSON object" in system[1]["text"]


def test_fields_only_an_own_client_can_mean() -> None:
    body: dict[str, Any] = {
        "container": "c",
        "context_management": {"edits": []},
        "mcp_servers": [{"url": "u"}],
        "inference_geo": "eu",
        "speed": "fast",
        "safeguards": {"x": 1},
        "diagnostics": {"previous_message_id": None},
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "output_config": {"effort": "low", "task_budget": {"n": 1}},
        "metadata": {"user_id": "u", "more": 1},
    }
    found = sent(parse(**body))
    assert {name: found.get(name) for name in body} == body


def test_nothing_anthropic_does_not_know_is_sent() -> None:
    asked = request(
        seed=1,
        frequency_penalty=1.0,
        presence_penalty=1.0,
        repetition_penalty=2.0,
        min_p=0.1,
        logit_bias=raw({"1": 1}),
        logprobs=True,
        top_logprobs=2,
        verbosity="high",
        prediction=raw({}),
        moderation=raw({}),
        max_tool_calls=1,
        store=True,
        metadata={"a": "b"},
        safety_settings=raw([]),
        truncation="auto",
        include=("x",),
        speed="fast",
        region="eu",
        container=raw("c"),
        context_management=raw({}),
        mcp_servers=raw([]),
        prompt_cache=PromptCache(key="k"),
        modalities=("text",),
        extra={"openai-chat": {"future": raw(1)}},
    )
    assert set(sent(asked)) == {"model", "max_tokens", "messages"}
    assert set(losses(asked)) >= {"seed", "extra", "logprobs", "verbosity", "container"}


def test_neutral_values_are_no_loss() -> None:
    asked = request(frequency_penalty=0, presence_penalty=0, logprobs=False, verbosity="medium")
    assert losses(asked) == []


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        (request(n=2), "n"),
        (request(modalities=("text", "audio")), "modalities"),
        (request(server_state={"previous_response_id": raw("r")}), "previous_response_id"),
        (request(response_format=ResponseFormat(type="grammar")), "response_format"),
    ],
    ids=["n", "audio", "state", "grammar"],
)
def test_refused(asked: UnifiedChatRequest, param: str) -> None:
    with pytest.raises(PlexusError) as problem:
        sent(asked)
    assert (problem.value.error.http_status, problem.value.error.param) == (400, param)


def test_headers_of_an_own_client() -> None:
    source = Source(
        dialect=NAME,
        headers={
            "anthropic-beta": "b1,b2",
            "anthropic-version": "2026-10-21",
            "idempotency-key": "i",
        },
    )
    found = dialect.format_request(request(source=source), target())
    assert found.headers == (("anthropic-version", "2023-06-01"), ("anthropic-beta", "b1,b2"))
    foreign = Source(dialect="openai-chat", headers={"anthropic-beta": "b1"})
    assert dialect.format_request(request(source=foreign), target()).headers == (
        ("anthropic-version", "2023-06-01"),
    )


def test_authorize() -> None:
    assert dialect.authorize("k") == (("x-api-key", "k"),)


def test_stream() -> None:
    found = dialect.format_request(request(stream=True), target())
    assert found.stream
    assert json.loads(found.body)["stream"] is True


def test_own_request_survives_the_canonical_form() -> None:
    body: dict[str, Any] = {
        "max_tokens": 7,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look", "x_future": 1},
                    {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                    {
                        "type": "document",
                        "source": {"type": "text", "media_type": "text/plain", "data": "d"},
                        "title": "t",
                        "context": "c",
                        "citations": {"enabled": True},
                    },
                    {
                        "type": "document",
                        "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
                    },
                    {
                        "type": "search_result",
                        "source": "s",
                        "title": "t",
                        "content": [{"type": "text", "text": "x"}],
                    },
                    {"type": "document", "source": {"type": "file", "file_id": "f"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "enc"},
                    {"type": "text", "text": "so", "citations": [{"type": "char_location"}]},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                        "is_error": True,
                    },
                    {"type": "text", "text": "go on"},
                ],
            },
            {"role": "system", "content": [{"type": "text", "text": "now"}], "clear_at": "never"},
        ],
        "tools": [
            {
                "name": "f",
                "description": "d",
                "input_schema": {"type": "object"},
                "defer_loading": True,
            },
            {"type": "bash_20250124", "name": "bash"},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 4096, "display": "omitted"},
        "output_config": {"effort": "max"},
    }
    found = sent(dialect.parse_request(call(body)))
    assert found == {"model": "claude", **body}


def test_extra_of_an_own_client_does_not_leak_to_another_source() -> None:
    asked = request(source=FOREIGN, extra={NAME: {"safeguards": Raw(b"1")}})
    assert "safeguards" not in sent(asked)


def test_T77_cache_markers() -> None:
    marked = CacheControl(ttl="12h")
    messages = [message("system", "s")]
    for n in range(6):
        part = parse(messages=[{"role": "user", "content": f"m{n}"}]).messages[0].content[0]
        messages.append(message("user", type(part)(text=f"m{n}", cache_control=marked)))  # type: ignore[call-arg]
        messages.append(message("assistant", "ok"))
    messages.append(message("user", "end"))
    tools = tuple(FunctionTool(name=f"f{n}", cache_control=marked) for n in range(3))
    found = sent(request(*messages, tools=tools))
    tools_marked = [tool["name"] for tool in found["tools"] if "cache_control" in tool]
    texts = [b["text"] for m in found["messages"] for b in m["content"] if "cache_control" in b]
    assert tools_marked == ["f2"]
    assert texts == ["m3", "m4", "m5"]
    assert found["tools"][2]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert losses(request(*messages, tools=tools)) == ["part.cache_control"]


def test_cache_markers_off() -> None:
    asked = request(tools=(FunctionTool(name="f", cache_control=CacheControl()),))
    assert "cache_control" not in json.dumps(sent(asked, cache_breakpoints=False))


def test_top_level_marker() -> None:
    asked = request(prompt_cache=PromptCache(auto=CacheControl(ttl="30m")), source=OWN)
    assert sent(asked)["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
