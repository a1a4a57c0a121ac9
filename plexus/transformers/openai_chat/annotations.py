"""``annotations`` of a chat message: citations (openai-chat.md §4; mappings.md §15)."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from plexus.transformers.openai_chat.losses import NAME
from plexus.unified.content import Citation


class _Url(Struct):
    url: str = ""
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None
    content: str | None = None


class _Annotation(Struct):
    type: str = ""
    url_citation: _Url | None = None


_items = msgspec.json.Decoder(list[Raw] | None).decode
_annotation = msgspec.json.Decoder(_Annotation).decode


def parse_annotations(raw: Raw) -> list[Citation]:
    """Citations with offsets into the whole content; unknown kinds keep only their bytes."""
    return [_parse(item) for item in _items(raw) or ()]


def _parse(raw: Raw) -> Citation:
    found = _annotation(raw)
    url = found.url_citation
    if url is None:
        return Citation(kind=found.type or "file", dialect=NAME, raw=raw)
    return Citation(
        kind="url",
        url=url.url,
        title=url.title,
        cited_text=url.content,
        start=url.start_index,
        end=url.end_index,
        dialect=NAME,
        raw=raw,
    )


def format_annotation(citation: Citation, offset: int, length: int) -> Any | None:
    """``offset`` is where the cited part begins in the whole content, ``length`` its size.

    A citation without a place cites its whole part.  None when chat has no form for it.
    """
    if citation.dialect == NAME and citation.raw is not None and not offset:
        return citation.raw
    if citation.url is None:
        return None
    start = 0 if citation.start is None else citation.start
    end = length if citation.end is None else citation.end
    inner: dict[str, Any] = {
        "start_index": offset + start,
        "end_index": offset + end,
        "url": citation.url,
        "title": citation.title or "",
    }
    return {"type": "url_citation", "url_citation": inner}
