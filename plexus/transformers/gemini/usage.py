"""Token counts, both ways (canonical.md §4, mappings.md §14; traps T37)."""

from msgspec import Raw, Struct

from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.reader import ENUM, INTEGER, Level, Malformed, snake
from plexus.unified.response import UnifiedUsage

_COUNTS = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)
_TOLD = ("promptTokenCount", "candidatesTokenCount")
"""One of them at least is in every count."""
TIERS = ("standard", "flex", "priority")
_TIERS = {
    "service_tier_standard": "standard",
    "service_tier_flex": "flex",
    "service_tier_priority": "priority",
}


class ReadUsage(Struct, frozen=True):
    """Usage, and the tier Google reports inside it."""

    usage: UnifiedUsage
    service_tier: str | None = None


def merge_usage(known: dict[str, Raw], seen: dict[str, Raw]) -> None:
    """Snapshots of a stream: a count never shrinks, and a missing one stays (gemini.md §4)."""
    for name, value in seen.items():
        if bytes(value) == b"null":
            continue
        if name in _COUNTS and name in known and _count(value) < _count(known[name]):
            continue
        known[name] = value


def _count(raw: Raw) -> int:
    try:
        return int(bytes(raw).strip(b'"'))
    except ValueError:
        return 0


def parse_usage(fields: dict[str, Raw] | None) -> ReadUsage | None:
    """None when the provider counted nothing.  Raises Malformed."""
    if not fields:
        return None
    level = Level.of(fields, "usageMetadata")
    if not any(name in fields or snake(name) in fields for name in _TOLD):
        return None
    word = service_tier(fields)
    prompt, cached, output, thoughts, tool_use, total = (_positive(level, name) for name in _COUNTS)
    level.raw("serviceTier")
    audio_in, image_in, text_in = _details(level, "promptTokensDetails")
    audio_out, _, text_out = _details(level, "candidatesTokensDetails")
    completion = (output or 0) + (thoughts or 0)
    known = (prompt or 0) + completion + (tool_use or 0)
    rest = level.rest()
    usage = UnifiedUsage(
        prompt_tokens=prompt or 0,
        completion_tokens=completion,
        total_tokens=max(total or 0, known),
        cache_read_tokens=None if cached is None else min(cached, prompt or 0),
        reasoning_tokens=thoughts,
        input_audio=audio_in,
        input_image=image_in,
        input_text=text_in,
        output_audio=audio_out,
        output_text=text_out,
        tool_use_prompt_tokens=tool_use,
        ext={NAME: rest} if rest else {},
    )
    return ReadUsage(usage, word)


def service_tier(fields: dict[str, Raw]) -> str | None:
    """The tier in ``usageMetadata``, which may have nothing else yet.  Raises Malformed."""
    word = Level.of(fields, "usageMetadata").take("serviceTier", ENUM)
    return None if word is None else _TIERS.get(str(word).lower(), str(word).lower())


def _positive(level: Level, name: str) -> int | None:
    count = level.take(name, INTEGER)
    return None if count is None or count < 0 else count


def _details(level: Level, name: str) -> tuple[int | None, int | None, int | None]:
    """Tokens of audio, images and text; the details themselves are kept for this dialect."""
    raw = level.fields.get(name)
    found: dict[str, int] = {}
    for number, item in enumerate(level.items(name)):
        entry = Level(item, f"{level.where(name)}[{number}]")
        kind = str(entry.take("modality", ENUM) or "")
        count = entry.take("tokenCount", INTEGER)
        if count is not None and count >= 0:
            found[kind] = found.get(kind, 0) + count
    if raw is not None:
        level.fields[name] = raw
    return found.get("AUDIO"), found.get("IMAGE"), found.get("TEXT")


def format_usage(usage: UnifiedUsage, tier: str | None = None) -> dict[str, object]:
    """``usageMetadata``; thoughts are counted apart from the rest of the answer."""
    thoughts = usage.reasoning_tokens
    answer = max(0, usage.completion_tokens - (thoughts or 0))
    total = usage.total_tokens or usage.prompt_tokens + usage.completion_tokens
    out: dict[str, object] = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": answer,
        "totalTokenCount": total,
    }
    if usage.cache_read_tokens is not None:
        out["cachedContentTokenCount"] = usage.cache_read_tokens
    if thoughts is not None:
        out["thoughtsTokenCount"] = thoughts
    if usage.tool_use_prompt_tokens is not None:
        out["toolUsePromptTokenCount"] = usage.tool_use_prompt_tokens
    if tier in TIERS:
        out["serviceTier"] = tier
    out.update(usage.ext.get(NAME, {}))
    return out


def seen_usage(fields: dict[str, Raw] | None) -> UnifiedUsage | None:
    """Accounting must not break an answer: counts of a wrong type are no counts."""
    try:
        found = parse_usage(fields)
    except Malformed:
        return None
    return found.usage if found is not None else None
