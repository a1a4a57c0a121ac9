"""The JSON reader: equal to the standard one where that is right, with places, and stricter."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexus.compiler.diagnostics import Diagnostic
from plexus.compiler.source import DEPTH, LIMIT, Document, Json, parse
from plexus.compiler.source import read as read_file

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


def read(text: str | bytes) -> tuple[Document | None, list[Diagnostic]]:
    return parse(text.encode("utf-8") if isinstance(text, str) else text, "p.json")


def heads(text: str | bytes) -> list[str]:
    return [item.head() for item in read(text)[1]]


@given(JSON, st.sampled_from([None, 0, 2]), st.booleans())
def test_reads_what_the_standard_reader_reads(data: Any, indent: int | None, ascii: bool) -> None:
    document, found = read(json.dumps(data, indent=indent, ensure_ascii=ascii))
    assert found == []
    assert document is not None
    assert document.data == data


@given(JSON)
def test_every_value_stands_where_its_place_says(data: Any) -> None:
    text = json.dumps(data, indent=1, ensure_ascii=False)
    document, _ = read(text)
    assert document is not None
    lines = text.split("\n")
    for path, value in walk(data, ()):
        line, column = document.value_at(path)
        rest = "\n".join([lines[line - 1][column - 1 :], *lines[line:]])
        assert json.JSONDecoder().raw_decode(rest)[0] == value
        if path and isinstance(path[-1], str):
            line, column = document.key_at(path)
            rest = lines[line - 1][column - 1 :]
            assert json.JSONDecoder().raw_decode(rest)[0] == path[-1]


def walk(data: Json, path: tuple[str | int, ...]) -> Any:
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from walk(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from walk(value, (*path, index))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "p.json:1:1: error P101: the file is empty; run `plexus init --force`"),
        (" \n ", "p.json:2:2: error P101: the file is empty; run `plexus init --force`"),
        ('{"a" 1}', 'p.json:1:6: error P101: expected a ":" after the key, found "1"'),
        ('{"a": 1 "b": 2}', 'p.json:1:9: error P101: expected "," or "}", found a text'),
        (
            '{\n  "a": [1,\n',
            "p.json:3:1: error P101: expected a value, found the end of the file",
        ),
        (
            '{\n  "a": [1\n',
            'p.json:3:1: error P101: expected "]" for the bracket of line 2,'
            " found the end of the file",
        ),
        ("{} {}", "p.json:1:4: error P101: there is more text after the end of the config"),
        ("{'a': 1}", 'p.json:1:2: error P101: expected a key in quotes, found "\'"'),
        (
            "{\"a\": 'b'}",
            'p.json:1:7: error P101: expected a value, found "\'";'
            ' text stands in double quotes ("…")',
        ),
        ('{"a": yes}', 'p.json:1:7: error P101: "yes" is not in quotes; write "yes"'),
        ('{"a": None}', "p.json:1:7: error P101: None is not JSON; write null"),
        ('{"a": 01}', "p.json:1:7: error P101: this is not a JSON number"),
        ('{"a": 1.}', "p.json:1:7: error P101: this is not a JSON number"),
        ('{"a": +1}', 'p.json:1:7: error P101: expected a value, found "+"'),
        ('{"a": "b}', "p.json:1:7: error P101: this text has no closing quote"),
        (
            '{"a": "b\nc"}',
            "p.json:1:9: error P101: a line break or control character inside a text;"
            " close the quote, or write \\n",
        ),
        (
            '{"a": "\\x"}',
            "p.json:1:8: error P101: unknown escape in a text; write \\\\ for a backslash",
        ),
        ("[" * 100, f"p.json:1:65: error P106: nested more than {DEPTH} levels deep"),
        ('{"a": NaN}', "p.json:1:7: error P103: NaN is not a JSON number"),
        ('{"a": -Infinity}', "p.json:1:7: error P103: -Infinity is not a JSON number"),
        ('{"a": 1e999}', "p.json:1:7: error P103: 1e999 is too large for a number"),
        (
            f'{{"a": {"9" * 5000}}}',
            "p.json:1:7: error P103: a number of 5000 digits cannot be meant",
        ),
        (
            '{"a": 1,\n "b": 2, "a": 3}',
            'p.json:2:10: error P102: key "a" is already on line 1; keep one of the two',
        ),
        (
            '{"a": "\\ud800"}',
            "p.json:1:7: error P108: the text holds half a surrogate pair, which is no character",
        ),
        ('{"a": [1,]}', 'p.json:1:9: error P105: there is a comma before "]"; remove it'),
        ('{"a": 1,}', 'p.json:1:8: error P105: there is a comma before "}"; remove it'),
        ('{\r\n"é": é}', 'p.json:2:6: error P101: expected a value, found "é"'),
    ],
)
def test_what_is_no_json_is_said_with_its_place(text: str, expected: str) -> None:
    assert heads(text) == [expected]


@pytest.mark.parametrize("comment", ["// why\n", "# why\n", "/* why\n so */"])
def test_comments_get_their_own_message_and_are_read_over(comment: str) -> None:
    text = f'{{{comment} "a": 1 {comment} }}'
    document, _ = read(text)
    hint = 'write "$comment": "…" as a key'
    assert heads(text) == [f"p.json:1:2: error P104: JSON has no comments; {hint}"]
    assert document is not None
    assert document.data == {"a": 1}


def test_bytes_that_are_no_text() -> None:
    assert heads(b'{"a":\n "\xff"}') == ["p.json:2:3: error P108: byte 0xff is not UTF-8"]
    assert heads("{}".encode("utf-16")) == ["p.json:1:1: error P108: byte 0xff is not UTF-8"]
    hint = "save the file as UTF-8 without BOM"
    message = "the file starts with a byte order mark"
    assert heads(b"\xef\xbb\xbf{}") == [f"p.json:1:1: error P108: {message}; {hint}"]


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    assert heads(b"[" * (LIMIT + 1)) == ["p.json: error P107: the file is larger than 8 MiB"]


def test_files_that_are_none(tmp_path: Path) -> None:
    """A pipe without a writer, and a device without an end: nothing is waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (LIMIT + 1))
    expected = {
        tmp_path / "nowhere": "error P100: cannot read the file: No such file or directory;"
        " run `plexus init` to write one",
        tmp_path / "pipe": "error P100: cannot read the file: not a plain file",
        tmp_path: "error P100: cannot read the file: not a plain file",
        Path("/dev/zero"): "error P100: cannot read the file: not a plain file",
        tmp_path / "large": "error P107: the file is larger than 8 MiB",
    }
    for path, words in expected.items():
        document, (found,) = read_file(path, "p.json")
        assert (document, found.head()) == (None, f"p.json: {words}")


def test_the_deepest_and_the_widest_that_is_allowed() -> None:
    assert heads("[" * DEPTH + "]" * DEPTH) == []
    document, found = read("[" + "[]," * 200_000 + "[]]")
    assert found == []
    assert document is not None


def test_the_first_of_two_equal_keys_is_kept() -> None:
    document, _ = read('{"a": 1, "a": 2}')
    assert document is not None
    assert document.data == {"a": 1}


def test_source_lines_are_shown_without_secrets_and_control_characters() -> None:
    document, _ = read(
        '{"api_key": "hunter2hunter2",\r\n"b": "\u202e\u2028x", "c": "sk-' + "a" * 20 + '"}'
    )
    assert document is not None
    assert document.shown(1) == '{"api_key": "**************",'
    assert document.shown(2) == '"b": "\ufffd\ufffdx", "c": "***********************"}'
    assert document.scrub("it is hunter2hunter2 here") == "it is *** here"
