"""What of a chat request decides between a target's dialects (design decision 7)."""

from msgspec import Raw

from plexus.transformers.base import ClientCall
from plexus.transformers.facts import (
    FUNCTION_TOOLS,
    WEB_SEARCH,
    reasoning_facts,
    server_facts,
    tool_types,
)
from plexus.transformers.openai_chat.reading import NULL, Level
from plexus.transformers.openai_chat.request_parse import REASONING, parse_reasoning
from plexus.transformers.openai_chat.request_tools import server_kind
from plexus.unified.errors import PlexusError
from plexus.unified.request import Reasoning

SERVER_TOOLS: frozenset[str] = frozenset()
"""Kinds of server tools that a provider runs for clients of other dialects."""

ASKED_TOOLS: frozenset[str] = frozenset({WEB_SEARCH})
"""Kinds that a client can ask for and that some other dialect has too."""

_CLIENTS = frozenset({None, "function", "custom"})


def request_facts(call: ClientCall) -> frozenset[str]:
    """The facts of ``call``; a member of the wrong type shows none."""
    fields = call.body.fields
    types = tool_types(fields.get("tools"))
    kinds = {server_kind(name) for name in types if name is not None and name not in _CLIENTS}
    if fields.get("web_search_options", NULL) != NULL:
        kinds.add(WEB_SEARCH)
    found = server_facts(kinds) | reasoning_facts(_reasoning(fields))
    if any(name in _CLIENTS for name in types) or tool_types(fields.get("functions")):
        found.add(FUNCTION_TOOLS)
    return frozenset(found)


def _reasoning(fields: dict[str, Raw]) -> Reasoning | None:
    said = Level({name: fields[name] for name in REASONING if name in fields})
    try:
        return parse_reasoning(said)
    except PlexusError:
        return None
