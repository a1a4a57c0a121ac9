"""``maxcompletiontokens``: the newer name of chat's output limit."""

from typing import ClassVar

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep


class MaxCompletionTokens(WireStep, frozen=True):
    """Renames ``max_tokens`` to ``max_completion_tokens`` in chat bodies, and only there.

    When both are present the newer one stays.  Source: musistudio/llms ``maxcompletiontokens``
    (lineage §2.3 row 18).
    """

    NAME: ClassVar[str] = "maxcompletiontokens"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        old = body.fields.get("max_tokens")
        if dialect != "openai-chat" or old is None:
            return {}
        changes: dict[str, bytes | None] = {"max_tokens": None}
        if "max_completion_tokens" not in body.fields:
            changes["max_completion_tokens"] = bytes(old)
        return changes
