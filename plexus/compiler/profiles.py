"""Vendors' quirks as data: what ``"profile": "deepseek"`` says about a provider's models.

Source: reference/vendors.md §1 and the sections of the vendors.  Only what a vendor's own SDK or
documentation says stands here; a model's ``capabilities`` win over it.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Profile(Struct, frozen=True):
    """``family``: whose proofs its models take; ``capabilities``: defaults for its models."""

    family: str
    capabilities: dict[str, Any] = {}


def _chat(family: str, **capabilities: Any) -> Profile:
    """A vendor of OpenAI-compatible chat: instructions stand in ``system`` messages."""
    return Profile(family, {"system_role": "system", **capabilities})


_LONG = "max_completion_tokens"
_SHORT = "max_tokens"

PROFILES: dict[str, Profile] = {
    "amazon": Profile("amazon"),
    "anthropic": Profile("anthropic"),
    "azure": Profile("openai", {"max_tokens_field": _LONG}),
    "cerebras": _chat("cerebras", max_tokens_field=_LONG, reasoning_field="reasoning"),
    "deepseek": _chat(
        "deepseek",
        max_tokens_field=_SHORT,
        reasoning_field="reasoning_content",
        json_schema=False,
    ),
    "groq": _chat("groq", max_tokens_field=_LONG, reasoning_field="reasoning", stop_max=4),
    "mistral": _chat("mistral", max_tokens_field=_SHORT),
    "moonshot": _chat("moonshot", max_tokens_field=_SHORT, reasoning_field="reasoning_content"),
    "ollama": _chat("ollama", max_tokens_field=_SHORT, reasoning_field="reasoning"),
    "openai": Profile("openai", {"max_tokens_field": _LONG}),
    "openrouter": _chat("openrouter", max_tokens_field=_SHORT, reasoning_field="reasoning"),
    "qwen": _chat("qwen", max_tokens_field=_SHORT, reasoning_field="reasoning_content"),
    "together": _chat("together", max_tokens_field=_SHORT),
    "vercel": _chat("vercel", reasoning_field="reasoning"),
    "vllm": _chat("vllm", max_tokens_field=_SHORT, reasoning_field="reasoning"),
    "xai": _chat("xai", max_tokens_field=_SHORT, reasoning_field="reasoning_content"),
    "zai": _chat("zai", max_tokens_field=_SHORT, reasoning_field="reasoning_content"),
}
