"""The body document: what is refused, and edits that keep every other byte."""

import json
import random

import msgspec
import pytest

from plexus.streaming.document import DEPTH_LIMIT, DocumentError, JsonBody

REFUSED = {
    "empty": (b"", "not valid JSON"),
    "array": (b"[]", "must be a JSON object"),
    "string": (b'"x"', "must be a JSON object"),
    "null": (b"null", "must be a JSON object"),
    "two documents": (b"{} {}", "not valid JSON"),
    "trailing comma": (b'{"a":1,}', "not valid JSON"),
    "comment": (b'{"a":1} // x', "not valid JSON"),
    "bom": (b"\xef\xbb\xbf{}", "not valid JSON"),
    "nan": (b'{"a":NaN}', "not valid JSON"),
    "infinity": (b'{"a":-Infinity}', "not valid JSON"),
    "bad utf-8": (b'{"a":"\xff"}', "not valid UTF-8"),
    "overlong utf-8": (b'{"a":"\xc0\xaf"}', "not valid UTF-8"),
    "surrogate in utf-8": (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
    "duplicate": (b'{"model":"a","model":"b"}', "twice"),
    "duplicate, same value": (b'{"model":"a","model":"a"}', "twice"),
    "duplicate, escaped": (b'{"model":"a","mod\\u0065l":"b"}', "twice"),
    "duplicate that hides": (b'{"a":{"z":1,"model":"x"},"model":"y","a":1}', "twice"),
    "deep": (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", "nested"),
    "very deep": (b"[" * 100_000, "nested"),
    "deep in a big body": (b'{"b":"' + b"x" * 300_000 + b'","a":' + b"[" * 300, "nested"),
    "tokens": (b'{"a":[' + b"[]," * 1_000_000 + b"[]]}", "JSON tokens"),
    "tokens, all strings": (b'{"a":[' + b'"",' * 900_000 + b'""]}', "JSON tokens"),
    "tokens behind quotes": (b'{"a":"\\\\\\"","b":[' + b"[]," * 1_000_000 + b"[]]}", "JSON tokens"),
    "members": (b"{" + b",".join(b'"%d":1' % i for i in range(1001)) + b"}", "1000 members"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    body, why = REFUSED[name]
    with pytest.raises(DocumentError, match=why):
        JsonBody.parse(body)


def test_brackets_in_strings_do_not_count() -> None:
    body = b'{"a":"' + b"[" * 5000 + b'\\"{{{{"}'
    assert JsonBody.parse(body).fields["a"] is not None


def test_depth_at_the_limit_passes() -> None:
    body = b'{"a":' + b"[" * (DEPTH_LIMIT - 1) + b"]" * (DEPTH_LIMIT - 1) + b"}"
    JsonBody.parse(body)
    with pytest.raises(DocumentError):
        JsonBody.parse(b'{"a":' + b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT + b"}")


BESIDE = {
    "brackets in a text": {"t": "[{" * 500},
    "many values": {"v": [[i] for i in range(3000)]},
    "a conversation": {"m": [{"content": [{"text": "{[" * 300, "more": [[i]]}]} for i in range(9)]},
}


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("around", range(10))
def test_depth_is_exact_whatever_stands_beside_it(beside: str, around: int) -> None:
    """However many containers are opened on the way to the deep one."""
    for depth, fits in ((DEPTH_LIMIT, True), (DEPTH_LIMIT + 1, False)):
        value: object = "x"
        for _ in range(depth - 1 - around):
            value = [value]
        for _ in range(around):
            value = {"k": value, "text": "}" * 300 + "[" * 300}
        raw = json.dumps({"a": value, **BESIDE[beside]}).encode()
        if fits:
            JsonBody.parse(raw)
        else:
            with pytest.raises(DocumentError, match="nested deeper"):
                JsonBody.parse(raw)


DUPLICATES = [
    b'{"a":{"role":"user","role":"assistant"}}',
    b'{"a":[[{"x":{"name":1,"na\\u006de":2}}]]}',
    b'{"a":{"schema":{"properties":{"p":{},"q":{},"p":{}}}}}',
    b'{"b":"' + b"[" * 300_000 + b'","a":{"x":1,"x":2}}',
]


@pytest.mark.parametrize("body", DUPLICATES, ids=range(4))
def test_A18_duplicates_at_any_depth(body: bytes) -> None:
    found = JsonBody.parse(body)
    with pytest.raises(DocumentError, match="twice") as caught:
        found.check_deep()
    assert caught.value.param in ("role", "name", "p", "x")


def test_A15_what_is_translated_has_a_lower_limit() -> None:
    many = b'{"a":[' + b"1," * 160_000 + b"1]}"
    with pytest.raises(DocumentError, match="150000 JSON tokens"):
        JsonBody.parse(many).check_deep()
    JsonBody.parse(many)
    text = b'{"a":"' + b"[]," * 160_000 + b'"}'
    JsonBody.parse(text).check_deep()


def test_A18_keys_in_strings_are_none() -> None:
    body = b'{"a":"\\"x\\":1,\\"x\\":2","b":{"x:":1,"x":{"x":"::\\\\"}},"c":[{"x":1},{"x":1}]}'
    JsonBody.parse(body).check_deep()


def test_A19_numbers_that_no_float_holds() -> None:
    with pytest.raises(DocumentError):
        JsonBody.parse(b'{"a":[1e999]}').check_deep()


def test_A18_what_is_only_read_says_so_before_it_is_edited() -> None:
    body = JsonBody.read(b'{"model":"a","model":"b"}')
    for look in (body.locate, body.check_deep, lambda: body.edit({"model": b'"c"'})):
        with pytest.raises(DocumentError, match="'model' twice"):
            look()


def test_duplicate_names_its_key() -> None:
    with pytest.raises(DocumentError) as caught:
        JsonBody.parse(b'{"model":"a","model":"b"}')
    assert caught.value.param == "model"


def test_edit_keeps_other_bytes() -> None:
    body = JsonBody.parse(b' {"model" : "a", "n":[1.0, 1e5],"z":1E2 } ')
    assert body.edit({"model": b'"bb"'}) == b' {"model" : "bb", "n":[1.0, 1e5],"z":1E2 } '
    assert body.edit({"n": None}) == b' {"model" : "a","z":1E2 } '
    assert body.edit({"model": None}) == b' {"n":[1.0, 1e5],"z":1E2 } '
    assert body.edit({"new": b"1"}) == b' {"model" : "a", "n":[1.0, 1e5],"z":1E2,"new":1 } '


def test_edits_equal_dictionary_edits() -> None:
    source = random.Random(7)
    for _ in range(2000):
        names = source.sample("abcdefgh", k=source.randint(0, 6))
        space = source.choice(["", " ", "\n  "])
        value = {name: source.choice([1, "x,}", [1, {"a": 2}], {"k": '"'}, None]) for name in names}
        raw = json.dumps(value, separators=("," + space, ":" + space)).encode()
        changes: dict[str, bytes | None] = {}
        for name in source.sample("abcdefghij", k=source.randint(0, 4)):
            changes[name] = source.choice([None, b"5", b'{"q":[]}'])
            if changes[name] is None:
                value.pop(name, None)
            else:
                value[name] = json.loads(changes[name] or b"")
        edited = JsonBody.parse(raw).edit(changes)
        assert msgspec.json.decode(edited) == value
        assert list(JsonBody.parse(edited).fields) == list(value)
