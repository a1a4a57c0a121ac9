"""A multipart/form-data body as bytes with its fields located (RFC 7578, RFC 2046 §5.1)."""

import re

from plexus.streaming.document import DocumentError

PART_LIMIT = 64
"""Parts at most; the longest form of an SDK (image edits with 16 images) has 30."""

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_DISPOSITION = re.compile(rb"content-disposition:[ \t]*form-data((?:;[^;\r\n]*)*)", re.IGNORECASE)
_PARAMETER = re.compile(rb';[ \t]*([a-z*]+)=("(?:[^"\\\r\n]|\\.)*"|[^\s;"]+)[ \t]*', re.IGNORECASE)
_HEAD_LIMIT = 8 * 1024


class FormBody:
    """One form.  ``fields`` are its values that are no files, the first of a name."""

    __slots__ = ("_spans", "content_type", "fields", "raw")

    def __init__(
        self,
        raw: bytes,
        content_type: str,
        fields: dict[str, bytes],
        spans: dict[str, tuple[int, int]],
    ) -> None:
        self.raw = raw
        self.content_type = content_type
        self.fields = fields
        self._spans = spans

    @classmethod
    def parse(cls, raw: bytes, content_type: str) -> "FormBody":
        """Locate the parts.  Raises DocumentError for what is no whole form."""
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise DocumentError("the multipart content-type names no boundary")
        mark = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
        delimiter = re.compile(
            rb"(?:\A|\r\n)" + re.escape(mark) + rb"(?:(--)(?:[ \t]*\r\n|\Z)|[ \t]*\r\n)"
        )
        fields: dict[str, bytes] = {}
        spans: dict[str, tuple[int, int]] = {}
        here = delimiter.search(raw)
        for _ in range(PART_LIMIT + 1):
            if here is None:
                raise DocumentError("the multipart body does not end with its boundary")
            if here[1] == b"--":
                return cls(raw, content_type, fields, spans)
            start = here.end()
            head_end = raw.find(b"\r\n\r\n", start - 2, start + _HEAD_LIMIT)
            if head_end < 0:
                raise DocumentError("a part of the multipart body has no end of its headers")
            begin = head_end + 4
            # The line break before a delimiter may be the one that ended the headers.
            here = delimiter.search(raw, begin - 2)
            end = begin if here is None else max(begin, here.start())
            _keep(_parameters(raw[start:head_end]), raw, (begin, end), fields, spans)
        raise DocumentError(f"the multipart body has more than {PART_LIMIT} parts")

    def edit(self, name: str, value: bytes) -> bytes:
        """Bytes with the value of one field replaced; every other byte stays."""
        begin, end = self._spans[name]
        return self.raw[:begin] + value + self.raw[end:]


def _parameters(head: bytes) -> dict[str, bytes]:
    """Those of a part's only Content-Disposition, names in lower case.

    Raises DocumentError for anything that another reader could read in another way: the name of a
    field decides what the provider does.
    """
    lines = [line for line in head.split(b"\r\n") if line[:20].lower() == b"content-disposition:"]
    found = _DISPOSITION.fullmatch(lines[0]) if len(lines) == 1 else None
    if found is None:
        raise DocumentError("a part of the multipart body has no readable Content-Disposition")
    parameters: dict[str, bytes] = {}
    at = 0
    for match in _PARAMETER.finditer(found[1]):
        name = match[1].decode("ascii").lower()
        if match.start() != at or name in parameters:
            break
        at = match.end()
        value = match[2]
        parameters[name] = value[1:-1] if value.startswith(b'"') else value
    if at != len(found[1]) or "name" not in parameters or "name*" in parameters:
        raise DocumentError("a part of the multipart body has no readable Content-Disposition")
    return parameters


def _keep(
    parameters: dict[str, bytes],
    raw: bytes,
    span: tuple[int, int],
    fields: dict[str, bytes],
    spans: dict[str, tuple[int, int]],
) -> None:
    try:
        name = parameters["name"].decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentError("a field name of the multipart body is not valid UTF-8") from None
    if name in ("model", "stream") and name in fields:
        # One reader takes the first, another the last.
        raise DocumentError(f"the multipart body has the field {name!r} twice", name)
    if parameters.keys().isdisjoint(("filename", "filename*")) or name in ("model", "stream"):
        fields.setdefault(name, raw[slice(*span)])
        spans.setdefault(name, span)
