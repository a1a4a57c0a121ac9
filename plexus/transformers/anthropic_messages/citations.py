"""Citations of an answer on the blocks they belong to (mappings.md §15)."""

from collections.abc import Iterator

from msgspec import Raw

from plexus.transformers.anthropic_messages.content import NAME
from plexus.transformers.losses import LossLog
from plexus.unified.content import Citation, TextContent


def cited_blocks(part: TextContent, own: bool, log: LossLog) -> Iterator[dict[str, object]]:
    """Text blocks of a part: one with Anthropic's own citations, else split at the offsets.

    ``own``: the answer is Anthropic's, whose blank blocks stand between cited ones.
    """
    text, citations = part.text, part.citations
    if not text or (text.isspace() and not own):
        return
    if not citations:
        yield {"type": "text", "text": text}
        return
    raws: list[object] = [c.raw for c in citations if c.dialect == NAME and c.raw is not None]
    if len(raws) == len(citations):
        yield {"type": "text", "text": text, "citations": raws}
        return
    log.note("response.citations")
    at = 0
    spans = list(_spans(text, citations))
    for number, (start, end, group) in enumerate(spans):
        # Blank text can be no block of its own: it goes to the one behind it, or before.
        if text[at:start].strip():
            yield {"type": "text", "text": text[at:start]}
            at = start
        if number == len(spans) - 1 and not text[end:].strip():
            end = len(text)
        yield {"type": "text", "text": text[at:end], "citations": group}
        at = end
    if text[at:]:
        yield {"type": "text", "text": text[at:]}


def web_citation(citation: Citation, text: str) -> dict[str, object] | Raw | None:
    """A citation as Anthropic writes it; ``text`` is what it may quote.  None: no form for it."""
    if citation.dialect == NAME and citation.raw is not None:
        return citation.raw
    if citation.kind != "url" or citation.url is None:
        return None
    quoted = citation.cited_text
    if quoted is None:
        quoted = text[citation.start or 0 : citation.end] if citation.end is not None else ""
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "encrypted_index": citation.encrypted_index or "",
        "cited_text": quoted,
    }


def _spans(
    text: str, citations: tuple[Citation, ...]
) -> Iterator[tuple[int, int, list[dict[str, object] | Raw]]]:
    """Ranges in order that do not overlap, each with its citations; no offsets: the whole text.

    A range that overlaps the one before joins it.
    """
    found: list[tuple[int, int, dict[str, object] | Raw]] = []
    for citation in citations:
        written = web_citation(citation, text)
        if written is None:
            continue
        start = min(max(citation.start or 0, 0), len(text))
        end = len(text) if citation.end is None else min(citation.end, len(text))
        if not text[start:end].strip():
            start, end = 0, len(text)
        found.append((start, end, written))
    found.sort(key=lambda span: span[:2])
    group: list[dict[str, object] | Raw] = []
    first = last = 0
    for start, end, written in found:
        if group and start >= last:
            yield first, last, group
            group = []
        if not group:
            first, last = start, end
        group.append(written)
        last = max(last, end)
    if group:
        yield first, last, group
