"""Token counts of chat answers, vendors' variants included (canonical.md §4, mappings.md §14)."""

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.openai_chat.losses import NAME
from plexus.unified.content import Ext
from plexus.unified.response import UnifiedUsage

Count = int | float | None
_members = msgspec.json.Decoder(dict[str, Raw]).decode


class PromptDetails(Struct):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    text_tokens: Count = None


class CompletionDetails(Struct):
    reasoning_tokens: Count = None
    audio_tokens: Count = None
    text_tokens: Count = None
    accepted_prediction_tokens: Count = None
    rejected_prediction_tokens: Count = None


class Usage(Struct):
    """The counters Plexus knows; vendors send floats and nulls."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None


class _Exact(Usage, forbid_unknown_fields=True):
    """Usage that says nothing else, as OpenAI's."""

    prompt_cache_miss_tokens: Raw = Raw()


_KNOWN = frozenset(_Exact.__struct_fields__)
_exact = msgspec.json.Decoder(_Exact).decode
_usage = msgspec.json.Decoder(Usage).decode


def parse_usage(raw: Raw) -> UnifiedUsage | None:
    """``usage`` of an answer; None when it has no counts.  Unknown members are kept."""
    try:
        return unify(_exact(raw), {})
    except msgspec.DecodeError:
        pass
    try:
        seen = _usage(raw)
        fields = _members(raw)
    except msgspec.DecodeError:
        return None
    extra = {name: value for name, value in fields.items() if name not in _KNOWN}
    return unify(seen, {NAME: extra} if extra else {})


def unify(seen: Usage, ext: Ext) -> UnifiedUsage | None:
    """Canonical counts of ``seen``; vendors' variants are evened out (traps.md T35, T38)."""
    if seen.prompt_tokens is None and seen.completion_tokens is None:
        return None
    prompt, completion = _int(seen.prompt_tokens) or 0, _int(seen.completion_tokens) or 0
    total = _int(seen.total_tokens) or 0
    before, after = seen.prompt_tokens_details, seen.completion_tokens_details
    if before is None and after is None and seen.prompt_cache_hit_tokens is None:
        return UnifiedUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=max(total, prompt + completion),
            ext=ext,
        )
    before, after = before or _NO_PROMPT, after or _NO_COMPLETION
    cached = _int(before.cached_tokens)
    if cached is None:
        cached = _int(seen.prompt_cache_hit_tokens)
    reasoning = _int(after.reasoning_tokens)
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning
    if cached is not None and cached > prompt:
        prompt += cached
    written = _int(before.cache_write_tokens)
    if written is not None and cached is not None:
        # Read and written are disjoint parts of the prompt; OpenRouter counts some twice.
        written = min(written, prompt - cached)
    return UnifiedUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=max(total, prompt + completion),
        cache_read_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        input_audio=_int(before.audio_tokens),
        input_image=_int(before.image_tokens),
        input_text=_int(before.text_tokens),
        output_audio=_int(after.audio_tokens),
        output_text=_int(after.text_tokens),
        accepted_prediction=_int(after.accepted_prediction_tokens),
        rejected_prediction=_int(after.rejected_prediction_tokens),
        ext=ext,
    )


_NO_PROMPT = PromptDetails()
_NO_COMPLETION = CompletionDetails()


def _int(value: Count) -> int | None:
    # Some vendors report -1 for "unknown".
    return None if value is None or value < 0 else int(value)


def format_usage(usage: UnifiedUsage) -> dict[str, object]:
    """``usage`` as chat clients read it; details only where something is known."""
    out: dict[str, object] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens or usage.prompt_tokens + usage.completion_tokens,
    }
    if usage == UnifiedUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    ):
        return out
    prompt = _present(
        cached_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        audio_tokens=usage.input_audio,
        image_tokens=usage.input_image,
        text_tokens=usage.input_text,
    )
    completion = _present(
        reasoning_tokens=usage.reasoning_tokens,
        audio_tokens=usage.output_audio,
        text_tokens=usage.output_text,
        accepted_prediction_tokens=usage.accepted_prediction,
        rejected_prediction_tokens=usage.rejected_prediction,
    )
    if prompt:
        out["prompt_tokens_details"] = prompt
    if completion:
        out["completion_tokens_details"] = completion
    return {**out, **usage.ext.get(NAME, {})}


def _present(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}
