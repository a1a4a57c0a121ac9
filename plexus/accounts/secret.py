"""A secret that does not show itself."""

import re
from typing import final

_PROXY = re.compile(
    r"https?://(?:[^@/?#\s]*@)?(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?/?", re.IGNORECASE
)


@final
class Secret:
    """Holds a credential; ``repr``, ``str`` and formatting show stars.  ``reveal`` gives it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def clean(raw: str) -> str:
    """A value without the final newline of an editor or a shell."""
    return raw.removesuffix("\n").removesuffix("\r")


def defect(value: str) -> str | None:
    """Why ``value`` can be no credential, without a word of it; None when it can."""
    if not value.strip():
        return "is empty"
    if value != value.strip():
        return "begins or ends with a blank"
    if not value.isascii() or not value.isprintable():
        return "holds characters that no HTTP header can carry"
    return None


def proxy_defect(value: str) -> str | None:
    """Why ``value`` is no HTTP proxy's URL, without a word of it; it may have a password."""
    found = _PROXY.fullmatch(value)
    if found is None or int(found[1] or 1) not in range(1, 65536):
        return "is no http or https URL of a proxy"
    return None
