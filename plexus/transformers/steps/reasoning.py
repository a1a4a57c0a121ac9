"""``reasoning``: vendors that switch thinking with ``thinking`` and ``enable_thinking``."""

from typing import ClassVar

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from plexus.transformers.base import Step
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.effort import BUDGETS
from plexus.unified.request import Reasoning as ReasoningRequest
from plexus.unified.request import UnifiedChatRequest


class Reasoning(Step, frozen=True):
    """Writes a chat provider's ``thinking`` and ``enable_thinking`` from what the client asked.

    ``enable`` False switches thinking off whatever the client said.  A client that said nothing
    gets nothing, where the parent sent a budget of ``undefined``.  ``reasoning_content`` of the
    answer is read by the chat dialect itself, JSON and stream.  Source: musistudio/llms
    ``reasoning`` (lineage §2.3 row 14).
    """

    NAME: ClassVar[str] = "reasoning"

    enable: bool = True

    def request(self, request: UnifiedChatRequest, target: TargetModel) -> UnifiedChatRequest:
        fields = _switches(request.reasoning) if self.enable else _OFF
        if not fields:
            return request
        chat = {**request.extra.get("openai-chat", {}), **fields}
        return replace(request, reasoning=None, extra={**request.extra, "openai-chat": chat})


_OFF = {"thinking": Raw(b'{"type":"disabled"}'), "enable_thinking": Raw(b"false")}


def _switches(reasoning: ReasoningRequest | None) -> dict[str, Raw]:
    if reasoning is None:
        return {}
    if reasoning.effort == "none" or reasoning.mode == "off" or reasoning.enabled is False:
        return _OFF
    thinking: dict[str, object] = {"type": "enabled"}
    budget = reasoning.max_tokens
    if budget is None and reasoning.effort is not None:
        budget = BUDGETS[reasoning.effort]
    if budget is not None:
        thinking["budget_tokens"] = budget
    return {"thinking": Raw(msgspec.json.encode(thinking)), "enable_thinking": Raw(b"true")}
