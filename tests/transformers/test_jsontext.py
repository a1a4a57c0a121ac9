"""A member's text, streamed: the same whatever the cuts, and right for every JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexus.transformers.jsontext import TextMember, call_object, custom_text, is_json

# What no JSON text can hold, half a pair of surrogates, is not generated.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
BITS = ['{"response": "', '"', "\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\u1", "}"]
BITS += ['"}', " ", ",", "a", "\n", "{", ":", "response", '"response"']
ODD = st.lists(st.sampled_from(BITS), max_size=15).map("".join)


def read(*fragments: str) -> str:
    member = TextMember("response")
    return "".join([*(member.feed(fragment) for fragment in fragments), member.close()])


@given(WORDS, st.booleans(), st.sampled_from([None, 2]))
def test_json_is_read_as_json(text: str, ascii_only: bool, indent: int | None) -> None:
    written = json.dumps({"response": text}, ensure_ascii=ascii_only, indent=indent)
    assert read(written) == text == read(*written)


@given(ODD | ODD.map('{"response":"'.__add__), st.lists(st.integers(0, 60), max_size=6))
def test_cuts_make_no_difference(text: str, cuts: list[int]) -> None:
    ends = sorted(cut % (len(text) + 1) for cut in cuts)
    pieces = [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]
    assert read(*pieces) == read(text) == read(*text)
    read(text).encode()


def test_it_streams() -> None:
    member = TextMember("response")
    assert [member.feed(f) for f in ('{"resp', 'onse": "He', "llo\\", "n", "!")] == [
        "",
        "He",
        "llo",
        "\n",
        "!",
    ]
    assert member.close() == ""


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('{"response":"a","more":1}', "a"),
        ('{"more":1,"response":"a\\n"}', "a\n"),
        ('{"response":null}', ""),
        ('{"response":{"a":1}}', '{"a":1}'),
        ('{"answer":"a"}', '{"answer":"a"}'),
        ("{}", ""),
        ("", ""),
        ("  ", ""),
        ("plain words", "plain words"),
        ('{"response":"cut sh', "cut sh"),
        ('{"response":"cut \\u00', "cut \\u00"),
        ('{"response":"half \\ud83d"}', "half \ufffd"),
        ('{"response":"a \\d"}', "a \\d"),
        ('{"response":"say "hi" now"}', 'say "hi" now'),
        ('{"response":"line\nbreak"}', "line\nbreak"),
    ],
)
def test_what_models_write(written: str, text: str) -> None:
    assert read(written) == text == read(*written)


def test_arguments_that_nest_too_deeply_are_text() -> None:
    """Beyond what the decoder follows; a call of any dialect goes on with what the model wrote."""
    deep = "[" * 5000 + "]" * 5000
    assert custom_text(f'{{"input": "x", "more": {deep}}}').startswith('{"input"')
    assert custom_text('{"input": "x"}') == "x"
    assert call_object(deep) == ({"_raw": deep}, True)
    assert not is_json(deep)
