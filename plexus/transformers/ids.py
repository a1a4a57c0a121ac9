"""Ids of calls as clients and providers take them: rules without any state (mappings.md §5.2)."""

import hashlib
import re

_LIMIT = 64
_ANTHROPIC = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [low + high for high in _BASE62 for low in _BASE62]
_MADE = "call_plx"


def base62(text: str, length: int = 24) -> str:
    """The first ``length`` base-62 digits of the SHA-256 of ``text`` (at most 43 are distinct)."""
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), "big")
    pairs = []
    for _ in range((length + 1) // 2):
        # Two digits a division: the number is long.
        number, pair = divmod(number, 62 * 62)
        pairs.append(_PAIRS[pair])
    return "".join(pairs)[:length]


def anthropic_id(value: str, prefix: str, salt: str = "") -> str:
    """``value`` where Anthropic takes it, else an id made from it; ``salt`` forces a new one."""
    if not salt and _ANTHROPIC.fullmatch(value):
        return value
    return prefix + base62(value + salt)


def openai_id(value: str) -> str:
    """``value`` where OpenAI takes it, else an id made from it."""
    return value if 0 < len(value) <= _LIMIT else "call_" + base62(value)


def made_id(seed: str) -> str:
    """An id for a call that came without one; legal in every dialect."""
    return _MADE + base62(seed, 21)


def is_made(call_id: str) -> bool:
    """Whether the id is one of ours: at Gemini such calls are paired by name and order again."""
    return call_id.startswith(_MADE)
