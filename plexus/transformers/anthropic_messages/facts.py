"""What of a messages request decides between a target's dialects (design decision 7)."""

from msgspec import Raw

from plexus.transformers.anthropic_messages.content import server_kind
from plexus.transformers.anthropic_messages.reader import Level, Malformed
from plexus.transformers.anthropic_messages.thinking import parse_thinking
from plexus.transformers.anthropic_messages.tools import BUILTINS
from plexus.transformers.base import ClientCall
from plexus.transformers.facts import (
    CODE_EXECUTION,
    FUNCTION_TOOLS,
    WEB_FETCH,
    WEB_SEARCH,
    reasoning_facts,
    server_facts,
    tool_types,
)
from plexus.unified.request import Reasoning

SERVER_TOOLS: frozenset[str] = frozenset({WEB_SEARCH})
"""Kinds of server tools that a provider runs for clients of other dialects."""

ASKED_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_FETCH, WEB_SEARCH})
"""Kinds that a client can ask for and that some other dialect has too."""

_REASONING = ("thinking", "output_config")
_CLIENTS = frozenset({None, "function", "custom"})


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
    return name not in _CLIENTS and not name.startswith(BUILTINS)


def _reasoning(fields: dict[str, Raw]) -> Reasoning | None:
    body = Level.of({name: fields[name] for name in _REASONING if name in fields}, "")
    try:
        return parse_thinking(body.object("thinking"), body.object("output_config"))
    except Malformed:
        return None
