"""Tools, tool choice and schemas a provider gets (mappings.md §5, §7)."""

import json
from typing import Any

import pytest

from plexus.transformers import anthropic_messages as dialect
from plexus.transformers.anthropic_messages.schema import strict_schema
from plexus.unified.errors import PlexusError
from plexus.unified.request import (
    ClientBuiltinTool,
    CustomTool,
    FunctionTool,
    Reasoning,
    ServerTool,
    ToolChoice,
    UnifiedTool,
)
from tests.transformers.anthropic_messages.support import (
    NAME,
    losses,
    message,
    parse,
    raw,
    request,
    sent,
    target,
)

F = FunctionTool(name="f", parameters=raw({"type": "object", "properties": {}}))
G = FunctionTool(name="g")


def tools(*found: UnifiedTool, **capabilities: Any) -> list[Any]:
    return list(sent(request(tools=found), **capabilities)["tools"])


def test_functions() -> None:
    assert tools(
        FunctionTool(name="f", description="d", parameters=raw({"type": "object", "x": 1.0}))
    ) == [{"name": "f", "description": "d", "input_schema": {"type": "object", "x": 1.0}}]
    assert tools(G) == [{"name": "g", "input_schema": {"type": "object", "properties": {}}}]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, {"type": "object"}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
        ({"type": ["object", "null"]}, {"type": "object"}),
        (None, {"type": "object", "properties": {}}),
    ],
)
def test_T72_root_is_an_object(schema: Any, expected: Any) -> None:
    assert tools(FunctionTool(name="f", parameters=raw(schema)))[0]["input_schema"] == expected


def test_root_that_is_no_object_is_refused() -> None:
    with pytest.raises(PlexusError) as problem:
        tools(FunctionTool(name="f", parameters=raw({"type": "string"})))
    assert problem.value.error.param == "tools[0].parameters"


def test_T20_strict() -> None:
    schema = raw({"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}})
    tool = FunctionTool(name="f", parameters=schema, strict=True)
    (found,) = tools(tool)
    assert found["strict"] is True
    assert found["input_schema"] == {
        "type": "object",
        "properties": {"a": {"type": "string", "description": "{maxLength: 3}"}},
        "additionalProperties": False,
    }
    assert losses(request(tools=(tool,))) == ["tool.strict"]
    (found,) = tools(tool, strict_tools=False)
    assert "strict" not in found and found["input_schema"]["properties"]["a"]["maxLength"] == 3
    (found,) = tools(FunctionTool(name="f", parameters=schema, strict=False))
    assert found["strict"] is False


def test_custom_tools() -> None:
    tool = CustomTool(name="sql", description="d", format=raw({"type": "grammar"}))
    wire = dialect.format_request(request(tools=(tool,)), target())
    (found,) = json.loads(wire.body)["tools"]
    assert found["input_schema"]["required"] == ["input"]
    assert found["description"].startswith("d\n\n") and "grammar" in found["description"]
    assert wire.custom_tools == {"sql"}


def test_T73_server_tools() -> None:
    own = ServerTool(kind="web_search", dialect=NAME, raw=raw({"type": "web_search_20250305"}))
    assert tools(own) == [{"type": "web_search_20250305"}]
    foreign = ServerTool(kind="file_search", dialect="openai-responses", raw=raw({}), name="x")
    asked = request(tools=(foreign, F))
    assert [tool["name"] for tool in sent(asked)["tools"]] == ["f"]
    assert losses(asked) == ["tool.server"]
    with pytest.raises(PlexusError) as problem:
        sent(request(tools=(foreign,), tool_choice=ToolChoice(mode="required")))
    assert problem.value.error.param == "tool_choice"


def test_web_search_options() -> None:
    place = {"type": "approximate", "approximate": {"city": "Berlin", "country": "DE"}}
    asked = request(web_search=raw({"user_location": place, "search_context_size": "low"}))
    assert sent(asked)["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "user_location": {"type": "approximate", "city": "Berlin", "country": "DE"},
        }
    ]
    responses = raw({"type": "web_search", "filters": {"allowed_domains": ["a.org"]}})
    tool = ServerTool(kind="web_search", dialect="openai-responses", raw=responses)
    assert tools(tool)[0]["allowed_domains"] == ["a.org"]
    with pytest.raises(PlexusError):
        sent(request(web_search=raw({"user_location": 5})))


def test_builtin_tools_of_another_provider_are_refused() -> None:
    with pytest.raises(PlexusError) as problem:
        tools(ClientBuiltinTool(kind="shell", dialect="openai-responses", raw=raw({})))
    assert problem.value.error.param == "tools[0]"


def test_duplicate_names_are_refused() -> None:
    with pytest.raises(PlexusError) as problem:
        tools(F, F)
    assert problem.value.error.param == "tools[1].name"


def test_tool_fields_of_another_dialect() -> None:
    asked = request(tools=(FunctionTool(name="f", ext={"openai-chat": {"x": raw(1)}}),))
    assert sent(asked)["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}}
    ]
    assert losses(asked) == ["tool.ext"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        (ToolChoice(mode="auto"), {"type": "auto"}),
        (ToolChoice(mode="none"), {"type": "none"}),
        (ToolChoice(mode="required"), {"type": "any"}),
        (ToolChoice(mode="function", name="f"), {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice(choice: ToolChoice | None, expected: Any) -> None:
    assert sent(request(tools=(F, G), tool_choice=choice)).get("tool_choice") == expected


def test_T11_nothing_without_tools() -> None:
    asked = request(tool_choice=ToolChoice(mode="auto"), parallel_tool_calls=False)
    assert "tool_choice" not in sent(asked)


def test_parallel() -> None:
    def chosen(**fields: Any) -> Any:
        return sent(request(tools=(F,), **fields)).get("tool_choice")

    assert chosen(parallel_tool_calls=False) == {"type": "auto", "disable_parallel_tool_use": True}
    assert chosen(parallel_tool_calls=True) is None
    assert chosen(parallel_tool_calls=False, tool_choice=ToolChoice(mode="none")) == {
        "type": "none"
    }
    forced = chosen(parallel_tool_calls=False, tool_choice=ToolChoice(mode="required"))
    assert forced == {"type": "any", "disable_parallel_tool_use": True}


def test_allowed_tools_shorten_the_list() -> None:
    allowed = ToolChoice(mode="allowed", names=("g",), forced=True)
    asked = request(tools=(F, G), tool_choice=allowed)
    found = sent(asked)
    assert [tool["name"] for tool in found["tools"]] == ["g"]
    assert found["tool_choice"] == {"type": "any"}
    assert losses(asked) == ["tool_choice.allowed"]
    called = parse(
        messages=[
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}],
            }
        ]
    ).messages
    asked = request(message("user", "q"), *called, tools=(F, G), tool_choice=allowed)
    assert [tool["name"] for tool in sent(asked)["tools"]] == ["f", "g"]


def test_T12_models_that_refuse_forcing() -> None:
    asked = request(
        message("system", "s"),
        message("user", "q"),
        tools=(F,),
        tool_choice=ToolChoice(mode="function", name="f"),
    )
    found = sent(asked, forced_tool_choice=False)
    assert found["tool_choice"] == {"type": "auto"}
    assert found["messages"][-1]["content"][-1]["text"] == "Answer by calling the tool f."
    assert [block["text"] for block in found["system"]] == ["s"]
    assert losses(asked, forced_tool_choice=False) == ["tool_choice.forced"]


def test_T12_forcing_beside_budget_thinking() -> None:
    asked = request(
        tools=(F,),
        tool_choice=ToolChoice(mode="required"),
        reasoning=Reasoning(max_tokens=2000),
        max_tokens=8000,
    )
    found = sent(asked, thinking="budget")
    assert (found["thinking"], found["tool_choice"]) == ({"type": "disabled"}, {"type": "any"})
    assert losses(asked, thinking="budget") == ["reasoning.forced_tool"]
    adaptive = sent(asked)
    assert adaptive["thinking"]["type"] == "adaptive"
    assert adaptive["tool_choice"] == {"type": "any"}


def test_strict_schema_keeps_order_and_moves_limits() -> None:
    found, weakened = strict_schema(
        {
            "$schema": "x",
            "description": "root",
            "type": "object",
            "properties": {
                "z": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 5},
                "a": {"oneOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
                "b": {"type": "string", "format": "color", "pattern": "x"},
            },
            "$defs": {"d": {"type": "object", "properties": {}, "additionalProperties": True}},
        }
    )
    assert list(found["properties"]) == ["z", "a", "b"]
    assert found["properties"]["z"] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "description": "{maxItems: 5}",
    }
    assert found["properties"]["a"]["anyOf"][0] == {"type": "string", "format": "uuid"}
    assert found["properties"]["b"]["description"] == '{format: "color", pattern: "x"}'
    assert found["$defs"]["d"]["additionalProperties"] is False
    assert found["description"] == "root" and "$schema" not in found
    assert weakened
    assert not strict_schema({"type": "object", "properties": {}})[1]


@pytest.mark.parametrize("known", [(), (F,)])
def test_a_forced_tool_that_does_not_exist_is_refused(known: tuple[UnifiedTool, ...]) -> None:
    """canonical.md §9: left out in silence, the answer would be another one."""
    with pytest.raises(PlexusError) as problem:
        sent(request(tools=known, tool_choice=ToolChoice(mode="function", name="zz")))
    assert problem.value.error.param == "tool_choice"


def test_an_unknown_effort_of_another_dialect_is_said() -> None:
    wanted = Reasoning(ext={"openai-chat": {"reasoning_effort": raw("weird")}})
    assert losses(request(reasoning=wanted)) == ["extra"]
    known = Reasoning(effort="low", ext={"openai-chat": {"reasoning": raw({"effort": "low"})}})
    assert losses(request(reasoning=known)) == []
