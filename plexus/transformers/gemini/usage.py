"""Token counts, both ways (canonical.md §4, mappings.md §14; traps T37)."""

from msgspec import Raw, Struct

from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.reader import ENUM, INTEGER, NULL, Level, Malformed, snake
from plexus.transformers.gemini.usual import UsualDetail, UsualUsage, usual_usage
from plexus.transformers.jsontext import compact
from plexus.unified.response import UnifiedUsage

_COUNTS = (
    "promptTokenCount",
    "cachedContentTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "totalTokenCount",
)
_DETAILS = ("promptTokensDetails", "candidatesTokensDetails")
_TAKEN = frozenset({*_COUNTS, *_DETAILS, "serviceTier"})
_TOLD = frozenset(
    name for count in ("promptTokenCount", "candidatesTokenCount") for name in (count, snake(count))
)
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
        before = known.get(name)
        if value in (before, NULL):
            continue
        if before is not None and name in _COUNTS and _count(value) < _count(before):
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
    if fields.keys().isdisjoint(_TOLD):
        return None
    seen = usual_usage(fields)
    if seen is None:
        level = Level.of(fields, "usageMetadata")
        seen, rest = _read(level), level.rest()
    else:
        rest = _rest(fields)
    prompt, cached = _positive(seen.prompt_token_count), _positive(seen.cached_content_token_count)
    thoughts = _positive(seen.thoughts_token_count)
    tool_use = _positive(seen.tool_use_prompt_token_count)
    completion = (_positive(seen.candidates_token_count) or 0) + (thoughts or 0)
    known = (prompt or 0) + completion + (tool_use or 0)
    given, made = _by_kind(seen.prompt_tokens_details), _by_kind(seen.candidates_tokens_details)
    usage = UnifiedUsage(
        prompt_tokens=prompt or 0,
        completion_tokens=completion,
        total_tokens=max(seen.total_token_count or 0, known),
        cache_read_tokens=None if cached is None else min(cached, prompt or 0),
        reasoning_tokens=thoughts,
        input_audio=given.get("AUDIO"),
        input_image=given.get("IMAGE"),
        input_text=given.get("TEXT"),
        output_audio=made.get("AUDIO"),
        output_text=made.get("TEXT"),
        tool_use_prompt_tokens=tool_use,
        ext={NAME: rest} if rest else {},
    )
    return ReadUsage(usage, _tier(seen.service_tier))


def _read(level: Level) -> UsualUsage:
    """Member by member, in whatever spelling.  Raises Malformed."""
    word = level.take("serviceTier", ENUM)
    prompt, cached, output, thoughts, tool_use, total = (
        level.take(name, INTEGER) for name in _COUNTS
    )
    given, made = (_details(level, name) for name in _DETAILS)
    return UsualUsage(prompt, cached, output, thoughts, tool_use, total, word, given, made)


def _rest(fields: dict[str, Raw]) -> dict[str, Raw]:
    """What has no canonical name, as ``Level.rest`` gives it; the details are kept behind it."""
    rest: dict[str, Raw] = {}
    for name, raw in fields.items():
        if name not in _TAKEN and raw != NULL:
            rest[name] = Raw(compact(raw))
    for name in _DETAILS:
        raw = fields.get(name, NULL)
        if raw != NULL:
            rest[name] = Raw(compact(raw))
    return rest


def service_tier(fields: dict[str, Raw]) -> str | None:
    """The tier in ``usageMetadata``, which may have nothing else yet.  Raises Malformed."""
    return _tier(Level.of(fields, "usageMetadata").take("serviceTier", ENUM)) if fields else None


def _tier(word: str | int | None) -> str | None:
    return None if word is None else _TIERS.get(str(word).lower(), str(word).lower())


def _positive(count: int | None) -> int | None:
    return None if count is None or count < 0 else count


def _details(level: Level, name: str) -> list[UsualDetail]:
    """Tokens of audio, images and text; the details themselves are kept for this dialect."""
    raw = level.fields.get(name)
    found: list[UsualDetail] = []
    for number, item in enumerate(level.items(name)):
        entry = Level(item, f"{level.where(name)}[{number}]")
        found.append(UsualDetail(entry.take("modality", ENUM), entry.take("tokenCount", INTEGER)))
    if raw is not None:
        level.fields[name] = raw
    return found


def _by_kind(details: list[UsualDetail] | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in details or ():
        count, kind = entry.token_count, str(entry.modality or "")
        if count is not None and count >= 0:
            found[kind] = found.get(kind, 0) + count
    return found


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
