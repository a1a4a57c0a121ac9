"""One exchange (a client call) made of attempts (upstream tries): aesthetics.md §3.4, §3.5."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import perf_counter

from msgspec import Struct

from plexus.gateway.attempt import (
    AttemptFailed,
    check_answer,
    looks_like,
    read_whole,
    upstream_error,
    web_page,
)
from plexus.gateway.channel import Channel
from plexus.gateway.downstream import Downstream
from plexus.gateway.errors import error_headers, refuse
from plexus.gateway.headers import attempt_headers, counters, upstream_headers, warnings_header
from plexus.gateway.outcome import Outcome, conclude, words
from plexus.gateway.relay import Relay
from plexus.gateway.reply import RawHeaders
from plexus.gateway.services import Services
from plexus.gateway.upstream.base import UpstreamAnswer, UpstreamFailed
from plexus.gateway.watch import Expired
from plexus.routing.failover import Verdict, repeatable
from plexus.routing.target import Target, Timeouts
from plexus.transformers.base import ClientCall, Dialect, WireRequest
from plexus.transformers.losses import LossWarning
from plexus.transformers.recall import Kept, Recalled, recalled, wanted
from plexus.transformers.repairs import Repair, Repairs
from plexus.transformers.translation import DisguisedError, Prepared, Translation
from plexus.unified.errors import CREDENTIAL_CODE, PlexusError, UnifiedError

_TRIES = 3
"""How many targets in a row may use up their whole time."""


class Asking(Struct, frozen=True, kw_only=True):
    """Who is asked, in which order, and what may be shown of it.

    ``timeouts`` are the alias's own, None for those of each target; ``within`` seconds is as long
    as anything may take.  ``translate`` says how a target is asked for ``what``, None when it
    cannot be; that is a 404 for what is ``optional``.  ``otherwise`` makes an estimate when no
    target has an answer.
    """

    targets: Sequence[Target]
    timeouts: Timeouts | None
    reveal: bool
    what: str
    translate: Callable[[Target, ClientCall], Translation | None]
    optional: bool = False
    within: float | None = None
    otherwise: Callable[[ClientCall], bytes] | None = None

    def times(self, target: Target) -> Timeouts:
        found = self.timeouts or target.timeouts
        return found if self.within is None else found.within(self.within)


class Exchange:
    """Tries the targets until one answers; writes to a Channel, never to Falcon's objects.

    Every attempt starts from the client's untouched call.
    """

    def __init__(
        self,
        services: Services,
        dialect: Dialect,
        call: ClientCall,
        asking: Asking,
        channel: Channel,
    ) -> None:
        self._services = services
        self._limits = services.limits
        self._dialect = dialect
        self._call = call
        self._asking = asking
        self._channel = channel
        self._record = channel.record
        self._watch = channel.watch
        self._loop = asyncio.get_running_loop()
        self._mark = 0.0
        self._repaired = False
        self._repair: Repair | None = None
        """What the attempt under way does differently."""
        self._sent: tuple[Translation, WireRequest] | None = None
        self._recalled: Recalled | None = None
        """The parsed call with what the vault knows of it, once a target needs it."""
        self._down = Downstream(channel, dialect, call) if call.stream else None

    async def run(self) -> None:
        failures: list[AttemptFailed] = []
        started = self._loop.time()
        for target in self._asking.targets:
            if failures and self._loop.time() - started > self._budget():
                break
            try:
                await self._try(target)
                return
            except AttemptFailed as failed:
                failures.append(failed)
                self._note(failed)
                if failed.verdict is Verdict.RETURN:
                    break
        if self._asking.otherwise is not None and not any(failed.mistaken for failed in failures):
            await self._estimate(self._asking.otherwise)
            return
        await self._refuse(conclude(failures, self._asking.reveal))

    def _budget(self) -> float:
        """Seconds after which no further target is tried (docs/decisions/0014)."""
        return _TRIES * self._asking.times(self._asking.targets[0]).first_content

    async def _estimate(self, otherwise: Callable[[ClientCall], bytes]) -> None:
        """No target has counted.  Raises PlexusError where an estimate would be invented."""
        body = otherwise(self._call)
        self._succeeded()
        await self._channel.send(
            200,
            [
                (b"content-type", b"application/json"),
                (b"x-plexus-estimated", b"true"),
                *counters(self._record),
            ],
            body,
        )

    async def _try(self, target: Target) -> None:
        """One target; once in a request a second time, if its refusal taught what is right.

        Raises AttemptFailed.
        """
        try:
            await self._attempt(target)
            return
        except AttemptFailed as failed:
            repair = self._repair_for(target, failed)
            if repair is None:
                raise
            self._note(failed, " repaired")
        self._services.log.info(
            "request repaired", id=self._record.id, target=target.name, repair=repair.name
        )
        self._repaired, self._repair = True, repair
        try:
            await self._attempt(target)
        finally:
            self._repair = None

    def _repair_for(self, target: Target, failed: AttemptFailed) -> Repair | None:
        """What would make a difference, None when nothing is known to (errors.md §5)."""
        sent, self._sent = self._sent, None
        if sent is None or self._repaired:
            return None
        translation, wire = sent
        repair = translation.repair_for(self._call, failed.error)
        if repair is None:
            return None
        try:
            known = (*self._known(target, translation), repair)
            again = translation.prepare(self._call, known, self._recalled)
        except PlexusError:
            return None
        same = (again.wire.body, again.wire.headers) == (wire.body, wire.headers)
        return None if same else repair

    def _known(self, target: Target, translation: Translation) -> Repairs:
        """What the overlay holds of a target; a strict request is sent as it is."""
        if self._call.strict:
            return ()
        return self._services.overlay.known(target.name, translation.upstream.NAME)

    def _learn(self, target: Target, translation: Translation) -> None:
        """The repaired request was taken: the next one will be right at once."""
        if self._repair is not None:
            overlay = self._services.overlay
            overlay.learn(target.name, translation.upstream.NAME, self._repair)

    def _note(self, failed: AttemptFailed, then: str = "") -> None:
        self._record.history.append((failed.target.name, failed.summary + then))
        # Somebody has to look after the provider's account.
        ours = failed.error.code == CREDENTIAL_CODE or failed.error.kind in ("billing", "quota")
        say = self._services.log.warn if ours else self._services.log.debug
        say(
            "attempt failed",
            id=self._record.id,
            target=failed.target.name,
            summary=failed.summary,
            code=failed.error.code,
        )

    async def _attempt(self, target: Target) -> None:
        """Raises AttemptFailed."""
        self._sent = None
        prepared, translation = await self._prepare(target)
        self._sent = (translation, prepared.wire)
        record = self._record
        record.target, record.dialect = target.name, translation.upstream.NAME
        record.attempts += 1
        try:
            await self._ask(target, translation, prepared)
        except DisguisedError as problem:
            raise AttemptFailed(target, problem.error, failure=problem.failure) from None
        except PlexusError as problem:
            raise AttemptFailed(target, problem.error) from None
        except UpstreamFailed as failed:
            # Nothing came back, but the provider may have acted on what was sent.
            again = failed.stage == "connect" or repeatable(self._call)
            verdict = Verdict.NEXT if again else Verdict.RETURN
            raise AttemptFailed(target, upstream_error(target, failed), verdict=verdict) from None
        record.history.append((target.name, "ok"))

    async def _prepare(self, target: Target) -> tuple[Prepared, Translation]:
        translation = self._asking.translate(target, self._call)
        if translation is None:
            message = f"{target.name} does not serve {self._asking.what}"
            error = UnifiedError(
                kind="not_found" if self._asking.optional else "unsupported",
                message=message,
                code="plexus_unsupported",
                should_retry=False if self._asking.optional else None,
            )
            raise AttemptFailed(target, error, called=False)
        try:
            known = self._known(target, translation)
            if self._repair is not None:
                known = (*known, self._repair)
            known_turns = await self._recall(translation)
            return translation.prepare(self._call, known, known_turns), translation
        except PlexusError as problem:
            raise AttemptFailed(target, problem.error, called=False) from None

    async def _recall(self, translation: Translation) -> Recalled | None:
        """What the client may have stripped from its history; None where it is passed through."""
        if self._recalled is None:
            request = translation.parse(self._call)
            if request is None:
                return None
            vault = self._services.vault
            keys = wanted(request, vault.calls, vault.words)
            if keys:
                every = [key for names in keys.values() for key in names]
                turns = await vault.recall(self._record.key, every)
                self._recalled = recalled(request, keys, turns)
            else:
                self._recalled = Recalled(request)
        return self._recalled

    def _keep(self, kept: Kept) -> None:
        self._services.remember(self._record.key, kept)

    async def _ask(self, target: Target, translation: Translation, prepared: Prepared) -> None:
        """Open, read, answer.  Raises AttemptFailed, UpstreamFailed, PlexusError."""
        timeouts = self._asking.times(target)
        link = self._services.link(target.provider.name, translation.upstream.NAME)
        self._mark = perf_counter()
        until = self._loop.time() + timeouts.first_content
        answer: UpstreamAnswer | None = None
        self._watch.deadline = until
        try:
            with self._watch:
                # A credential may have to wait for a token.
                request = await link.request(prepared.wire, timeouts)
                answer = await link.upstream.open(request)
                await check_answer(answer, prepared, target, self._limits)
                body = aiter(answer)
                first = await anext(body, b"")
                shape = looks_like(first)
                if shape == "page" and not prepared.opaque:
                    raise web_page(target)
                streams = self._down is not None and shape != "object"
                if not streams:
                    first = await self._whole(body, first, target, timeouts.idle, until)
            self._waited()
            if streams:
                await self._relay(answer, body, first, prepared, target, translation, until)
            else:
                await self._answer(answer.headers, first, prepared, target, translation)
        except Expired:
            raise UpstreamFailed("send", "no answer in time", timeout=True) from None
        finally:
            self._waited()
            if answer is not None:
                await answer.aclose()

    def _waited(self) -> None:
        """Since the last mark, time went by on the provider's account."""
        now = perf_counter()
        self._record.waited += now - self._mark
        self._mark = now

    async def _whole(
        self, body: AsyncIterator[bytes], first: bytes, target: Target, idle: float, until: float
    ) -> bytes:
        def read() -> None:
            self._watch.deadline = min(self._loop.time() + idle, until)

        read()
        return await read_whole(body, first, target, self._limits.answer, read)

    async def _answer(
        self,
        headers: Mapping[str, str],
        body: bytes,
        prepared: Prepared,
        target: Target,
        translation: Translation,
    ) -> None:
        """A whole answer, to either kind of client."""
        if prepared.opaque:
            kind = headers.get("content-type", "application/octet-stream")
        elif looks_like(body) == "other":
            kind = translation.upstream.encoder().content_type
        else:
            kind = "application/json"
        answer = prepared.answer(body, kind)
        self._record.usage, self._record.finish = answer.usage, answer.finish
        if answer.kept is not None:
            self._keep(answer.kept)
        own = self._headers(target, headers, prepared.wire.warnings + answer.warnings)
        self._learn(target, translation)
        self._succeeded()
        if self._down is not None and answer.content_type == self._down.content_type:
            await self._down.begin(own)
            await self._down.write(answer.body)
            await self._down.end()
        else:
            own.append((b"content-type", answer.content_type.encode("latin-1", "replace")))
            await self._channel.send(200, own, answer.body)

    async def _relay(
        self,
        answer: UpstreamAnswer,
        body: AsyncIterator[bytes],
        first: bytes,
        prepared: Prepared,
        target: Target,
        translation: Translation,
        until: float,
    ) -> None:
        assert self._down is not None
        stream = prepared.stream()
        stream.words = lambda error: words(target, error, self._asking.reveal)
        stream.keep = self._keep

        def headers() -> RawHeaders:
            self._waited()
            self._learn(target, translation)
            return self._headers(target, answer.headers, prepared.wire.warnings)

        relay = Relay(
            body,
            stream,
            target,
            self._down,
            self._watch,
            self._limits,
            headers=headers,
        )
        try:
            await relay.run(first, self._asking.times(target), until)
        finally:
            self._record.usage, self._record.finish = stream.usage, stream.finish
        if stream.failure is None:
            self._succeeded()
        else:
            self._record.outcome = stream.failure.code or stream.failure.kind

    def _succeeded(self) -> None:
        self._record.outcome = "ok"

    def _headers(
        self, target: Target, answer: Mapping[str, str], warnings: tuple[LossWarning, ...]
    ) -> RawHeaders:
        """Headers of a success."""
        return [
            *attempt_headers(self._record, target, self._asking.reveal),
            *warnings_header(warnings),
            *self._upstream_headers(answer),
        ]

    def _upstream_headers(self, answer: Mapping[str, str]) -> RawHeaders:
        """A vendor's own ids and limits tell who it is."""
        if not self._asking.reveal:
            return []
        return upstream_headers(answer, self._services.forward_rate_limits)

    async def _refuse(self, outcome: Outcome) -> None:
        """No target answered."""
        channel, last = self._channel, outcome.last
        own = [
            *attempt_headers(self._record, last.target, self._asking.reveal),
            *self._upstream_headers(last.headers),
        ]
        if outcome.verbatim is None or channel.started:
            await refuse(channel, outcome.error, own)
            return
        self._record.outcome = last.error.code or last.error.kind
        headers = error_headers(outcome.error)
        headers[0] = (b"content-type", outcome.verbatim.content_type.encode("latin-1", "replace"))
        assert outcome.verbatim.verbatim is not None
        await channel.send(outcome.verbatim.status, headers + own, outcome.verbatim.verbatim)
