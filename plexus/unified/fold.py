"""Chunks to a response and back: one truth for JSON and streams.

``fold(unfold(response)) == response`` for every response; tests hold it for all recorded answers.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.unified.chunks import (
    FinishReport,
    LogprobsDelta,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
    UsageReport,
)
from plexus.unified.content import (
    AudioContent,
    Citation,
    Content,
    Ext,
    MediaSource,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError
from plexus.unified.request import UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse, UnifiedUsage

_token_lists = msgspec.json.Decoder(dict[str, list[Raw] | None]).decode


SUMMARY_LIMIT = 1_000
"""Texts of one reasoning summary at most: its index comes from the provider, and costs memory."""


class PartBuilder:
    """Accumulates the deltas of one part; ``build`` gives the finished part.

    Fragments are kept in lists and joined once, so 5 MB of one-character deltas stay linear.
    """

    def __init__(self, skeleton: Content) -> None:
        self._skeleton = skeleton
        self._text: list[str] = []
        self._summary: list[list[str]] = []
        self._citations: list[Citation] = []
        self._proof: Proof | None = skeleton.proof
        self._data: list[str] = []

    def add(self, delta: PartDelta) -> None:
        value = delta.value
        # Texts first: a class that is asked in vain costs 0.35 us.
        if not isinstance(value, str):
            if isinstance(value, Proof):
                self._proof = value
            else:
                self._citations.append(value)
        elif delta.kind == "thinking_summary":
            sub = min(delta.sub, SUMMARY_LIMIT - 1)
            while len(self._summary) <= sub:
                self._summary.append([])
            self._summary[sub].append(value)
        elif delta.kind == "audio":
            self._data.append(value)
        else:
            self._text.append(value)

    @property
    def text(self) -> str:
        """Text or arguments so far."""
        return "".join(self._text)

    def build(self) -> Content:
        part, text = self._skeleton, "".join(self._text)
        match part:
            case TextContent():
                return replace(
                    part,
                    text=part.text + text,
                    citations=part.citations + tuple(self._citations),
                    proof=self._proof,
                )
            case ThinkingContent():
                summary = tuple("".join(piece) for piece in self._summary)
                return replace(
                    part,
                    text=part.text + text,
                    summary=summary or part.summary,
                    proof=self._proof,
                )
            case ToolCallContent():
                return replace(part, arguments=part.arguments + text, proof=self._proof)
            case RefusalContent():
                return replace(part, text=part.text + text, proof=self._proof)
            case AudioContent():
                data = "".join(self._data)
                source = MediaSource("base64", data=data) if data else part.source
                transcript = (part.transcript or "") + text
                return replace(part, source=source, transcript=transcript or None)
            case _:
                return part


def fold(chunks: Iterable[StreamChunk]) -> UnifiedChatResponse:
    """Chunks to the response they describe.  Raises PlexusError on a StreamError."""
    start: MessageStart | None = None
    where: dict[int, int] = {}
    parts: dict[int, Content] = {}
    finishes: dict[int, Finish] = {}
    choice_ext: dict[int, Ext] = {}
    logprobs: dict[int, list[Raw]] = {}
    usage: UnifiedUsage | None = None
    ext: Ext = {}
    for chunk in chunks:
        match chunk:
            case PartDelta():
                # The most frequent, and every class that is asked in vain costs 0.35 us.
                pass
            case MessageStart():
                start, ext, usage = chunk, chunk.ext, chunk.usage
            case PartStart(index=index, choice=choice):
                where[index] = choice
            case PartStop(index=index, part=part):
                parts[index] = part
            case LogprobsDelta(choice=choice, raw=raw):
                logprobs.setdefault(choice, []).append(raw)
            case UsageReport(usage=seen):
                usage = seen
            case FinishReport(choice=choice, finish=finish):
                finishes[choice] = finish
                choice_ext[choice] = chunk.ext
            case MessageStop():
                ext = {**ext, **chunk.ext}
            case StreamError(error=error):
                raise PlexusError(error)
            case _:
                pass
    if start is None:
        raise ValueError("a stream without MessageStart cannot be folded")
    choices = tuple(
        Choice(
            index=choice,
            message=UnifiedMessage(
                role="assistant",
                content=tuple(parts[i] for i in sorted(parts) if where[i] == choice),
            ),
            finish=finishes[choice],
            logprobs=_joined(logprobs[choice]) if choice in logprobs else None,
            ext=choice_ext[choice],
        )
        for choice in sorted(finishes)
    )
    return UnifiedChatResponse(
        id=start.id,
        model=start.model,
        choices=choices,
        dialect=start.dialect,
        created=start.created,
        usage=usage,
        service_tier=start.service_tier,
        ext=ext,
    )


def _joined(pieces: list[Raw]) -> Raw:
    """The log-probabilities of a choice: each list of the pieces goes on where the last one ended.

    What is no object of lists says only its last piece.
    """
    if len(pieces) == 1:
        return pieces[0]
    whole: dict[str, list[Raw] | None] = {}
    try:
        for piece in pieces:
            for name, tokens in _token_lists(piece).items():
                whole[name] = [*(whole.get(name) or []), *tokens] if tokens else whole.get(name)
    except msgspec.DecodeError:
        return pieces[-1]
    return Raw(msgspec.json.encode(whole))


def unfold(response: UnifiedChatResponse) -> Iterator[StreamChunk]:
    """The chunks of a finished response, in order, each text in one delta.

    Log-probabilities come before the text they belong to, as in a stream.
    """
    yield MessageStart(
        id=response.id,
        model=response.model,
        created=response.created,
        dialect=response.dialect,
        service_tier=response.service_tier,
        ext=response.ext,
    )
    index = 0
    for choice in response.choices:
        if choice.logprobs is not None:
            yield LogprobsDelta(choice.index, choice.logprobs)
        for part in choice.message.content:
            yield from _unfold_part(index, choice.index, part)
            index += 1
    if response.usage is not None:
        yield UsageReport(response.usage, final=True)
    for choice in response.choices:
        yield FinishReport(choice.finish, choice.index, choice.ext)
    yield MessageStop()


def _unfold_part(index: int, choice: int, part: Content) -> Iterator[StreamChunk]:
    skeleton, deltas = _open_part(index, part)
    yield PartStart(index, skeleton, choice)
    yield from deltas
    yield PartStop(index, part)


def _open_part(index: int, part: Content) -> tuple[Content, list[PartDelta]]:
    """Skeleton and deltas that build ``part`` again."""
    deltas: list[PartDelta] = []
    match part:
        case TextContent():
            if part.text:
                deltas.append(PartDelta(index, "text", part.text))
            deltas += [PartDelta(index, "citation", citation) for citation in part.citations]
            skeleton: Content = replace(part, text="", citations=(), proof=None)
        case ThinkingContent():
            if part.text:
                deltas.append(PartDelta(index, "thinking", part.text))
            for sub, piece in enumerate(part.summary or ()):
                deltas.append(PartDelta(index, "thinking_summary", piece, sub))
            if part.redacted:
                return part, []
            skeleton = replace(part, text="", summary=None, proof=None)
        case ToolCallContent():
            # A call's signature is known with its name; some clients must see it before the call.
            if part.arguments:
                return replace(part, arguments=""), [PartDelta(index, "tool_args", part.arguments)]
            return part, []
        case RefusalContent():
            if part.text:
                deltas.append(PartDelta(index, "refusal", part.text))
            skeleton = replace(part, text="", proof=None)
        case _:
            return part, []
    if part.proof is not None:
        deltas.append(PartDelta(index, "proof", part.proof))
    return skeleton, deltas
