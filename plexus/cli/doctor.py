"""``doctor``: ask every provider for a word, and say what works."""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from msgspec import structs

from plexus.cli.paths import config_path, out_path, shown
from plexus.cli.serve import built
from plexus.compiler.diagnostics import printable
from plexus.manifest import ManifestError

if TYPE_CHECKING:
    from plexus.gateway.doctor import Finding


_NOT_FOUND = 404


def doctor(arguments: Namespace) -> int:
    """0 when all that was asked works, 1 when something does not."""
    from plexus.gateway.doctor import chosen, examine
    from plexus.gateway.loader import load

    config, folder = config_path(arguments), out_path(arguments)
    try:
        verified = built(config, folder)
        if verified is None:
            return 1
        generation = load(folder, verified, config.absolute().parent)
        wanted = chosen(generation, arguments.names)
    except ManifestError as error:
        print(f"{shown(error.path)}: {error.message}; run `plexus build`", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"{folder}: cannot be read: {error.strerror}", file=sys.stderr)
        return 1
    except KeyError as unknown:
        known = ", ".join(sorted(provider.name for provider in generation.providers))
        said = f"{unknown.args[0]!r} is no provider and no provider/model; there are: {known}"
        print(said, file=sys.stderr)
        return 2
    findings = []
    for finding in examine(generation, os.environ, wanted, arguments.timeout):
        findings.append(finding)
        if arguments.format == "text":
            print(printable(_line(finding)), flush=True)
    if arguments.format == "json":
        print(json.dumps([_row(finding) for finding in findings], indent=2))
    return 0 if findings and all(finding.works for finding in findings) else 1


def _line(finding: Finding) -> str:
    """``ok      openai/gpt-5.4-mini  openai-chat  812 ms, 12 tokens``."""
    head = f"{'ok' if finding.works else 'FAILED':<8}{finding.target}"
    if finding.upstream:
        head += f"  {finding.upstream}"
    if not finding.works:
        status = f"{finding.status}: " if finding.status else ""
        # The model may be unknown there, or its base URL a wrong one: most end in /v1.
        below = f" (below {finding.url})" if finding.status == _NOT_FOUND and finding.url else ""
        return f"{head}  {status}{finding.message}{below}"
    tokens = "" if finding.tokens is None else f", {finding.tokens} tokens"
    model = f", said by {finding.model}" if finding.model else ""
    return f"{head}  {finding.ms:.0f} ms{tokens}{model}"


def _row(finding: Finding) -> dict[str, object]:
    return {"works": finding.works, **structs.asdict(finding)}
