"""The base classes of the generated Falcon resources."""

from collections.abc import Sequence
from typing import ClassVar

from plexus.routing.selectors.base import Selector
from plexus.routing.target import Target, Timeouts, Weighted


class ModelResource:
    """Something a model name resolves to; generated subclasses set the class attributes.

    ``reveal_model`` False shows ``name`` as the response model; ``strict`` is ``on_loss: error``.
    """

    name: ClassVar[str]
    reveal_model: ClassVar[bool] = True
    strict: ClassVar[bool] = False
    timeouts: ClassVar[Timeouts | None] = None


class AliasResource(ModelResource):
    selector: ClassVar[Selector]
    targets: ClassVar[Sequence[Weighted]]


class TargetResource(ModelResource):
    target: ClassVar[Target]
