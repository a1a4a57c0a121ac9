"""What a request uses that a model may refuse in one of its dialects (design decision 7).

Facts are names.  A dialect reads them off a client's call (``Dialect.request_facts``) without
parsing more than the members that show them, and only for targets with more than one candidate.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.effort import is_on
from plexus.unified.request import Reasoning

FUNCTION_TOOLS = "function_tools"
"""It has tools that the client runs."""

REASONING = "reasoning"
"""It asks the model to think."""

REASONING_NOT_OFF = "reasoning_not_off"
"""It asks the model to think, or leaves that to the model."""

SERVER_TOOLS = "server_tools"
"""It has tools that the provider runs; ``server_tools.web_search`` is one of a kind."""

WEB_SEARCH, WEB_FETCH, CODE_EXECUTION = "web_search", "web_fetch", "code_execution"
KINDS = (WEB_SEARCH, WEB_FETCH, CODE_EXECUTION)
"""The kinds of server tools that more than one dialect has (mappings.md §11)."""


def of_kind(kind: str) -> str:
    """The fact of a server tool of one kind."""
    return f"{SERVER_TOOLS}.{kind}"


def server_facts(kinds: Iterable[str]) -> set[str]:
    """The facts of server tools of these canonical kinds."""
    found = {of_kind(kind) for kind in kinds}
    return {SERVER_TOOLS, *found} if found else found


def reasoning_facts(wanted: Reasoning | None) -> set[str]:
    """What a request says of thinking."""
    on = is_on(wanted)
    if on is None:
        return {REASONING_NOT_OFF}
    return {REASONING, REASONING_NOT_OFF} if on else set()


class _Tool(Struct):
    type: str | None = None


_tools = msgspec.json.Decoder(list[_Tool] | None).decode


def tool_types(tools: Raw | None) -> list[str | None]:
    """The ``type`` of each tool, the rest of them skipped; none in what is no list of tools."""
    if tools is None:
        return []
    try:
        return [tool.type for tool in _tools(tools) or ()]
    except msgspec.DecodeError:
        # The dialect or the provider will say what is wrong with them.
        return []
