"""Text split at tags: the same whatever the cuts, and nothing lost but tags and their blanks."""

import re

from hypothesis import given
from hypothesis import strategies as st

from plexus.transformers.thinktags import BLANKS, Kind, Piece, TagSplitter, TagStage
from plexus.unified.chunks import (
    MessageStart,
    PartDelta,
    PartStart,
    PartStop,
    StreamChunk,
    StreamError,
)
from plexus.unified.content import Citation, Origin, Proof, TextContent, ThinkingContent
from plexus.unified.errors import UnifiedError

OPENING, CLOSING = "<think>", "</think>"
BITS = ["<", "think>", "<think>", "</think>", "</", "a", " ", "\n", " " * (BLANKS + 1), "é", "<t"]
TEXTS = st.lists(st.sampled_from(BITS), max_size=20).map("".join)


def splitter(anywhere: bool = False, opened: bool = False) -> TagSplitter:
    return TagSplitter(OPENING, CLOSING, anywhere=anywhere, opened=opened)


def runs(pieces: list[Piece]) -> list[tuple[Kind, str]]:
    """Pieces of one kind joined; an empty thinking piece keeps blocks apart."""
    out: list[tuple[Kind, str]] = []
    for kind, text, _ in pieces:
        if out and text and out[-1][0] == kind and out[-1][1]:
            out[-1] = (kind, out[-1][1] + text)
        else:
            out.append((kind, text))
    return [run for run in out if run[1]]


def split(text: str, cuts: list[int] | None = None, **how: bool) -> list[tuple[Kind, str]]:
    machine, at = splitter(**how), 0
    pieces: list[Piece] = []
    for cut in sorted(cut % (len(text) + 1) for cut in cuts or []):
        pieces += machine.feed(text[at:cut])
        at = cut
    pieces += [*machine.feed(text[at:]), *machine.close()]
    assert all(text[at : at + len(piece)] == piece for _, piece, at in pieces)
    return runs(pieces)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=8), st.booleans(), st.booleans())
def test_cuts_make_no_difference(text: str, cuts: list[int], anywhere: bool, opened: bool) -> None:
    whole = split(text, anywhere=anywhere, opened=opened)
    assert split(text, cuts, anywhere=anywhere, opened=opened) == whole
    each = list(range(len(text)))
    assert split(text, each, anywhere=anywhere, opened=opened) == whole


@given(TEXTS, st.booleans(), st.booleans())
def test_only_tags_and_blanks_are_taken_out(text: str, anywhere: bool, opened: bool) -> None:
    pieces = split(text, anywhere=anywhere, opened=opened)
    assert "".join(bare(piece) for _, piece in pieces) == bare(text)


def bare(text: str) -> str:
    """Without tags and blanks; two tags may share no character."""
    return "".join("".join(re.split(f"{OPENING}|{CLOSING}", text)).split())


@given(st.text(alphabet="ab <>/\n"))
def test_text_without_a_tag_is_untouched(text: str) -> None:
    for anywhere in (False, True):
        assert split(text, anywhere=anywhere) == ([("text", text)] if text else [])


def test_a_block_at_the_start() -> None:
    assert split("<think>why</think>because") == [("thinking", "why"), ("text", "because")]
    assert split("\n<think>\nwhy\n</think>\n\nbecause\n") == [
        ("thinking", "why"),
        ("text", "because\n"),
    ]


def test_a_tag_later_on_is_text() -> None:
    text = "Write <think>a</think> yourself."
    assert split(text) == [("text", text)]
    twice = "<think>a</think>b <think>c</think>"
    assert split(twice) == [("thinking", "a"), ("text", "b <think>c</think>")]


def test_anywhere_finds_every_block() -> None:
    assert split("Well. <think>a</think> b <think>c</think><think>d</think>", anywhere=True) == [
        ("text", "Well."),
        ("thinking", "a"),
        ("text", "b"),
        ("thinking", "c"),
        ("thinking", "d"),
    ]


def test_opened_begins_inside_and_forgives_the_tag() -> None:
    assert split("why</think>so", opened=True) == [("thinking", "why"), ("text", "so")]
    assert split("<think>why</think>so", opened=True) == [("thinking", "why"), ("text", "so")]
    assert split("why", opened=True) == [("thinking", "why")]


def test_a_block_that_never_ends_is_thinking() -> None:
    assert split("<think>why </thin") == [("thinking", "why </thin")]


def test_an_empty_block_leaves_nothing() -> None:
    assert split("<think>\n\n</think>\n\nso") == [("text", "so")]
    assert split("<think></think>") == []


def test_half_a_tag_is_text() -> None:
    assert split("<thi") == [("text", "<thi")]
    assert split(" <thinking>") == [("text", " <thinking>")]


# Parts of a stream.

START = MessageStart(id="r", model="m")


def staged(*chunks: StreamChunk, anywhere: bool = False) -> list[StreamChunk]:
    stage = TagStage(lambda: splitter(anywhere), first=not anywhere)
    return [out for chunk in chunks for out in stage.feed(chunk)]


def text_part(index: int, *values: str | Citation | Proof, choice: int = 0) -> list[StreamChunk]:
    text = "".join(value for value in values if isinstance(value, str))
    cited = tuple(value for value in values if isinstance(value, Citation))
    proofs = [value for value in values if isinstance(value, Proof)]
    part = TextContent(text=text, citations=cited, proof=proofs[0] if proofs else None)
    out: list[StreamChunk] = [PartStart(index, TextContent(text=""), choice)]
    for value in values:
        kind = {str: "text", Citation: "citation", Proof: "proof"}[type(value)]
        out.append(PartDelta(index, kind, value))  # type: ignore[arg-type]
    return [*out, PartStop(index, part)]


def parts(chunks: list[StreamChunk]) -> list[object]:
    return [chunk.part for chunk in chunks if isinstance(chunk, PartStop)]


def test_indexes_stay_dense_when_a_part_becomes_two() -> None:
    out = staged(*text_part(0, "<think>a</think>b"), *text_part(1, "<think>c"))
    starts = [chunk.index for chunk in out if isinstance(chunk, PartStart)]
    assert starts == [0, 1, 2]
    assert parts(out) == [
        ThinkingContent(text="a"),
        TextContent(text="b"),
        TextContent(text="<think>c"),
    ]


def test_each_choice_has_its_own_start() -> None:
    out = staged(*text_part(0, "<think>a</think>"), *text_part(1, "<think>b</think>", choice=1))
    assert parts(out) == [ThinkingContent(text="a"), ThinkingContent(text="b")]


def test_citations_move_with_the_text() -> None:
    text = "<think>a</think>see b"
    cited = Citation("url", url="https://a.example", start=20, end=21)
    (_, said) = parts(staged(*text_part(0, text, cited)))
    assert isinstance(said, TextContent)
    (moved,) = said.citations
    assert said.text[moved.start : moved.end] == "b"
    other = Citation("document_char", start=20, end=21)
    (_, said) = parts(staged(*text_part(0, text, other)))
    assert isinstance(said, TextContent) and said.citations == (other,)


def test_a_proof_of_the_text_survives_when_no_text_is_left() -> None:
    proof = Proof("x", "signature", Origin("gemini"))
    thought, bearer = parts(staged(*text_part(0, "<think>a</think>", proof)))
    assert thought == ThinkingContent(text="a")
    assert bearer == TextContent(text="", proof=proof)


def test_what_was_held_back_comes_before_an_error() -> None:
    error = StreamError(UnifiedError(kind="server", message="x"), partial=True)
    begun = [PartStart(0, TextContent(text="")), PartDelta(0, "text", "so <thi")]
    out = staged(START, *begun, error, anywhere=True)
    assert "".join(str(c.value) for c in out if isinstance(c, PartDelta)) == "so <thi"
    assert out[-1] == error


def test_an_empty_text_stays_an_empty_text() -> None:
    assert parts(staged(*text_part(0))) == [TextContent(text="")]
    assert parts(staged(*text_part(0, "<think> </think>"))) == []
