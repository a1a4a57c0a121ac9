"""Token counts (openai-responses.md §4; canonical.md §4)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.openai_responses.losses import NAME
from plexus.unified.response import UnifiedUsage

Count = int | float | None
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_LIFETIMES = {"30m": "ttl_30m_tokens", "12h": "ttl_12h_tokens"}


class _Written(Struct):
    ttl_30m_tokens: Count = None
    ttl_12h_tokens: Count = None


class _Input(Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cache_write_tokens_details: _Written | None = None
    audio_tokens: Count = None
    image_tokens: Count = None
    text_tokens: Count = None


class _Output(Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None
    text_tokens: Count = None


class _Usage(Struct):
    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    input_tokens_details: _Input | None = None
    output_tokens_details: _Output | None = None


class _Usual(_Usage, forbid_unknown_fields=True):
    """Nothing beside what is known."""


_usual = msgspec.json.Decoder(_Usual).decode
_KNOWN = frozenset(_Usage.__struct_fields__)
_usage = msgspec.json.Decoder(_Usage).decode


def parse_usage(raw: Raw | None) -> UnifiedUsage | None:
    """``usage`` of an answer; None when it has no counts.  Unknown members are kept."""
    if raw is None:
        return None
    extra: dict[str, Raw] = {}
    try:
        try:
            seen: _Usage = _usual(raw)
        except msgspec.ValidationError:
            seen = _usage(raw)
            extra = {n: value for n, value in _members(raw).items() if n not in _KNOWN}
    except msgspec.DecodeError:
        return None
    if seen.input_tokens is None and seen.output_tokens is None:
        return None
    before, after = seen.input_tokens_details, seen.output_tokens_details
    prompt, completion = _int(seen.input_tokens) or 0, _int(seen.output_tokens) or 0
    total = _int(seen.total_tokens) or 0
    details: dict[str, Any] = {}
    if after is not None:
        reasoning = _int(after.reasoning_tokens)
        if reasoning and total == prompt + completion + reasoning:
            # xAI counts reasoning apart (traps.md T38).
            completion += reasoning
        details["reasoning_tokens"] = reasoning
        details["output_audio"] = _int(after.audio_tokens)
        details["output_text"] = _int(after.text_tokens)
    if before is not None:
        cached, written = _int(before.cached_tokens), _int(before.cache_write_tokens)
        if cached is not None and cached > prompt:
            prompt += cached
        if written is not None and cached is not None:
            written = min(written, prompt - cached)
        details["cache_read_tokens"] = cached
        details["cache_write_tokens"] = written
        details["cache_write_by_ttl"] = _by_lifetime(before.cache_write_tokens_details)
        details["input_audio"] = _int(before.audio_tokens)
        details["input_image"] = _int(before.image_tokens)
        details["input_text"] = _int(before.text_tokens)
    if extra:
        details["ext"] = {NAME: extra}
    return UnifiedUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=max(total, prompt + completion),
        **details,
    )


def _by_lifetime(written: _Written | None) -> dict[str, int]:
    if written is None:
        return {}
    counts = {ttl: _int(getattr(written, name)) for ttl, name in _LIFETIMES.items()}
    return {ttl: count for ttl, count in counts.items() if count is not None}


def _int(value: Count) -> int | None:
    return None if value is None or value < 0 else int(value)


def format_usage(usage: UnifiedUsage) -> dict[str, object]:
    """Both details are always there: the official SDK has no defaults for them."""
    before: dict[str, object] = {
        "cached_tokens": usage.cache_read_tokens or 0,
        "cache_write_tokens": usage.cache_write_tokens or 0,
    }
    if usage.cache_write_by_ttl:
        kept = {name: usage.cache_write_by_ttl.get(ttl) or 0 for ttl, name in _LIFETIMES.items()}
        if any(kept.values()):
            before["cache_write_tokens_details"] = kept
    _add(before, "audio_tokens", usage.input_audio)
    _add(before, "image_tokens", usage.input_image)
    _add(before, "text_tokens", usage.input_text)
    after: dict[str, object] = {"reasoning_tokens": usage.reasoning_tokens or 0}
    _add(after, "audio_tokens", usage.output_audio)
    _add(after, "text_tokens", usage.output_text)
    out: dict[str, object] = {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": before,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": after,
        "total_tokens": usage.total_tokens or usage.prompt_tokens + usage.completion_tokens,
    }
    if usage.ext:
        out.update(usage.ext.get(NAME, {}))
    return out


def _add(counts: dict[str, object], name: str, count: int | None) -> None:
    if count is not None:
        counts[name] = count
