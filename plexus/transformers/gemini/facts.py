"""What of a Gemini request decides between a target's dialects (design decision 7)."""

from collections.abc import Iterator

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
from plexus.transformers.gemini.reader import NULL, Level, Malformed
from plexus.transformers.gemini.thinking import parse_thinking
from plexus.transformers.gemini.tools import server_kind
from plexus.unified.request import Reasoning

SERVER_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_FETCH, WEB_SEARCH})
"""Kinds of server tools that a provider runs for clients of other dialects."""

ASKED_TOOLS: frozenset[str] = frozenset({CODE_EXECUTION, WEB_SEARCH})
"""Kinds that a client can ask for and that some other dialect has too."""

_CONFIGS = ("generationConfig", "generation_config")


def request_facts(call: ClientCall) -> frozenset[str]:
    """The facts of ``call``; a member of the wrong type shows none."""
    names = set(_names(call.body.fields))
    kinds = {kind for name in names if (kind := server_kind(name)) is not None}
    found = server_facts(kinds) | reasoning_facts(_reasoning(call.body.fields))
    if _FUNCTIONS in names:
        found.add(FUNCTION_TOOLS)
    return frozenset(found)


_FUNCTIONS = "functionDeclarations"


def _names(fields: dict[str, Raw]) -> Iterator[str]:
    """What the entries of ``tools`` hold, as it is called there."""
    said = Level.of({"tools": fields["tools"]} if "tools" in fields else {}, "")
    try:
        for raw in said.items("tools"):
            entry = Level(raw, "tools")
            if entry.items(_FUNCTIONS):
                yield _FUNCTIONS
            yield from (name for name, value in entry.fields.items() if value != NULL)
    except Malformed:
        # The dialect or the provider will say what is wrong with them.
        return


def _reasoning(fields: dict[str, Raw]) -> Reasoning | None:
    body = Level.of({name: fields[name] for name in _CONFIGS if name in fields}, "")
    try:
        config = body.object("generationConfig")
        return None if config is None else parse_thinking(config.object("thinkingConfig"))
    except Malformed:
        return None
