"""The base classes of the generated Falcon resources."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from falcon.asgi import Request, Response

from plexus.gateway.channel import KEY, Channel
from plexus.gateway.dispatcher import Asking, Exchange
from plexus.gateway.guard import Asked, check_chat, check_keys, parse_body, parse_form, read_body
from plexus.gateway.record import Record
from plexus.gateway.services import Services
from plexus.gateway.warm import answer_warm
from plexus.routing.selectors.base import Selector
from plexus.routing.target import Target, Timeouts, Weighted
from plexus.transformers.base import ClientCall, Dialect
from plexus.transformers.capabilities import TargetModel
from plexus.transformers.counting import estimated, not_estimated, unwrapped
from plexus.transformers.operations import Operation, find
from plexus.transformers.translation import Translation
from plexus.unified.request import Source

Translate = Callable[[Target, ClientCall], Translation | None]

WILDCARD = "*"
"""The alias that takes every unknown name."""

_READ = frozenset({"x-claude-code-session-id"})
"""Client headers that a formatter may read and none forwards (traps.md T19)."""


_COUNT_S = 10.0
"""Nobody waits longer for a count that can be estimated."""


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
            asked = await read_asked(channel, services, self.name)
        if channel.operation is not None:
            check_keys(asked.body)
        elif channel.dialect == "openai-chat":
            check_chat(asked.body)
        dialect = services.dialects[channel.dialect]
        record, operation = channel.record, channel.operation
        counts = operation is not None and operation.counts
        record.alias, record.client_dialect, record.stream = self.name, dialect.NAME, asked.stream
        call = ClientCall(
            model=asked.model,
            stream=asked.stream and not counts,
            body=asked.body,
            source=self._source(channel, dialect),
            strict=self.strict,
            show_model=None if self.reveal_model else self._shown(asked.model),
            form=asked.form,
            framing=channel.framing,
        )
        asking = Asking(
            targets=self.order(),
            timeouts=self.timeouts,
            reveal=self.reveal_model,
            what=f"{dialect.NAME} clients" if operation is None else operation.name,
            translate=(
                _chat(dialect, record, services)
                if operation is None
                else _beside(operation, services)
            ),
            optional=operation is not None and operation.optional,
            within=_COUNT_S if counts else None,
            otherwise=self._otherwise(dialect) if counts else None,
        )
        if channel.warm:
            await answer_warm(channel, call)
            return
        channel.guard()
        await Exchange(services, dialect, call, asking, channel).run()

    def _otherwise(self, dialect: Dialect) -> Callable[[ClientCall], bytes]:
        if not self._services.settings.estimate_tokens:
            return not_estimated
        return partial(estimated, dialect)

    def _shown(self, asked: str) -> str:
        """The name an answer carries; ``*`` is no name a client could send back."""
        return asked if self.name == WILDCARD else self.name

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
                for name in dialect.FORWARDED_HEADERS | _READ
                if (value := channel.headers.get(name.encode("ascii"))) is not None
            },
        )


def _chat(dialect: Dialect, record: Record, services: Services) -> Translate:
    def translate(target: Target, call: ClientCall) -> Translation | None:
        found = target.candidate(dialect, call)
        if found is None:
            return None
        if found.condition is not None:
            services.log.debug(
                "dialect chosen",
                id=record.id,
                target=target.name,
                because=found.condition.name,
                dialect=found.translation.upstream.NAME,
            )
        return found.translation

    return translate


def _beside(operation: Operation, services: Services) -> Translate:
    """An operation needs no generated code: the provider's dialects decide."""

    def translate(target: Target, call: ClientCall) -> Translation | None:
        provider = target.provider
        model = TargetModel(provider=provider.name, model=target.model, family="")
        spoken = services.dialects if provider.echo else provider.urls
        chat = None
        if operation.counts:
            dialect = services.dialects[operation.dialect]
            chat = target.translation(dialect, unwrapped(call))
        return find(operation, spoken, services.dialects, model, provider.platform, chat)

    return translate


async def read_asked(channel: Channel, services: Services, name: str | None = None) -> Asked:
    """The guarded body of a request; ``name`` is the model of a pinned address."""
    raw = await read_body(channel, services.settings.body_limit, services.limits)
    kind = channel.headers.get(b"content-type", b"")
    if channel.operation is not None and kind.lower().startswith(b"multipart/form-data"):
        return parse_form(raw, kind.decode("latin-1"), name)
    return parse_body(raw, name)


class AliasResource(ModelResource):
    selector: ClassVar[Selector]
    targets: ClassVar[Sequence[Weighted]]

    def order(self) -> Sequence[Target]:
        return self.selector.order(self.targets, self._services.random)


class TargetResource(ModelResource):
    target: ClassVar[Target]

    def order(self) -> Sequence[Target]:
        return (self.target,)
