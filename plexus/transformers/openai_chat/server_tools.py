"""What is left of another provider's own tool calls: one line of text (mappings.md §11)."""

import msgspec
from msgspec import Raw, Struct

from plexus.unified.content import ServerToolCallContent, ServerToolResultContent


class _Query(Struct):
    query: str | None = None


class _Call(Struct):
    input: _Query | None = None


class _Hit(Struct):
    title: str | None = None
    url: str | None = None


class _Result(Struct):
    content: list[_Hit]


_call = msgspec.json.Decoder(_Call).decode
_result = msgspec.json.Decoder(_Result).decode


def describe_call(part: ServerToolCallContent) -> str:
    """``[web search: query]``, or the tool's name where no query is known."""
    query = _query(part.raw)
    words = part.name.replace("_", " ")
    return f"[{words}: {query}]" if query else f"[{words}]"


def describe_result(part: ServerToolResultContent) -> str:
    """``[results: title (url), ...]``, or that there were none to name."""
    if part.is_error:
        return f"[{part.tool.replace('_', ' ')} failed]"
    hits = [hit for hit in _hits(part.raw) if hit.url]
    if not hits:
        return f"[{part.tool.replace('_', ' ')} results]"
    return "[results: " + ", ".join(f"{hit.title or hit.url} ({hit.url})" for hit in hits) + "]"


def _query(raw: Raw) -> str | None:
    try:
        found = _call(raw).input
    except msgspec.DecodeError:
        return None
    return None if found is None else found.query


def _hits(raw: Raw) -> list[_Hit]:
    try:
        return _result(raw).content
    except msgspec.DecodeError:
        return []
