"""Annotations of an answer's text (openai-responses.md §4, mappings.md §15)."""

from typing import Any

from plexus.transformers.openai_responses.losses import NAME
from plexus.unified.content import Citation


def format_citation(citation: Citation, text: str) -> Any | None:
    """A citation as this dialect writes it; without a place it cites its whole part.

    None when there is no form for it.
    """
    if citation.dialect == NAME and citation.raw is not None:
        return citation.raw
    if citation.url is not None:
        return {
            "type": "url_citation",
            "url": citation.url,
            "title": citation.title or "",
            "start_index": citation.start or 0,
            "end_index": len(text) if citation.end is None else citation.end,
        }
    if citation.file_id is not None:
        return {
            "type": "file_citation",
            "file_id": citation.file_id,
            "filename": citation.title or "",
            "index": len(text) if citation.end is None else citation.end,
        }
    return None
