"""Token counts, both ways (canonical.md §4, mappings.md §14)."""

from msgspec import Raw, Struct

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.anthropic_messages.reader import INTEGER, STRING, Level
from plexus.unified.content import Ext
from plexus.unified.response import UnifiedUsage

_TTL_FIELDS = (("ephemeral_5m_input_tokens", "5m"), ("ephemeral_1h_input_tokens", "1h"))


class ReadUsage(Struct, frozen=True):
    """Usage, and the tier Anthropic reports inside it."""

    usage: UnifiedUsage
    service_tier: str | None = None


def merge_usage(known: dict[str, Raw], seen: dict[str, Raw]) -> None:
    """Snapshots of a stream: what is present and not null replaces (traps T36)."""
    for name, value in seen.items():
        if bytes(value) != b"null":
            known[name] = value


def parse_usage(fields: dict[str, Raw] | None, path: str = "usage") -> ReadUsage | None:
    """None when the provider reported nothing.  Raises Malformed."""
    if not fields:
        return None
    level = Level.of(fields, path)
    uncached = level.take("input_tokens", INTEGER) or 0
    output = level.take("output_tokens", INTEGER) or 0
    read = level.take("cache_read_input_tokens", INTEGER)
    written = level.take("cache_creation_input_tokens", INTEGER)
    split = level.object("cache_creation")
    by_ttl: dict[str, int] = {}
    for name, ttl in _TTL_FIELDS if split is not None else ():
        count = split.take(name, INTEGER) if split is not None else None
        if count:
            by_ttl[ttl] = count
    details = level.object("output_tokens_details")
    tools = level.object("server_tool_use")
    tier = level.take("service_tier", STRING)
    usage = counted(
        uncached,
        output,
        read,
        written,
        by_ttl,
        None if details is None else details.take("thinking_tokens", INTEGER),
        {} if tools is None else _requests(tools),
        {NAME: level.fields} if level.fields else {},
    )
    return ReadUsage(usage, tier)


def counted(
    uncached: int,
    output: int,
    read: int | None,
    written: int | None,
    by_ttl: dict[str, int],
    thinking: int | None,
    requests: dict[str, int],
    ext: Ext,
) -> UnifiedUsage:
    """Canonical counts; ``written`` is the sum of ``by_ttl`` where only that is known.

    A count below zero is none, as in every dialect.
    """
    uncached, output = max(uncached, 0), max(output, 0)
    read = None if read is None or read < 0 else read
    written = None if written is None or written < 0 else written
    if written is None and by_ttl:
        written = sum(by_ttl.values())
    prompt = uncached + (read or 0) + (written or 0)
    return UnifiedUsage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_by_ttl=by_ttl,
        reasoning_tokens=thinking,
        server_tool_requests=requests,
        ext=ext,
    )


def _requests(level: Level) -> dict[str, int]:
    """``web_search_requests`` and its like, by tool."""
    counts: dict[str, int] = {}
    for name in tuple(level.fields):
        count = level.take(name, INTEGER)
        if count:
            counts[name.removesuffix("_requests")] = count
    return counts


def format_usage(usage: UnifiedUsage, tier: str | None = None) -> dict[str, object]:
    """The ``usage`` object of a message; ``input_tokens`` is what no cache served."""
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    uncached = usage.prompt_tokens - (read or 0) - (written or 0)
    out: dict[str, object] = {
        "input_tokens": max(0, uncached),
        "cache_creation_input_tokens": written or 0,
        "cache_read_input_tokens": read or 0,
    }
    if usage.cache_write_by_ttl:
        out["cache_creation"] = {
            name: usage.cache_write_by_ttl.get(ttl, 0) for name, ttl in _TTL_FIELDS
        }
    out["output_tokens"] = usage.completion_tokens
    if usage.reasoning_tokens is not None:
        out["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.server_tool_requests:
        requests = {"web_search": 0, "web_fetch": 0, **usage.server_tool_requests}
        out["server_tool_use"] = {f"{tool}_requests": n for tool, n in requests.items()}
    if tier in ("standard", "priority", "batch"):
        out["service_tier"] = tier
    if usage.ext:
        out.update(usage.ext.get(NAME, {}))
    return out
