"""``deepseek``: chat bodies that DeepSeek takes on the second turn too."""

from typing import ClassVar

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.wire import Members, each, encoded, items, members, text


class DeepSeek(WireStep, frozen=True):
    """Says that the provider is DeepSeek, and gives every turn with calls its reasoning back.

    While it thinks, DeepSeek refuses an assistant message with tool calls that lacks
    ``reasoning_content``, even an empty one (vendors.md §2).  A client that calls it ``reasoning``,
    or has lost it, gets the member added.  Source: musistudio/llms ``deepseek`` (lineage §2.3
    row 7).
    """

    NAME: ClassVar[str] = "deepseek"

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        thinking = members(body.fields.get("thinking")) or {}
        if dialect != "openai-chat" or text(thinking.get("type")) == "disabled":
            return {}
        changed = each(body.fields.get("messages"), _with_reasoning)
        return {} if changed is None else {"messages": bytes(changed)}


def _with_reasoning(message: Members) -> Members | None:
    if text(message.get("role")) != "assistant" or not items(message.get("tool_calls")):
        return None
    if text(message.get("reasoning_content")) is not None:
        return None
    reasoning = text(message.get("reasoning")) or ""
    return {**message, "reasoning_content": encoded(reasoning)}
