"""What is known about one request when it ends: its log line."""

from plexus.unified.response import FinishReason, UnifiedUsage


class Record:
    """Filled in on the way; written once (reliability.md §3.6).

    ``started`` is ``perf_counter`` time, for the loop's clock has steps of a millisecond;
    ``waited`` are the seconds spent waiting for providers.  ``outcome`` is ``ok``, an error's kind
    or code, ``client_closed`` or ``stopped``.
    """

    __slots__ = (
        "alias",
        "attempts",
        "client_dialect",
        "dialect",
        "finish",
        "history",
        "id",
        "key",
        "outcome",
        "route",
        "started",
        "status",
        "stream",
        "target",
        "usage",
        "waited",
    )

    def __init__(self, request_id: str, route: str, started: float) -> None:
        self.id = request_id
        self.route = route
        self.started = started
        self.waited = 0.0
        self.key = ""
        self.alias = ""
        self.target = ""
        self.client_dialect = ""
        self.dialect = ""
        self.stream = False
        self.status = 0
        self.attempts = 0
        self.history: list[tuple[str, str]] = []
        self.usage: UnifiedUsage | None = None
        self.finish: FinishReason | None = None
        self.outcome = ""

    def fields(self, now: float) -> dict[str, object]:
        """The fields of the log line, without those that say nothing; milliseconds whole."""
        usage = self.usage
        overhead = round((now - self.started - self.waited) * 1000, 1)
        found: dict[str, object] = {
            "id": self.id,
            "route": self.route,
            "status": self.status,
            "outcome": self.outcome,
            "key": self.key,
            "alias": self.alias,
            "target": self.target,
            "client_dialect": self.client_dialect,
            "dialect": self.dialect,
            "stream": self.stream or None,
            "attempts": self.attempts or None,
            "history": self.history if len(self.history) > 1 else None,
            "ms": round((now - self.started) * 1000),
            # A WebSocket is open as long as its client likes; its frames have lines of their own.
            "overhead_ms": None if self.status == 101 else overhead,
            "tokens_in": usage.prompt_tokens if usage else None,
            "tokens_out": usage.completion_tokens if usage else None,
            "finish": self.finish,
        }
        return {name: value for name, value in found.items() if value is not None and value != ""}
