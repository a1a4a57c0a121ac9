"""Names, and ids of messages, that Anthropic takes, by rules without state (mappings.md §5.2)."""

import hashlib
import re
from collections.abc import Iterable

from plexus.transformers.ids import base62

_LEGAL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


def message_id(value: str) -> str:
    """The ``msg_…`` id of a response: the provider's own, or one made from it."""
    return value if value.startswith("msg_") else "msg_" + base62(value)


def legal_names(names: Iterable[str]) -> dict[str, str]:
    """Each name with its legal form; different names never meet (canonical.md §3.2)."""
    wanted = dict.fromkeys(names)
    result = {name: name for name in wanted if _LEGAL_NAME.fullmatch(name)}
    taken = set(result)
    for name in wanted:
        if name in result:
            continue
        legal = _ILLEGAL.sub("_", name)
        if not legal or len(legal) > 128 or legal in taken:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            legal = f"{legal[:55]}_{digest}"
        taken.add(legal)
        result[name] = legal
    return result
