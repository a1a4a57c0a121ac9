"""Tool arguments put right: JSON untouched, everything else the same whatever the cuts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexus.transformers.mending import Mender, is_object, mended

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(WORDS, VALUES, max_size=5)
STYLES: list[dict[str, Any]] = [
    {},
    {"ensure_ascii": False},
    {"indent": 2},
    {"separators": (",", ":")},
    {"separators": (" ,\n", "\t: ")},
]
BITS = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "'",
    "\\",
    "\n",
    " ",
    "a",
    "1",
    "-",
    ".",
    "//",
    "/*",
    "*/",
]
BITS += [
    '"a":',
    "```",
    "json",
    "True",
    "\\u00",
    "\\x4",
    "é",
    "\u201c",
    "\u201d",
    '{"a":',
    "0x",
    "#",
]
JUNK = st.lists(st.sampled_from(BITS), max_size=14).map("".join)


def pieces(text: str, cuts: list[int]) -> list[str]:
    ends = sorted(cut % (len(text) + 1) for cut in cuts)
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


def read(fragments: list[str], cut: bool = False) -> str:
    mender = Mender()
    return "".join([*map(mender.feed, fragments), mender.close(cut)])


@given(OBJECTS, st.sampled_from(STYLES), st.lists(st.integers(0, 99), max_size=5), st.booleans())
def test_json_comes_back_byte_for_byte(
    value: dict[str, Any], style: dict[str, Any], cuts: list[int], cut: bool
) -> None:
    text = f" {json.dumps(value, **style)}\n"
    assert read([text], cut) == text
    assert read(pieces(text, cuts), cut) == text
    assert read(list(text), cut) == text


@given(JUNK | JUNK.map('{"a": '.__add__), st.lists(st.integers(0, 60), max_size=5), st.booleans())
def test_cuts_make_no_difference(text: str, cuts: list[int], cut: bool) -> None:
    whole = read([text], cut)
    assert read(pieces(text, cuts), cut) == whole
    assert read(list(text), cut) == whole


@given(JUNK.map('{"a": '.__add__))
def test_what_begins_as_an_object_ends_as_one(text: str) -> None:
    """Unless something else follows it, which stays."""
    out = mended(text)
    assert is_object(out) or _has_more(out)


def _has_more(text: str) -> bool:
    try:
        _, end = json.JSONDecoder(strict=True).raw_decode(text)
    except ValueError:
        return False
    return bool(text[end:].strip())


@given(OBJECTS, st.integers(0, 99))
def test_a_cut_call_is_not_made_whole(value: dict[str, Any], at: int) -> None:
    text = json.dumps(value)
    begun = text[: at % (len(text) + 1)]
    assert read([begun], cut=True) == begun
    assert read(list(begun), cut=True) == begun
    assert begun == "" or is_object(mended(begun))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('{"a": "line\nbreak\ttab\x01"}', {"a": "line\nbreak\ttab\x01"}),
        (r'{"a": "C:\Users\d"}', {"a": r"C:\Users\d"}),
        (r'{"a": "\x41 \u12 it\'s"}', {"a": r"A \u12 it's"}),
        (r'{"a": "\ud83d\ude00 \ud83d \ude00"}', {"a": "\U0001f600 \ufffd \ufffd"}),
        ('{"a": "ls \\\n -l"}', {"a": "ls \\\n -l"}),
        ('{"a": "he said "hi" to me", "b": 2}', {"a": 'he said "hi" to me', "b": 2}),
        ("{'a': 'b', \"c\": 'say \"x\"'}", {"a": "b", "c": 'say "x"'}),
        ("{'a': 'it's fine'}", {"a": "it's fine"}),
        ("{\u201ca\u201d: \u2018b\u2019}", {"a": "b"}),
        ("{a: 1, b-c: x y}", {"a": 1, "b-c": "x y"}),
        (
            "{a: True, b: False, c: None, d: undefined, e: NaN}",
            {"a": True, "b": False, "c": None, "d": None, "e": None},
        ),
        (
            "{a: .5, b: 5., c: 0x1F, d: +3, e: 1_000, f: -.5}",
            {"a": 0.5, "b": 5.0, "c": 31, "d": 3, "e": 1000, "f": -0.5},
        ),
        ("{a: 007, b: 2026-11-26}", {"a": "007", "b": "2026-11-26"}),
        ('{"a": [1, 2,],}', {"a": [1, 2]}),
        ('{"a": 1,, "b": 2}', {"a": 1, "b": 2}),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}),
        ('{"a": "x"\n "b": ["y" "z"]}', {"a": "x", "b": ['y" "z']}),
        ('{"a" 1, "b" "c"}', {"a": 1, "b": "c"}),
        ('{"a": 1, // one\n /* two */ "b": 2 # three\n}', {"a": 1, "b": 2}),
        ('{"a": "b" // c\n}', {"a": "b"}),
        ('{"a": 1 // c\n}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('{"a": 1}\n</tool_call>', {"a": 1}),
        ('{"a": [1, {"b": 2}', {"a": [1, {"b": 2}]}),
        ('{"a": [1}', {"a": [1]}),
        ('{"a": 1}}]', {"a": 1}),
        ('{{"a": 1}}', {"a": 1}),
        ('{"a": 1, "b', {"a": 1}),
        ('{"a": 1, "b":}', {"a": 1}),
        ('{"a":, "b": 2}', {"b": 2}),
        ('{"a": "b', {"a": "b"}),
        ('"{\\"a\\": 1}"', {"a": 1}),
        ('Calling it: {"a": 1}', {"a": 1}),
        ('"a": 1, "b": 2', {"a": 1, "b": 2}),
        ("", {}),
        (" \n", {}),
    ],
)
def test_what_models_write(written: str, value: object) -> None:
    assert json.loads(mended(written)) == value
    assert read(list(written)) == mended(written)


@pytest.mark.parametrize(
    "text", ["[1, 2]", "hello", "7", '"text"', '{"a": 1}{"b": 2}', '{"a": 1} and']
)
def test_what_is_no_object_stays_as_it_was(text: str) -> None:
    assert mended(text) == text == read(list(text))


def test_arguments_stream_while_they_are_mended() -> None:
    mender = Mender()
    shown = [mender.feed(f) for f in ('{"text": "one ', "two ", 'three", ', '"n": 1', "}")]
    assert shown == ['{"text": "one ', "two ", 'three"', ', "n": ', "1}"]


def test_long_texts_are_read_once() -> None:
    """A million one-character fragments, brackets and blanks: linear, or this would take hours."""
    for text in (
        "{" + "[" * 100_000 + "}" * 100_000,
        '{"a": ' + " " * 100_000,
        '{"a": "' + "x" * 200_000,
    ):
        read(list(text))
        mended(text)
