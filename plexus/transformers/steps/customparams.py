"""``customparams``: extra members of the provider's body."""

from typing import Any, ClassVar

import msgspec

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep


class CustomParams(WireStep, frozen=True):
    """Adds ``params`` to the provider's JSON.

    In the config its options are the parameters themselves.  One rule of precedence, where the
    parent has two: what the client sent wins, at every depth; with ``override`` (a provider's
    ``extra_body`` is this step with it) the configured value wins.  Objects are merged member by
    member, everything else is taken whole.  Source: musistudio/llms ``customparams`` (lineage §2.3
    row 22).
    """

    NAME: ClassVar[str] = "customparams"
    OPEN: ClassVar[str | None] = "params"

    params: dict[str, Any]
    override: bool = False

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        changes: dict[str, bytes | None] = {}
        for name, value in self.params.items():
            sent = body.fields.get(name)
            if sent is None:
                changes[name] = msgspec.json.encode(value)
            elif isinstance(value, dict):
                merged = _merge(msgspec.json.decode(sent), value, self.override)
                changes[name] = msgspec.json.encode(merged)
            elif self.override:
                changes[name] = msgspec.json.encode(value)
        return changes


def _merge(sent: object, configured: dict[str, Any], override: bool) -> object:
    """``configured`` under (or, with ``override``, over) what was sent."""
    if not isinstance(sent, dict):
        return configured if override else sent
    merged: dict[str, object] = dict(sent)
    for name, value in configured.items():
        if name not in merged:
            merged[name] = value
        elif isinstance(value, dict):
            merged[name] = _merge(merged[name], value, override)
        elif override:
            merged[name] = value
    return merged
