"""``vercel``: Vercel's AI gateway and its routing."""

from collections.abc import Mapping
from typing import Any, ClassVar

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.steps.customparams import CustomParams
from plexus.transformers.wire import text, unmarked


class Vercel(WireStep, frozen=True, kw_only=True):
    """Says that the provider is Vercel's AI gateway; its options go into every body.

    The configured value wins, objects are merged: ``providerOptions`` by vendor says how the
    gateway routes.  ``cache_control`` of chat bodies stays for Claude's models only.  Source:
    musistudio/llms ``vercel`` (lineage §2.3 row 9; vendors.md §9).
    """

    NAME: ClassVar[str] = "vercel"
    OPEN: ClassVar[str | None] = "params"
    KNOWN: ClassVar[tuple[str, ...]] = ("providerOptions",)

    params: Mapping[str, Any] = {}
    providerOptions: Mapping[str, dict[str, Any]] = {}

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        params = dict(self.params)
        if self.providerOptions:
            params["providerOptions"] = self.providerOptions
        changes = CustomParams(params=params, override=True).edit(body, dialect)
        if dialect == "openai-chat" and "claude" not in (text(body.fields.get("model")) or ""):
            changes = {**unmarked(body.fields), **changes}
        return changes
