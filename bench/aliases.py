"""What many aliases cost to build and to start."""

from pathlib import Path

from bench.gateways import Config, build, plexus_config, serve
from bench.measure import cold_starts
from bench.processes import Cost, free_port, middle

ALIASES = 1_000


def many_aliases(upstream: int, count: int) -> Config:
    """The bench's own aliases and enough further ones of two targets each over 50 providers."""
    config = plexus_config(upstream)
    url = f"http://127.0.0.1:{upstream}/v1"
    models = [f"m{number}" for number in range(20)]
    providers = {
        f"p{number}": {"type": "openai-chat", "api_base_url": url, "models": models}
        for number in range(50)
    }
    own = config["aliases"]
    further = {
        f"alias-{number}": {
            "targets": [
                f"p{number % 50}/m{number % 20}",
                f"p{(number + 7) % 50}/m{(number + 3) % 20}",
            ]
        }
        for number in range(count - len(own))
    }
    return {"providers": {**config["providers"], **providers}, "aliases": {**own, **further}}


def measure_aliases(lab: Path, upstream: int, count: int, times: int) -> tuple[Cost, Cost]:
    """A whole ``plexus build`` process, and from spawn to the first answer: medians."""
    config = many_aliases(upstream, count)
    costs = [build(lab / f"aliases-{number}", config) for number in range(times)]
    port = free_port()
    started = cold_starts("plexus-aliases", serve(port), port, lab / "aliases-0", times)
    return middle(costs), started
