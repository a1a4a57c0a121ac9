"""The dialect's name, and names and ids by rules that need no state (mappings.md §5.2)."""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

NAME: Final = "gemini"
FAMILY: Final = "gemini"

_LEGAL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_ILLEGAL = re.compile(r"[^A-Za-z0-9_.:-]")


def legal_names(names: Iterable[str]) -> dict[str, str]:
    """Each name with its legal form; different names never meet (canonical.md §3.2)."""
    wanted = dict.fromkeys(names)
    result = {name: name for name in wanted if _LEGAL_NAME.fullmatch(name)}
    taken = set(result)
    for name in wanted:
        if name in result:
            continue
        legal = _ILLEGAL.sub("_", name)
        if not legal or legal[0] in "0123456789.:-":
            legal = f"_{legal}"
        if len(legal) > 128 or legal in taken:
            digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
            legal = f"{legal[:55]}_{digest}"
        taken.add(legal)
        result[name] = legal
    return result
