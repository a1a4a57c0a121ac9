"""Signatures that travelled as thinking without text, back on the parts they came with."""

from collections.abc import Iterable
from typing import TypeAlias

from msgspec.structs import replace

from plexus.unified.content import (
    Content,
    Proof,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)

Item: TypeAlias = tuple[Content, str]
"""A part and its path in the request."""


def placed(items: Iterable[Item], family: str) -> list[Item]:
    """Signatures on the parts they came with.

    Dialects without a field for them carry a signature as thinking without text, before the call
    it belongs to or behind the text (canonical.md §6).  The first call of a step is the one that is
    signed, so a signature behind an unsigned first call is that call's.
    """
    out: list[Item] = []
    loose: Proof | None = None
    for part, where in items:
        if isinstance(part, ThinkingContent) and _bare(part, family):
            _settle_loose(out, loose)
            loose = part.proof
            if _first_call(out):
                out[-1] = (replace(out[-1][0], proof=loose), out[-1][1])
                loose = None
            continue
        if loose is not None and isinstance(part, ToolCallContent) and part.proof is None:
            part, loose = replace(part, proof=loose), None
        else:
            _settle_loose(out, loose)
            loose = None
        out.append((part, where))
    _settle_loose(out, loose)
    return out


def _first_call(out: list[Item]) -> bool:
    """The last part is the only call so far, and it is not signed."""
    calls = [part for part, _ in out if isinstance(part, ToolCallContent)]
    return len(calls) == 1 and calls[0] is out[-1][0] and calls[0].proof is None


def _bare(part: ThinkingContent, family: str) -> bool:
    proof = part.proof
    return proof is not None and proof.origin.family == family and not (part.text or part.summary)


def _settle_loose(out: list[Item], loose: Proof | None) -> None:
    """A signature with no call behind it: the text's before it, else a part of its own."""
    if loose is None:
        return
    part, where = out[-1] if out else (None, "messages")
    if isinstance(part, TextContent) and part.proof is None:
        out[-1] = (replace(part, proof=loose), where)
    else:
        out.append((TextContent(text="", proof=loose), where))
