"""Chunks and responses are two forms of one thing; the grammar holds for what unfold makes."""

import pytest
from msgspec import Raw

from plexus.unified.chunks import (
    FinishReport,
    GrammarError,
    MessageStart,
    MessageStop,
    PartDelta,
    PartStart,
    PartStop,
    Ping,
    StreamChunk,
    StreamError,
    UsageReport,
    check_grammar,
)
from plexus.unified.content import (
    AudioContent,
    Citation,
    Content,
    MediaSource,
    OpaqueContent,
    Origin,
    Proof,
    RefusalContent,
    TextContent,
    ThinkingContent,
    ToolCallContent,
)
from plexus.unified.errors import PlexusError, UnifiedError
from plexus.unified.fold import PartBuilder, fold, unfold
from plexus.unified.request import UnifiedMessage
from plexus.unified.response import Choice, Finish, UnifiedChatResponse, UnifiedUsage

PROOF = Proof("sig", "signature", Origin("anthropic"))

PARTS: dict[str, Content] = {
    "text": TextContent(text="hello"),
    "empty text": TextContent(text=""),
    "text with citations": TextContent(
        text="a", citations=(Citation("url", url="u"),), proof=PROOF
    ),
    "thinking": ThinkingContent(text="hm", proof=PROOF),
    "summaries": ThinkingContent(summary=("one", "two"), id="rs_1", proof=PROOF),
    "redacted": ThinkingContent(redacted=True, proof=PROOF),
    "call": ToolCallContent(id="c1", name="f", arguments='{"a":1}'),
    "signed call": ToolCallContent(id="c1", name="f", arguments="", proof=PROOF),
    "custom call": ToolCallContent(id="c1", name="f", arguments="free", kind="custom"),
    "refusal": RefusalContent(text="no"),
    "opaque": OpaqueContent(dialect="d", raw=Raw(b"{}")),
    "audio": AudioContent(source=MediaSource("base64", data="AAAA"), id="a1", transcript="hi"),
}


def response(*contents: tuple[Content, ...]) -> UnifiedChatResponse:
    return UnifiedChatResponse(
        id="r1",
        model="m",
        dialect="openai-chat",
        created=5,
        service_tier="default",
        choices=tuple(
            Choice(
                index=number,
                message=UnifiedMessage(role="assistant", content=content),
                finish=Finish("stop", raw="stop"),
                logprobs=Raw(b"{}") if number == 0 else None,
                ext={"d": {"k": Raw(b"1")}},
            )
            for number, content in enumerate(contents)
        ),
        usage=UnifiedUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3),
        ext={"openai-chat": {"x": Raw(b"2")}},
    )


@pytest.mark.parametrize("name", PARTS)
def test_fold_undoes_unfold(name: str) -> None:
    whole = response((PARTS[name],))
    chunks = list(unfold(whole))
    check_grammar(chunks)
    assert fold(chunks) == whole


def test_several_parts_and_choices() -> None:
    whole = response(tuple(PARTS.values()), (PARTS["text"],), ())
    chunks = list(unfold(whole))
    check_grammar(chunks)
    assert fold(chunks) == whole


def test_an_error_chunk_is_raised() -> None:
    error = UnifiedError(kind="upstream", message="gone")
    with pytest.raises(PlexusError, match="gone"):
        fold([MessageStart(id="a", model="m"), StreamError(error)])


def test_builder_joins_fragments() -> None:
    builder = PartBuilder(ThinkingContent())
    for sub, piece in ((0, "a"), (0, "b"), (1, "c")):
        builder.add(PartDelta(0, "thinking_summary", piece, sub))
    builder.add(PartDelta(0, "proof", PROOF))
    assert builder.build() == ThinkingContent(summary=("ab", "c"), proof=PROOF)


START = MessageStart(id="a", model="m")
TEXT = TextContent(text="")
END = FinishReport(Finish("stop"))

BROKEN: dict[str, list[StreamChunk]] = {
    "nothing": [],
    "no start": [PartStart(0, TEXT)],
    "two starts": [START, START],
    "no end": [START, END],
    "no finish": [START, MessageStop()],
    "finish twice": [START, END, END, MessageStop()],
    "part left open": [START, PartStart(0, TEXT), END, MessageStop()],
    "index not dense": [START, PartStart(1, TEXT)],
    "delta before start": [START, PartDelta(0, "text", "x")],
    "delta after stop": [START, PartStart(0, TEXT), PartStop(0, TEXT), PartDelta(0, "text", "x")],
    "stop twice": [START, PartStart(0, TEXT), PartStop(0, TEXT), PartStop(0, TEXT)],
    "after the end": [START, END, MessageStop(), Ping()],
    "after an error": [START, StreamError(UnifiedError(kind="server", message="")), END],
}


@pytest.mark.parametrize("name", BROKEN)
def test_grammar_refuses(name: str) -> None:
    with pytest.raises(GrammarError):
        check_grammar(BROKEN[name])


def test_grammar_allows_interleaved_parts_and_early_errors() -> None:
    check_grammar(
        [
            START,
            UsageReport(UnifiedUsage()),
            PartStart(0, TEXT),
            PartStart(1, TEXT),
            PartDelta(0, "text", "x"),
            PartDelta(1, "text", "y"),
            PartStop(1, TEXT),
            Ping(),
            PartStop(0, TEXT),
            END,
            MessageStop(),
        ]
    )
    check_grammar([StreamError(UnifiedError(kind="server", message=""))])
