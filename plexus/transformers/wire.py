"""Edits below the top level of a provider's JSON, for wire steps.

Only what a step changes is written anew; every other member keeps its bytes, numbers and order of
keys included.
"""

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

Members = dict[str, Raw]

_members = msgspec.json.Decoder(Members).decode
_items = msgspec.json.Decoder(list[Raw]).decode
_text = msgspec.json.Decoder(str).decode


def members(raw: Raw | bytes | None) -> Members | None:
    """The members of an object; None for anything else."""
    if raw is None:
        return None
    try:
        return _members(raw)
    except msgspec.MsgspecError:
        return None


def items(raw: Raw | bytes | None) -> list[Raw] | None:
    """The items of a list; None for anything else."""
    if raw is None:
        return None
    try:
        return _items(raw)
    except msgspec.MsgspecError:
        return None


def text(raw: Raw | bytes | None) -> str | None:
    """A string; None for anything else."""
    if raw is None:
        return None
    try:
        return _text(raw)
    except msgspec.MsgspecError:
        return None


def encoded(value: object) -> Raw:
    """``value`` as JSON; a Raw inside it is written as it stands."""
    return Raw(msgspec.json.encode(value))


def each(raw: Raw | bytes | None, change: Callable[[Members], Members | None]) -> Raw | None:
    """The list ``raw`` with its objects changed; None when ``change`` changed none of them.

    ``change`` gets the members of one object and gives the new ones, or None to leave it alone.
    """
    found = items(raw)
    if found is None:
        return None
    changed = False
    out: list[Raw] = []
    for item in found:
        inner = members(item)
        new = None if inner is None else change(inner)
        changed = changed or new is not None
        out.append(item if new is None else encoded(new))
    return encoded(out) if changed else None


def without(found: Members, *names: str) -> Members | None:
    """The members without ``names``; None when it has none of them."""
    kept = {name: value for name, value in found.items() if name not in names}
    return kept if len(kept) < len(found) else None


def unmarked(body: Mapping[str, Raw]) -> dict[str, bytes | None]:
    """Edits of a chat body that take out every ``cache_control``: vendors refuse what they do not
    know, and the marker means nothing to them.
    """
    changes: dict[str, bytes | None] = {}
    if "cache_control" in body:
        changes["cache_control"] = None
    for name, change in (("messages", _unmarked_message), ("tools", _unmarked)):
        found = body.get(name)
        if found is not None and b'"cache_control"' in bytes(found):
            changed = each(found, change)
            if changed is not None:
                changes[name] = bytes(changed)
    return changes


def _unmarked(found: Members) -> Members | None:
    return without(found, "cache_control")


def _unmarked_message(message: Members) -> Members | None:
    content = each(message.get("content"), _unmarked)
    if content is not None:
        message = {**message, "content": content}
    bare = _unmarked(message)
    return message if bare is None and content is not None else bare
