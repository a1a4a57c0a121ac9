"""Token counts (reference/bedrock-vertex.md §4; canonical.md §4)."""

from msgspec import Raw

from plexus.transformers.anthropic_messages.reader import INTEGER, LIST, STRING, Level
from plexus.transformers.bedrock_converse.models import NAME
from plexus.unified.response import UnifiedUsage

# Older spellings of the same counts.
_DOUBLED = ("cacheReadInputTokenCount", "cacheWriteInputTokenCount")


def parse_usage(fields: dict[str, Raw] | None, path: str = "usage") -> UnifiedUsage | None:
    """``inputTokens`` excludes the caches (traps T34).  Raises Malformed."""
    if not fields:
        return None
    level = Level.of(fields, path)
    uncached = level.take("inputTokens", INTEGER) or 0
    output = level.take("outputTokens", INTEGER) or 0
    level.take("totalTokens", INTEGER)
    read = level.take("cacheReadInputTokens", INTEGER)
    written = level.take("cacheWriteInputTokens", INTEGER)
    by_ttl: dict[str, int] = {}
    details = level.take("cacheDetails", LIST) or []
    for number, raw in enumerate(details):
        detail = Level(raw, f"{path}.cacheDetails[{number}]")
        ttl, count = detail.take("ttl", STRING), detail.take("inputTokens", INTEGER)
        if ttl and count:
            by_ttl[ttl] = by_ttl.get(ttl, 0) + count
    for name in _DOUBLED:
        level.fields.pop(name, None)
    prompt = uncached + (read or 0) + (written or 0)
    return UnifiedUsage(
        prompt_tokens=prompt,
        completion_tokens=output,
        total_tokens=prompt + output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_by_ttl=by_ttl,
        ext={NAME: level.fields} if level.fields else {},
    )
