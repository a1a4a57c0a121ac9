"""Tables and bars as Markdown, as docs/performance.md shows them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from bench.measure import Sample
from bench.processes import Cost
from bench.scenarios import DIALECTS, SCENARIOS, crossing

Samples = Mapping[str, Mapping[str, Sequence[Sample]]]
"""Scenario to gateway to its rounds, in order; no rounds where it does not take part."""

YARDSTICK = "ceiling-httpx2"
RATIO_BAR = 1.3
CROSS_BARS = {False: 1.3, True: 1.4}
"""A translated request, and a translated chunk of a paced stream, over one passed through."""


def bar(what: str, value: float, limit: float, unit: str) -> None:
    """One line that says whether ``value`` is within ``limit``; nothing fails by it."""
    verdict = "PASS" if value <= limit else "FAIL"
    print(f"{verdict}  {what}: {value:.2f} {unit} (bar {limit:g})".replace(" x ", "x "))


def bar_of(what: str, cost: Cost, limit: float, unit: str = "s") -> None:
    """A bar for a process's time by the clock; its CPU time tells what a busy machine added."""
    scale = 1e3 if unit == "ms" else 1
    bar(f"{what} ({cost.cpu * scale:.2f} {unit} of CPU)", cost.wall * scale, limit, unit)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def _median(samples: Sequence[Sample], field: str) -> float:
    values: list[float] = [getattr(sample, field) for sample in samples]
    return statistics.median(values)


def print_scenarios(samples: Samples) -> None:
    """A table a scenario: medians, with (lowest-highest) round of the CPU figure."""
    for name, by_gateway in samples.items():
        scenario = SCENARIOS[name]
        unit = scenario.unit
        rounds = max(map(len, by_gateway.values()))
        print(f"\n### {name}: median of {rounds} rounds, {scenario.connections} connections")
        head = [f"CPU us/{unit}", f"{unit}s/s", "p50 us", "p99 us", "added p50 us", "first byte us"]
        head += ["held p50 us", "held p99 us"] if scenario.paced else []
        direct = _median(by_gateway["direct"], "latency")
        print_table(
            ["gateway", *head, "errors"],
            (
                _row(gateway, rows, direct, scenario.paced)
                for gateway, rows in by_gateway.items()
                if rows
            ),
        )


def _row(gateway: str, rows: Sequence[Sample], direct: float, paced: bool) -> list[str]:
    costs = [sample.cpu for sample in rows]
    latency = _median(rows, "latency")
    held = [_median(rows, "held"), _median(rows, "held_p99")] if paced else []
    cells = [_median(rows, "rate"), latency, _median(rows, "latency_p99"), latency - direct]
    cells += [_median(rows, "first_byte"), *held, sum(sample.errors for sample in rows)]
    cost = f"{statistics.median(costs):.1f} ({min(costs):.1f}-{max(costs):.1f})"
    return [gateway, cost, *(f"{cell:.0f}" for cell in cells)]


def print_summary(samples: Samples) -> None:
    """CPU microseconds of every gateway in every scenario: the figures to trust, in one table."""
    gateways = [name for name in next(iter(samples.values())) if name != "direct"]
    print("\n### CPU microseconds per request, and per relayed chunk")
    print_table(
        ["scenario", "unit", *gateways],
        (
            [
                name,
                SCENARIOS[name].unit,
                *(
                    f"{_median(rows, 'cpu'):.1f}" if (rows := by_gateway[gateway]) else "-"
                    for gateway in gateways
                ),
            ]
            for name, by_gateway in samples.items()
        ),
    )


def print_ratios(samples: Samples) -> None:
    """Plexus over the ceiling, round by round; the median is held against the bar."""
    print(f"\n### CPU of plexus over {YARDSTICK}, pair by pair\n")
    for name, by_gateway in samples.items():
        if not by_gateway[YARDSTICK]:
            continue
        pairs = zip(by_gateway["plexus"], by_gateway[YARDSTICK], strict=True)
        ratios = [plexus.cpu / ceiling.cpu for plexus, ceiling in pairs]
        spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
        bar(f"{name} {spread}", statistics.median(ratios), RATIO_BAR, "x")


def print_crossings(samples: Samples) -> None:
    """What translating costs beside passing through: round by round, over the mean of the client's
    dialect at a provider of it and of the provider's dialect from a client of it."""
    for paced, limit in CROSS_BARS.items():
        unit = "chunk" if paced else "request"
        print(f"\n### A {unit} from one dialect to another, over one in the same dialect\n")
        same = {
            dialect: samples.get(crossing(dialect, dialect, paced), {}).get("plexus", ())
            for dialect in DIALECTS
        }
        for client in DIALECTS:
            for provider in DIALECTS:
                name = crossing(client, provider, paced)
                if client == provider or not (name in samples and same[client] and same[provider]):
                    continue
                rows = zip(samples[name]["plexus"], same[client], same[provider], strict=True)
                ratios = [2 * row.cpu / (one.cpu + other.cpu) for row, one, other in rows]
                spread = f"({min(ratios):.2f}-{max(ratios):.2f})"
                bar(f"{name} {spread}", statistics.median(ratios), limit, "x")
