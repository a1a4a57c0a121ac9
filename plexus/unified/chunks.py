"""StreamChunk: the events of a stream in no dialect (reference/canonical.md §5), and their grammar.

Grammar: one MessageStart first; every PartStart has one PartStop, deltas only between them; several
parts may be open at once; part indexes are dense and 0-based in order of opening; one Finish per
choice before MessageStop; after StreamError nothing follows.  UsageReport and Ping may come
anywhere after MessageStart.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Raw, Struct

from plexus.unified.content import Citation, Content, Ext, Proof
from plexus.unified.errors import UnifiedError
from plexus.unified.response import Finish, UnifiedUsage

DeltaKind: TypeAlias = Literal[
    "text",
    "thinking",
    "thinking_summary",
    "proof",
    "tool_args",
    "citation",
    "refusal",
    "audio",
    "transcript",
    "data",
]


class MessageStart(Struct, frozen=True, kw_only=True):
    id: str
    model: str
    created: int = 0
    dialect: str = ""
    usage: UnifiedUsage | None = None
    service_tier: str | None = None
    ext: Ext = {}


class PartStart(Struct, frozen=True):
    """``part`` is a skeleton: the part with what is known at its start (name, id), texts empty.

    Parts that come whole (redacted thinking, server-tool results) are complete in their start.
    """

    index: int
    part: Content
    choice: int = 0


class PartDelta(Struct, frozen=True):
    """A fragment of part ``index``.

    ``value`` is text for text, thinking, thinking_summary, tool_args (also the input of a custom
    tool), refusal, audio (base64), transcript and data; a Proof for proof (it replaces); a Citation
    for citation.  ``sub`` is the summary index of thinking_summary.
    """

    index: int
    kind: DeltaKind
    value: str | Proof | Citation
    sub: int = 0


class PartStop(Struct, frozen=True):
    """``part`` is the accumulated part, authoritative."""

    index: int
    part: Content


class LogprobsDelta(Struct, frozen=True):
    """Log-probabilities of a choice as the dialect wrote them (chat's ``choice.logprobs``)."""

    choice: int
    raw: Raw


class UsageReport(Struct, frozen=True):
    """A cumulative snapshot, never an increment."""

    usage: UnifiedUsage
    final: bool = False


class FinishReport(Struct, frozen=True):
    finish: Finish
    choice: int = 0
    ext: Ext = {}


class MessageStop(Struct, frozen=True):
    ext: Ext = {}


class Ping(Struct, frozen=True):
    pass


class StreamError(Struct, frozen=True):
    """``partial``: content was already seen (past the commit point)."""

    error: UnifiedError
    partial: bool = False


class OpaqueChunk(Struct, frozen=True):
    """An event of ``dialect`` that has no canonical form; dropped for other dialects."""

    dialect: str
    name: str
    raw: Raw


StreamChunk: TypeAlias = (
    MessageStart
    | PartStart
    | PartDelta
    | PartStop
    | LogprobsDelta
    | UsageReport
    | FinishReport
    | MessageStop
    | Ping
    | StreamError
    | OpaqueChunk
)


class GrammarError(ValueError):
    """A sequence of chunks that breaks the grammar of this module."""


def check_grammar(chunks: Iterable[StreamChunk]) -> None:
    """Raise GrammarError unless ``chunks`` is a whole, well-formed stream.  For tests."""
    state = "new"
    opened = 0
    live: set[int] = set()
    finished: set[int] = set()
    for chunk in chunks:
        if state == "done":
            raise GrammarError(f"{chunk!r} after the end")
        match chunk:
            case MessageStart():
                if state != "new":
                    raise GrammarError("second MessageStart")
                state = "open"
            case Ping():
                pass
            case StreamError():
                state = "done"
            case _ if state == "new":
                raise GrammarError(f"{chunk!r} before MessageStart")
            case PartStart(index=index):
                if index != opened:
                    raise GrammarError(f"part {index} opened, expected {opened}")
                opened += 1
                live.add(index)
            case PartDelta(index=index):
                if index not in live:
                    raise GrammarError(f"delta for part {index}, which is not open")
            case PartStop(index=index):
                if index not in live:
                    raise GrammarError(f"stop of part {index}, which is not open")
                live.discard(index)
            case FinishReport(choice=choice):
                if choice in finished:
                    raise GrammarError(f"choice {choice} finished twice")
                finished.add(choice)
            case MessageStop():
                if live or not finished:
                    raise GrammarError(f"MessageStop with open parts {sorted(live)} or no finish")
                state = "done"
            case UsageReport() | LogprobsDelta() | OpaqueChunk():
                pass
    if state != "done":
        raise GrammarError(f"stream ends in state {state}")
