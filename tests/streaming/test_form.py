"""The form document: what is refused, and edits that keep every other byte."""

import contextlib
import random

import pytest

from plexus.streaming.document import DocumentError
from plexus.streaming.form import PART_LIMIT, FormBody

TYPE = 'multipart/form-data; boundary="b0"'


def form(*parts: bytes, boundary: bytes = b"b0", end: bytes = b"--\r\n") -> bytes:
    lines = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return lines + b"--" + boundary + end


def field(name: str, value: bytes, more: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value


def test_fields_and_files() -> None:
    raw = form(
        field("model", b"whisper-1"),
        field("file", b"\x00\r\n--b\xff", '; filename="a.wav"\r\nContent-Type: audio/wav'),
        field("empty", b""),
    )
    body = FormBody.parse(raw, TYPE)
    assert body.fields == {"model": b"whisper-1", "empty": b""}
    assert body.edit("model", b"m") == raw.replace(b"whisper-1", b"m")
    assert body.edit("empty", b"x") == raw.replace(b'"empty"\r\n\r\n', b'"empty"\r\n\r\nx')


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data; boundary=b0",
        "multipart/form-data;boundary=b0;charset=utf-8",
        'Multipart/Form-Data; charset=utf-8; BOUNDARY="b0"',
    ],
)
def test_forms_of_the_content_type(kind: str) -> None:
    assert FormBody.parse(form(field("model", b"m")), kind).fields == {"model": b"m"}


def test_a_longer_boundary_is_another_one() -> None:
    inner = b"\r\n--b0x\r\n--b0--x"
    body = FormBody.parse(form(field("file", inner, '; filename="f"'), field("model", b"m")), TYPE)
    assert body.fields == {"model": b"m"}


def test_a_name_without_quotes() -> None:
    raw = form(b"content-disposition:form-data;name=model\r\n\r\nm")
    assert FormBody.parse(raw, TYPE).fields == {"model": b"m"}


def test_a_preamble_is_allowed() -> None:
    body = FormBody.parse(b"hello\r\n" + form(field("model", b"m")), TYPE)
    assert body.fields == {"model": b"m"}


REFUSED = {
    "no boundary": (form(field("model", b"m")), "multipart/form-data", "no boundary"),
    "other boundary": (form(field("model", b"m")), TYPE.replace("b0", "b1"), "its boundary"),
    "empty": (b"", TYPE, "its boundary"),
    "no end": (form(field("model", b"m"), end=b"\r\n"), TYPE, "no end of its headers"),
    "cut": (form(field("model", b"m"))[:-8], TYPE, "its boundary"),
    "no headers": (form(b"model"), TYPE, "no end of its headers"),
    "unquoted twice": (
        form(field("model", b"m"), b"Content-Disposition: form-data; name=model\r\n\r\nn"),
        TYPE,
        "twice",
    ),
    "as a file twice": (
        form(field("model", b"m"), field("model", b"n", '; filename="f"')),
        TYPE,
        "twice",
    ),
    "two names": (form(field("model", b"m", '; name="x"')), TYPE, "no readable"),
    "extended name": (form(field("x", b"m", "; name*=utf-8''model")), TYPE, "no readable"),
    "two dispositions": (
        form(b'Content-Disposition: form-data; name="x"\r\n' + field("model", b"m")),
        TYPE,
        "no readable",
    ),
    "no name": (form(b"Content-Disposition: form-data\r\n\r\nx"), TYPE, "no readable"),
    "trailing words": (form(field("model", b"m", " x")), TYPE, "no readable"),
    "twice": (form(field("model", b"m"), field("model", b"n")), TYPE, "twice"),
    "stream twice": (form(field("stream", b"true"), field("stream", b"false")), TYPE, "twice"),
    "bad name": (form(b'Content-Disposition: form-data; name="\xff"\r\n\r\nx'), TYPE, "UTF-8"),
    "many": (form(*[field(f"f{n}", b"") for n in range(PART_LIMIT + 1)]), TYPE, "more than"),
    "long headers": (form(b"x" * 9000 + field("model", b"m")), TYPE, "no end of its headers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    raw, kind, why = REFUSED[name]
    with pytest.raises(DocumentError, match=why):
        FormBody.parse(raw, kind)


def test_what_was_made_is_found() -> None:
    """Random forms, some mutated: the fields are found, or the form is refused."""
    rng = random.Random(7)
    for _ in range(2000):
        value = bytes(rng.choices(b"\r\n-b0x", k=rng.randrange(12)))
        if b"\r\n--b0" in value or value.startswith(b"--b0"):
            continue
        raw = form(field("a", value), field("model", b"m"), field("f", value, '; filename="f"'))
        found = FormBody.parse(raw, TYPE)
        assert found.fields == {"a": value, "model": b"m"}
        at = rng.randrange(len(raw))
        mutated = raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
        with contextlib.suppress(DocumentError):
            FormBody.parse(mutated, TYPE)
