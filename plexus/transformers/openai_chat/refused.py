"""What a vendor refuses is left out of the finished body, and reported (vendors.md)."""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Raw

from plexus.transformers.capabilities import Capabilities
from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.losses import EXTRAS

Body = dict[str, Any]

ROWS = {
    "audio": "audio",
    "frequency_penalty": "frequency_penalty",
    "logit_bias": "logit_bias",
    "logprobs": "logprobs",
    "metadata": "metadata",
    "min_p": "min_p",
    "modalities": "modalities",
    "moderation": "moderation",
    "parallel_tool_calls": "parallel_tool_calls",
    "prediction": "prediction",
    "presence_penalty": "presence_penalty",
    "prompt_cache_key": "prompt_cache.key",
    "prompt_cache_options": "prompt_cache",
    "prompt_cache_retention": "prompt_cache",
    "reasoning_effort": "reasoning",
    "repetition_penalty": "repetition_penalty",
    "safety_identifier": "user",
    "seed": "seed",
    "service_tier": "service_tier",
    "stop": "stop",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_logprobs": "logprobs",
    "top_p": "top_p",
    "user": "user",
    "verbosity": "verbosity",
    "web_search_options": "web_search",
}
"""Members that may be left out, and the row of the loss table that says so."""

_BUT_TIERS = tuple(name for name in EXTRAS if name != "service_tier")

KEPT = frozenset({"model", "messages", "stream", "tools", "response_format", "n"})
"""Members without which the request would mean something else."""

_NEUTRAL: dict[str, object] = {
    "frequency_penalty": 0,
    "logit_bias": {},
    "logprobs": False,
    "modalities": ["text"],
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "repetition_penalty": 1,
    "service_tier": "auto",
    "store": False,
    "temperature": 1,
    "top_p": 1,
    "verbosity": "medium",
}
"""Values whose loss changes nothing."""


def refused(capabilities: Capabilities, thinks: bool = False) -> tuple[str, ...]:
    """The members that a vendor does not take; ``thinks``: nor beside thinking."""
    names = capabilities.drop or ()
    if capabilities.openai_extras is False:
        names += EXTRAS if capabilities.service_tiers is None else _BUT_TIERS
    return names + (capabilities.thinking_drop or ()) if thinks else names


def leave_out(body: Body, names: Collection[str], log: LossLog) -> None:
    """Take ``names`` out of ``body``."""
    for name in names:
        if name not in body or name in KEPT:
            continue
        if says_something(name, body.pop(name)):
            log.note(ROWS.get(name, "extra.refused"), name)


def says_something(name: str, value: object) -> bool:
    """Whether leaving ``value`` out changes anything."""
    return name not in _NEUTRAL or _plain(value) != _NEUTRAL[name]


def _plain(value: object) -> object:
    return msgspec.json.decode(value) if isinstance(value, Raw) else value
