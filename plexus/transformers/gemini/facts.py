"""What of a Gemini request decides between a target's dialects (design decision 7)."""

from collections.abc import Iterator

import msgspec
from msgspec import Raw

from plexus.transformers.base import ClientCall
from plexus.transformers.facts import (
    CODE_EXECUTION,
    FUNCTION_TOOLS,
    WEB_FETCH,
    WEB_SEARCH,
    reasoning_facts,
    server_facts,
)
from plexus.transformers.gemini.reader import Level, Malformed
from plexus.transformers.gemini.thinking import parse_thinking
from plexus.transformers.gemini.tools import server_kind
from plexus.unified.request import Reasoning

SERVER_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_FETCH, WEB_SEARCH})
"""Kinds of server tools that a provider runs for clients of other dialects."""

ASKED_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_SEARCH})
"""Kinds that a client can ask for and that some other dialect has too."""

_FUNCTIONS = frozenset({"functionDeclarations", "function_declarations"})
_CONFIGS = ("generationConfig", "generation_config")
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def request_facts(call: ClientCall) -> frozenset[str]:
    """The facts of ``call``; a member of the wrong type shows none."""
    names = set(_names(call.body.fields))
    kinds = {kind for name in names - _FUNCTIONS if (kind := server_kind(name)) is not None}
    found = server_facts(kinds) | reasoning_facts(_reasoning(call.body.fields))
    if names & _FUNCTIONS:
        found.add(FUNCTION_TOOLS)
    return frozenset(found)


def _names(fields: dict[str, Raw]) -> Iterator[str]:
    """The kinds of tools, as they are called in the entries of ``tools``."""
    said = Level.of({"tools": fields["tools"]} if "tools" in fields else {}, "")
    try:
        for entry in said.items("tools"):
            yield from _members(entry)
    except (Malformed, msgspec.MsgspecError):
        # The dialect or the provider will say what is wrong with them.
        return


def _reasoning(fields: dict[str, Raw]) -> Reasoning | None:
    body = Level.of({name: fields[name] for name in _CONFIGS if name in fields}, "")
    try:
        config = body.object("generationConfig")
        return None if config is None else parse_thinking(config.object("thinkingConfig"))
    except Malformed:
        return None
