"""What of a Responses request decides between a target's dialects (design decision 7)."""

from msgspec import Raw

from plexus.transformers.base import ClientCall
from plexus.transformers.facts import (
    CODE_EXECUTION,
    FUNCTION_TOOLS,
    WEB_SEARCH,
    reasoning_facts,
    server_facts,
    tool_types,
)
from plexus.transformers.openai_chat.reading import Level
from plexus.transformers.openai_responses.request_parse import parse_reasoning
from plexus.transformers.openai_responses.request_tools import BUILTINS, server_kind
from plexus.unified.errors import PlexusError
from plexus.unified.request import Reasoning

SERVER_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_SEARCH})
"""Kinds of server tools that a provider runs for clients of other dialects."""

ASKED_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_SEARCH})
"""Kinds that a client can ask for and that some other dialect has too."""

_CLIENTS = frozenset({None, "function", "custom", "namespace"})


def request_facts(call: ClientCall) -> frozenset[str]:
    """The facts of ``call``; a member of the wrong type shows none."""
    fields = call.body.fields
    types = tool_types(fields.get("tools"))
    kinds = {server_kind(name) for name in types if name is not None and _is_server(name)}
    found = server_facts(kinds) | reasoning_facts(_reasoning(fields))
    if any(name in _CLIENTS for name in types):
        found.add(FUNCTION_TOOLS)
    return frozenset(found)


def _is_server(name: str) -> bool:
    return name not in _CLIENTS and name not in BUILTINS


def _reasoning(fields: dict[str, Raw]) -> Reasoning | None:
    said = Level({"reasoning": fields["reasoning"]} if "reasoning" in fields else {})
    try:
        return parse_reasoning(said, False, {})
    except PlexusError:
        return None
