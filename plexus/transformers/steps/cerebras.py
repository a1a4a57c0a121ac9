"""``cerebras``: chat bodies that Cerebras takes."""

from typing import ClassVar

import msgspec

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.wire import members, text, unmarked

_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}
"""What Cerebras has no word for, and its nearest."""


class Cerebras(WireStep, frozen=True):
    """Says that the provider is Cerebras, and writes ``reasoning`` as it takes it.

    ``reasoning`` of a body becomes ``reasoning_effort``, which wins when it is there; every
    ``cache_control`` goes.  Source: musistudio/llms ``cerebras`` (lineage §2.3 row 11; vendors.md
    §4).
    """

    NAME: ClassVar[str] = "cerebras"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        if dialect != "openai-chat":
            return {}
        changes = unmarked(body.fields)
        if "reasoning" not in body.fields:
            return changes
        changes["reasoning"] = None
        asked = members(body.fields["reasoning"]) or {}
        effort = text(asked.get("effort"))
        if bytes(asked.get("enabled", b"")) == b"false":
            effort = "none"
        if effort is not None and "reasoning_effort" not in body.fields:
            changes["reasoning_effort"] = msgspec.json.encode(_EFFORTS.get(effort, effort))
        return changes
