"""A multipart/form-data body as bytes with its fields located (RFC 7578, RFC 2046 §5.1)."""

import re

from plexus.streaming.document import DocumentError

PART_LIMIT = 64
"""Parts at most; the longest form of an SDK (image edits with 16 images) has 30."""

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="([^"\r\n]*)"')
_FILE = re.compile(rb"[;\s]filename\*?=", re.IGNORECASE)
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
        boundary = b"--" + (found[1] or found[2]).encode("latin-1", "replace")
        fields: dict[str, bytes] = {}
        spans: dict[str, tuple[int, int]] = {}
        at = raw.find(boundary)
        for _ in range(PART_LIMIT + 1):
            if at < 0:
                raise DocumentError("the multipart body does not end with its boundary")
            start = at + len(boundary)
            if raw.startswith(b"--", start):
                return cls(raw, content_type, fields, spans)
            head_end = raw.find(b"\r\n\r\n", start, start + _HEAD_LIMIT)
            if head_end < 0:
                raise DocumentError("a part of the multipart body has no end of its headers")
            begin = head_end + 4
            at = end = raw.find(b"\r\n" + boundary, begin - 2)
            if end < begin and at >= 0:
                end = begin
            _keep(raw[start:head_end], raw, (begin, end), fields, spans)
            at = at if at < 0 else at + 2
        raise DocumentError(f"the multipart body has more than {PART_LIMIT} parts")

    def edit(self, name: str, value: bytes) -> bytes:
        """Bytes with the value of one field replaced; every other byte stays."""
        begin, end = self._spans[name]
        return self.raw[:begin] + value + self.raw[end:]


def _keep(
    head: bytes,
    raw: bytes,
    span: tuple[int, int],
    fields: dict[str, bytes],
    spans: dict[str, tuple[int, int]],
) -> None:
    name = _NAME.search(head)
    if name is None or _FILE.search(head) or span[1] < 0:
        return
    try:
        text = name[1].decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentError("a field name of the multipart body is not valid UTF-8") from None
    if text in fields:
        # ``model`` twice could be read one way here and another way by the provider.
        if text in ("model", "stream"):
            raise DocumentError(f"the multipart body has the field {text!r} twice", text)
        return
    fields[text] = raw[slice(*span)]
    spans[text] = span
