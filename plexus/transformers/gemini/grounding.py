"""Grounding and citations, both ways: offsets are UTF-8 bytes at Google, characters elsewhere
(gemini.md §3, mappings.md §15).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.gemini.names import NAME
from plexus.transformers.gemini.reader import INTEGER, LIST, STRING, Level, Malformed
from plexus.unified.content import Citation, Content, TextContent

Found = tuple[int, Citation]
"""Index of a text among all texts, and a citation of it."""


def parse_grounding(raw: Raw | None, texts: Sequence[str]) -> list[Found]:
    """The citations of ``groundingMetadata``; ``texts`` are the answer's texts in order.

    Raises Malformed.
    """
    if raw is None:
        return []
    level = Level(raw, "groundingMetadata")
    chunks = [_chunk(item) for item in level.items("groundingChunks")]
    found: list[Found] = []
    for item in level.items("groundingSupports"):
        support = Level(item, "groundingSupports")
        segment = support.object("segment") or Level.of({}, "segment")
        indices = support.take("groundingChunkIndices", LIST) or []
        span = _span(segment, texts)
        if span is None:
            continue
        where, start, end, quoted = span
        for index in indices:
            number = INTEGER.decode(index)
            if number is None or not 0 <= number < len(chunks) or chunks[number] is None:
                continue
            url, title = chunks[number] or ("", None)
            citation = Citation(
                "url",
                url=url,
                title=title,
                cited_text=quoted,
                start=start,
                end=end,
                dialect=NAME,
            )
            found.append((where, citation))
    return found


def _chunk(raw: Raw) -> tuple[str, str | None] | None:
    """Address and title of a source; None for one without an address."""
    level = Level(raw, "groundingChunks")
    for kind in ("web", "retrievedContext", "maps"):
        inner = level.object(kind)
        if inner is not None and (uri := inner.take("uri", STRING)):
            return uri, inner.take("title", STRING)
    return None


def parse_sources(raw: Raw | None, texts: Sequence[str]) -> list[Found]:
    """The sources of recited text, ``citationMetadata``.  Raises Malformed."""
    if raw is None:
        return []
    found: list[Found] = []
    level = Level(raw, "citationMetadata")
    for item in level.items("citations") or level.items("citationSources"):
        source = Level(item, "citations")
        uri = source.take("uri", STRING)
        span = _span(source, texts)
        if uri and span is not None:
            where, start, end, quoted = span
            citation = Citation(
                "url",
                url=uri,
                title=source.take("title", STRING),
                cited_text=quoted,
                start=start,
                end=end,
                dialect=NAME,
            )
            found.append((where, citation))
    return found


def _span(level: Level, texts: Sequence[str]) -> tuple[int, int, int, str] | None:
    """Which text a segment is of, its characters, and its words.

    ``partIndex`` counts parts that are not always texts, so the words decide where they are given.
    """
    start = level.take("startIndex", INTEGER) or 0
    end = level.take("endIndex", INTEGER)
    words = level.take("text", STRING)
    if not texts:
        return None
    for where, text in enumerate(texts):
        data = text.encode("utf-8", "surrogatepass")
        piece = data[start:end]
        if (words is None and end is not None and end <= len(data)) or (
            words is not None and piece == words.encode("utf-8", "surrogatepass")
        ):
            first = len(data[:start].decode("utf-8", "replace"))
            quoted = piece.decode("utf-8", "replace")
            return where, first, first + len(quoted), quoted
    for where, text in enumerate(texts):
        if words and (at := text.find(words)) >= 0:
            return where, at, at + len(words), words
    return None


def parse_citations(fields: Mapping[str, Raw], texts: Sequence[str]) -> list[Found]:
    """All citations in a candidate's members; what is malformed cites nothing."""
    try:
        grounded = parse_grounding(fields.get("groundingMetadata"), texts)
        return grounded + parse_sources(fields.get("citationMetadata"), texts)
    except (Malformed, msgspec.MsgspecError):
        return []


def cite(parts: Sequence[Content], fields: Mapping[str, Raw]) -> list[Content]:
    """The parts with the citations that a candidate's members tell of."""
    places = [index for index, part in enumerate(parts) if isinstance(part, TextContent)]
    texts = [part.text for part in parts if isinstance(part, TextContent)]
    out = list(parts)
    for where, citation in parse_citations(fields, texts):
        part = out[places[where]]
        assert isinstance(part, TextContent)
        out[places[where]] = replace(part, citations=(*part.citations, citation))
    return out


class GroundingWriter:
    """Collects the citations of a candidate as ``groundingMetadata``."""

    def __init__(self) -> None:
        self._sources: dict[tuple[str, str | None], int] = {}
        self._supports: list[dict[str, Any]] = []
        self.lost = False
        """A citation had no address."""

    def add(self, citation: Citation, text: str, part_index: int) -> None:
        """A citation of ``text``, the text of the part with this index."""
        if citation.url is None:
            self.lost = True
            return
        source = (citation.url, citation.title)
        number = self._sources.setdefault(source, len(self._sources))
        start = min(max(citation.start or 0, 0), len(text))
        end = len(text) if citation.end is None else min(max(citation.end, start), len(text))
        if citation.end is None and citation.cited_text:
            at = text.find(citation.cited_text)
            if at >= 0:
                start, end = at, at + len(citation.cited_text)
        first = len(text[:start].encode("utf-8", "surrogatepass"))
        words = text[start:end]
        segment: dict[str, Any] = {
            "startIndex": first,
            "endIndex": first + len(words.encode("utf-8", "surrogatepass")),
            "text": words,
        }
        if part_index:
            segment = {"partIndex": part_index, **segment}
        last = self._supports[-1] if self._supports else None
        if last is not None and last["segment"] == segment:
            last["groundingChunkIndices"].append(number)
        else:
            self._supports.append({"segment": segment, "groundingChunkIndices": [number]})

    def metadata(self) -> dict[str, Any] | None:
        if not self._supports:
            return None
        chunks = []
        for url, title in self._sources:
            web = {"uri": url} if title is None else {"uri": url, "title": title}
            chunks.append({"web": web})
        return {"groundingChunks": chunks, "groundingSupports": self._supports}
