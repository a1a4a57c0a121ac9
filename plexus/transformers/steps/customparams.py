"""``customparams``: extra members of the provider's body."""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw

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
                changes[name] = _merge(sent, value, self.override)
            elif self.override:
                changes[name] = msgspec.json.encode(value)
        return changes


_members = msgspec.json.Decoder(dict[str, Raw]).decode


def _merge(sent: Raw, configured: dict[str, Any], override: bool) -> bytes:
    """``configured`` under (or, with ``override``, over) what was sent.

    Only the objects on the way are read: every other value keeps the client's own spelling.
    """
    try:
        merged = _members(sent)
    except msgspec.DecodeError:
        return msgspec.json.encode(configured) if override else bytes(sent)
    for name, value in configured.items():
        if name in merged and isinstance(value, dict):
            merged[name] = Raw(_merge(merged[name], value, override))
        elif name not in merged or override:
            merged[name] = Raw(msgspec.json.encode(value))
    return msgspec.json.encode(merged)
