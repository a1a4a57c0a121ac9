"""The facts of a request, read off few of its members, are those of the request when it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexus.routing.target import Candidate, Condition, Provider, Target
from plexus.streaming.document import JsonBody
from plexus.transformers import bedrock_converse, facts, openai_chat
from plexus.transformers.base import ClientCall, ProviderDialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.effort import is_on
from plexus.transformers.translation import Passthrough, Translate
from plexus.unified.errors import PlexusError
from plexus.unified.request import CustomTool, FunctionTool, ServerTool, UnifiedChatRequest
from tests.fuzz.harness import DIALECTS, client_call
from tests.streams.corpus import recorded, require_corpus

OPEN = {facts.REASONING_NOT_OFF}
ON = {facts.REASONING, facts.REASONING_NOT_OFF}
TOOLS = {facts.FUNCTION_TOOLS}
SEARCH = {facts.SERVER_TOOLS, "server_tools.web_search"}


def shown(dialect: str, body: Any) -> set[str]:
    call = client_call(dialect, JsonBody.parse(json.dumps(body).encode()))
    return set(DIALECTS[dialect].request_facts(call))


CHAT, RESPONSES = "openai-chat", "openai-responses"
MESSAGES, GEMINI = "anthropic-messages", "gemini"
FUNCTION = {"type": "function", "function": {"name": "f"}}
THINKING_CONFIG = "thinkingConfig"


@pytest.mark.parametrize(
    ("dialect", "body", "expected"),
    [
        (CHAT, {}, OPEN),
        (CHAT, {"tools": []}, OPEN),
        (CHAT, {"tools": None}, OPEN),
        (CHAT, {"tools": [FUNCTION]}, OPEN | TOOLS),
        (CHAT, {"tools": [{"function": {"name": "f"}}]}, OPEN | TOOLS),
        (CHAT, {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, OPEN | TOOLS),
        (CHAT, {"functions": [{"name": "f"}]}, OPEN | TOOLS),
        (CHAT, {"tools": [{"type": "web_search"}]}, OPEN | SEARCH),
        (CHAT, {"web_search_options": {}}, OPEN | SEARCH),
        (CHAT, {"web_search_options": None}, OPEN),
        (CHAT, {"reasoning_effort": "low"}, ON),
        (CHAT, {"reasoning_effort": "none"}, set()),
        (CHAT, {"reasoning_effort": None}, OPEN),
        (CHAT, {"reasoning_effort": "galactic"}, OPEN),
        (CHAT, {"reasoning_effort": 7}, OPEN),
        (CHAT, {"reasoning": {"enabled": False}}, set()),
        (CHAT, {"reasoning": {"max_tokens": 2000}}, ON),
        (CHAT, {"reasoning": {"max_tokens": 0}}, set()),
        (CHAT, {"thinking": {"type": "disabled"}}, set()),
        (CHAT, {"thinking": {"type": "enabled"}}, ON),
        (CHAT, {"enable_thinking": False}, set()),
        (CHAT, {"extra_body": {"google": {"thinking_config": {"thinking_budget": 0}}}}, set()),
        (CHAT, {"tools": "all of them"}, OPEN),
        (CHAT, {"tools": [1, FUNCTION]}, OPEN),
        (RESPONSES, {"tools": [{"type": "function", "name": "f"}]}, OPEN | TOOLS),
        (RESPONSES, {"tools": [{"type": "namespace", "name": "n", "tools": []}]}, OPEN | TOOLS),
        (RESPONSES, {"tools": [{"type": "local_shell"}]}, OPEN),
        (RESPONSES, {"tools": [{"type": "web_search_preview"}]}, OPEN | SEARCH),
        (
            RESPONSES,
            {"tools": [{"type": "code_interpreter"}]},
            OPEN | {facts.SERVER_TOOLS, "server_tools.code_execution"},
        ),
        (RESPONSES, {"reasoning": {"effort": "high"}}, ON),
        (RESPONSES, {"reasoning": {"effort": "none"}}, set()),
        (RESPONSES, {"reasoning": {"summary": "auto"}}, OPEN),
        (RESPONSES, {"reasoning": "high"}, OPEN),
        (MESSAGES, {"tools": [{"name": "f", "input_schema": {}}]}, OPEN | TOOLS),
        (MESSAGES, {"tools": [{"type": "custom", "name": "f"}]}, OPEN | TOOLS),
        (MESSAGES, {"tools": [{"type": "bash_20250124", "name": "bash"}]}, OPEN),
        (MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "s"}]}, OPEN | SEARCH),
        (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 2048}}, ON),
        (MESSAGES, {"thinking": {"type": "disabled"}}, set()),
        (MESSAGES, {"output_config": {"effort": "low"}}, ON),
        (MESSAGES, {"output_config": {"format": {}}}, OPEN),
        (MESSAGES, {"thinking": []}, OPEN),
        (GEMINI, {"tools": [{"functionDeclarations": [{"name": "f"}]}]}, OPEN | TOOLS),
        (GEMINI, {"tools": [{"function_declarations": [{"name": "f"}]}]}, OPEN | TOOLS),
        (GEMINI, {"tools": {"functionDeclarations": [{"name": "f"}]}}, OPEN | TOOLS),
        (GEMINI, {"tools": [{"functionDeclarations": []}]}, OPEN),
        (GEMINI, {"tools": [{"googleSearch": {}}]}, OPEN | SEARCH),
        (GEMINI, {"tools": [{"google_search": {}}]}, OPEN | SEARCH),
        (GEMINI, {"tools": [{"computerUse": {}}]}, OPEN),
        (GEMINI, {"tools": 4}, OPEN),
        (GEMINI, {"generationConfig": {THINKING_CONFIG: {"thinkingBudget": 0}}}, set()),
        (GEMINI, {"generationConfig": {THINKING_CONFIG: {"thinkingBudget": -1}}}, ON),
        (GEMINI, {"generation_config": {"thinking_config": {"thinking_level": "HIGH"}}}, ON),
        (GEMINI, {"generationConfig": {THINKING_CONFIG: {"includeThoughts": True}}}, OPEN),
        (GEMINI, {"generationConfig": 5}, OPEN),
    ],
)
def test_facts(dialect: str, body: Any, expected: set[str]) -> None:
    assert shown(dialect, body) == expected


def of_request(request: UnifiedChatRequest) -> set[str]:
    """The same facts of a request that was read whole."""
    found = set(facts.server_facts(t.kind for t in request.tools if isinstance(t, ServerTool)))
    if request.web_search is not None:
        found |= SEARCH
    if any(isinstance(tool, FunctionTool | CustomTool) for tool in request.tools):
        found |= TOOLS
    on = is_on(request.reasoning)
    return found | (OPEN if on is None else ON if on else set())


@pytest.mark.parametrize("name", DIALECTS)
def test_facts_of_recorded_requests(name: str) -> None:
    require_corpus()
    seen: set[str] = set()
    for exchange in recorded(name):
        if exchange.request is None:
            continue
        call = client_call(name, JsonBody.parse(exchange.request))
        found = DIALECTS[name].request_facts(call)
        try:
            request = DIALECTS[name].parse_request(call)
        except PlexusError:
            continue  # a request that its provider refused too
        assert found == of_request(request), exchange.id
        seen |= found
    assert {*TOOLS, *ON} <= seen


class Blind:
    """A dialect whose calls nobody may look into."""

    NAME = "openai-chat"

    def request_facts(self, call: ClientCall) -> frozenset[str]:
        raise AssertionError("looked into a call")


def test_a_call_is_looked_into_only_for_a_condition() -> None:
    model = TargetModel(provider="p", model="m", family="openai")
    passed, other = Passthrough(openai_chat, model), Translate(openai_chat, openai_chat, model)
    call = client_call("openai-chat", JsonBody.parse(b'{"tools":[{"type":"function"}]}'))
    blind: Any = Blind()

    def chosen(dialect: Any, *candidates: Candidate) -> Any:
        routes = {"openai-chat": candidates}
        provider = Provider(name="p")
        target = Target(name="p/m", provider=provider, model="m", translations=routes)
        return target.translation(dialect, call)

    tools = Candidate(Condition("tools", ("function_tools",)), other)
    thinking = Candidate(Condition("both", ("function_tools", "reasoning")), other)
    always = Candidate(None, passed)
    assert chosen(blind, always) is passed
    assert chosen(blind, always, tools) is passed
    assert chosen(blind) is None
    with pytest.raises(AssertionError, match="looked into"):
        chosen(blind, tools, always)
    assert chosen(openai_chat, tools, always) is other
    assert chosen(openai_chat, thinking, always) is passed
    assert chosen(openai_chat, thinking) is None


ASKED: dict[str, dict[str, Any]] = {
    CHAT: {"web_search": {"web_search_options": {}}},
    RESPONSES: {
        "web_search": {"tools": [{"type": "web_search"}]},
        "code_execution": {"tools": [{"type": "code_interpreter"}]},
    },
    MESSAGES: {
        "web_search": {"tools": [{"type": "web_search_20250305", "name": "s"}]},
        "web_fetch": {"tools": [{"type": "web_fetch_20250910", "name": "f"}]},
        "code_execution": {"tools": [{"type": "code_execution_20250825", "name": "c"}]},
    },
    GEMINI: {
        "web_search": {"tools": [{"googleSearch": {}}]},
        "code_execution": {"tools": [{"codeExecution": {}}]},
    },
}
PLAIN: dict[str, Any] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


@pytest.mark.parametrize("upstream", [*DIALECTS, "bedrock-converse"])
@pytest.mark.parametrize("client", DIALECTS)
def test_a_dialect_runs_the_server_tools_it_says(client: str, upstream: str) -> None:
    """And no others: what a formatter learns to write belongs into its SERVER_TOOLS."""
    assert ASKED[client].keys() == DIALECTS[client].ASKED_TOOLS
    to: ProviderDialect = DIALECTS.get(upstream, bedrock_converse)
    for kind, asks in ASKED[client].items():
        assert facts.of_kind(kind) in shown(client, asks)
        raw = json.dumps({**PLAIN[client], **asks}).encode()
        request = DIALECTS[client].parse_request(client_call(client, JsonBody.parse(raw)))
        wire = to.format_request(request, TargetModel(provider="p", model="m", family="x"))
        body = json.loads(wire.body)
        sent = body.keys() & {"tools", "toolConfig", "web_search_options"}
        runs = client == upstream or kind in to.SERVER_TOOLS
        assert bool(sent) is runs, (kind, body)
