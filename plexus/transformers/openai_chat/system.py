"""System messages where a vendor's models take them (mappings.md §4; vendors.md §1, §13)."""

from typing import Any

from plexus.transformers.losses import LossLog
from plexus.transformers.openai_chat.format_parts import Writing

Wire = dict[str, Any]
_SYSTEM = ("system", "developer")


def place_system(messages: list[Wire], writing: Writing) -> list[Wire]:
    """``messages`` with their system messages in the place, number and role the model takes.

    What cannot stay a system message is user text in ``<system>`` tags where it stood: hoisted, it
    would mean something else and spoil the cache.
    """
    capabilities = writing.target.capabilities
    as_user = capabilities.system_role == "user"
    single = capabilities.multi_system is False
    only_first = single or capabilities.mid_system is False
    if not (as_user or only_first):
        return messages
    prefix = 0
    while prefix < len(messages) and messages[prefix]["role"] in _SYSTEM:
        prefix += 1
    head = _merged(messages[:prefix], writing.log) if single and prefix > 1 else messages[:prefix]
    if as_user:
        head = [_as_user(message, "message.system_role", writing.log) for message in head]
    field = "message.system_role" if as_user else "message.system_mid"
    return head + [_as_user(message, field, writing.log) for message in messages[prefix:]]


def _merged(messages: list[Wire], log: LossLog) -> list[Wire]:
    """One message of several, a blank line between them."""
    log.note("message.system_multi", "messages")
    first, *others = messages
    content = first["content"]
    for message in others:
        content = _joined(content, message["content"])
    return [{**first, "content": content}]


def _joined(before: str | list[Any], after: str | list[Any]) -> str | list[Any]:
    if isinstance(before, str) and isinstance(after, str):
        return f"{before}\n\n{after}"
    return [*_parts(before), *_parts(after)]


def _parts(content: str | list[Any]) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _as_user(message: Wire, field: str, log: LossLog) -> Wire:
    if message["role"] not in _SYSTEM:
        return message
    log.note(field, "messages")
    content = message["content"]
    if isinstance(content, str):
        return {**message, "role": "user", "content": f"<system>{content}</system>"}
    return {**message, "role": "user", "content": [_tagged(part) for part in content]}


def _tagged(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "text":
        return {**part, "text": f"<system>{part['text']}</system>"}
    return part
