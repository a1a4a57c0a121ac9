"""``suppressdeveloperrole``: providers that do not know the role ``developer``."""

from typing import ClassVar

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.wire import Members, each, encoded, text

_LISTS = {"openai-chat": "messages", "openai-responses": "input"}
"""Where the dialects that have the role keep their messages."""


class SuppressDeveloperRole(WireStep, frozen=True):
    """Writes ``system`` for the role ``developer``, in place; other dialects have no such role.

    Source: mcowger/plexus, adapter ``suppress_developer_role`` (lineage §1.6).
    """

    NAME: ClassVar[str] = "suppressdeveloperrole"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        name = _LISTS.get(dialect)
        changed = None if name is None else each(body.fields.get(name), _as_system)
        return {} if name is None or changed is None else {name: bytes(changed)}


def _as_system(message: Members) -> Members | None:
    if text(message.get("role")) != "developer":
        return None
    return {**message, "role": encoded("system")}
