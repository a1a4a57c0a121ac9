"""The base classes of the generated Falcon resources."""

from collections.abc import Sequence
from typing import ClassVar

from falcon.asgi import Request, Response

from plexus.gateway.channel import KEY, Channel
from plexus.gateway.dispatcher import Asking, Exchange
from plexus.gateway.guard import parse_body, read_body
from plexus.gateway.services import Services
from plexus.routing.selectors.base import Selector
from plexus.routing.target import Target, Timeouts, Weighted
from plexus.transformers.base import ClientCall, Dialect
from plexus.unified.request import Source


class ModelResource:
    """Something a model name resolves to; generated subclasses set the class attributes.

    ``reveal_model`` False shows ``name`` as the response model; ``strict`` is ``on_loss: error``.
    """

    name: ClassVar[str]
    reveal_model: ClassVar[bool] = True
    strict: ClassVar[bool] = False
    timeouts: ClassVar[Timeouts | None] = None

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response, **params: str) -> None:
        """One client call, in the dialect of the route that led here; ``resp`` stays empty.

        Raises PlexusError for a body that is refused.
        """
        services = self._services
        channel: Channel = req.scope[KEY]
        asked = channel.asked
        if asked is None:
            raw = await read_body(channel, services.settings.body_limit, services.limits)
            asked = parse_body(raw, self.name)
        dialect = services.dialects[channel.dialect]
        record = channel.record
        record.alias, record.client_dialect, record.stream = self.name, dialect.NAME, asked.stream
        call = ClientCall(
            model=asked.model,
            stream=asked.stream,
            body=asked.body,
            source=self._source(channel, dialect),
            strict=self.strict,
            show_model=None if self.reveal_model else self.name,
            framing=channel.framing,
        )
        asking = Asking(targets=self.order(), timeouts=self.timeouts, reveal=self.reveal_model)
        channel.guard()
        await Exchange(services, dialect, call, asking, channel).run()

    def order(self) -> Sequence[Target]:
        """The targets to try, best first."""
        raise NotImplementedError

    def _source(self, channel: Channel, dialect: Dialect) -> Source:
        return Source(
            dialect=dialect.NAME,
            request_id=channel.record.id,
            received=int(self._services.clock()),
            headers={
                name: value.decode("latin-1")
                for name in dialect.FORWARDED_HEADERS
                if (value := channel.headers.get(name.encode("ascii"))) is not None
            },
        )


class AliasResource(ModelResource):
    selector: ClassVar[Selector]
    targets: ClassVar[Sequence[Weighted]]

    def order(self) -> Sequence[Target]:
        return self.selector.order(self.targets, self._services.random)


class TargetResource(ModelResource):
    target: ClassVar[Target]

    def order(self) -> Sequence[Target]:
        return (self.target,)
