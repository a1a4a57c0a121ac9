"""``openrouter``: OpenRouter and its routing."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from plexus.streaming.document import JsonBody
from plexus.transformers.base import WireStep
from plexus.transformers.steps.customparams import CustomParams

Names = tuple[str, ...] | UnsetType


class Routing(Struct, frozen=True, kw_only=True):
    """Which upstream providers OpenRouter may use, as its ``provider`` member says it."""

    order: Names = UNSET
    only: Names = UNSET
    ignore: Names = UNSET
    allow_fallbacks: bool | UnsetType = UNSET
    require_parameters: bool | UnsetType = UNSET
    data_collection: Literal["allow", "deny"] | UnsetType = UNSET
    zdr: bool | UnsetType = UNSET
    enforce_distillable_text: bool | UnsetType = UNSET
    quantizations: Names = UNSET
    sort: str | dict[str, Any] | UnsetType = UNSET
    max_price: dict[str, Any] | UnsetType = UNSET
    preferred_min_throughput: float | dict[str, float] | UnsetType = UNSET
    preferred_max_latency: float | dict[str, float] | UnsetType = UNSET


class OpenRouter(WireStep, frozen=True, kw_only=True):
    """Says that the provider is OpenRouter; its options go into every body.

    The configured value wins, objects are merged: ``provider`` says which upstream providers may
    answer.  Source: musistudio/llms ``openrouter`` (lineage §2.3 row 8; vendors.md §5).
    """

    NAME: ClassVar[str] = "openrouter"
    OPEN: ClassVar[str | None] = "params"
    KNOWN: ClassVar[tuple[str, ...]] = ("provider",)

    params: Mapping[str, Any] = {}
    provider: Routing = Routing()

    def edit(self, body: JsonBody, dialect: str) -> dict[str, bytes | None]:
        routing = msgspec.to_builtins(self.provider)
        params = {**self.params, **({"provider": routing} if routing else {})}
        return CustomParams(params=params, override=True).edit(body, dialect)
