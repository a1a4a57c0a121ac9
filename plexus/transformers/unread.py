"""What a client said about thinking in words that only its own dialect knows."""

from plexus.unified.request import Reasoning

_REPEATS = "openai-chat"
"""Chat keeps a vendor's form whole, for its own dialect, also what was understood of it."""


def unread(reasoning: Reasoning | None, own: str) -> str | None:
    """A member that is lost in dialect ``own``, None when there is none."""
    if reasoning is None:
        return None
    understood = reasoning != Reasoning(ext=reasoning.ext)
    for dialect, fields in reasoning.ext.items():
        if dialect != own and fields and not (understood and dialect == _REPEATS):
            return next(iter(fields))
    return None
