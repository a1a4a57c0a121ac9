"""What `explain`, the build report and `check --env` say about clouds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from plexus.compiler import catalog, platforms
from plexus.compiler.explain import explain, report
from plexus.compiler.pipeline import examine_text
from plexus.compiler.plan import make

ROOT = Path(__file__).parents[2]
CASE = Path(__file__).parent / "cases" / "clouds" / "plexus.json"


def test_explain_says_where_a_cloud_stands_between() -> None:
    found = examine_text(CASE.read_bytes(), "plexus.json")
    assert found.resolved is not None
    plan = make(found.resolved, "plexus.json")
    text = explain(plan, "claude")
    assert "anthropic-messages   passed through on bedrock" in text
    assert "openai-chat          translated to anthropic-messages on bedrock" in text
    assert "openai-chat          passed through on vertex" in text
    lost = explain(plan, "claude", "anthropic-messages")
    title = "\nanthropic-messages → anthropic-messages on bedrock\n"
    assert "betas" in lost.partition(title)[2]
    nova = explain(plan, "nova")
    assert "anthropic-messages   translated to bedrock-converse" in nova
    summary = report(plan)
    for name, _ in plan.aliases["claude"].targets:
        if "bedrock" in {route.platform for route in name.routes}:
            assert re.search(rf"  anthropic-messages → .*{re.escape(name.name)}.*: ", summary)
    assert "  openai-chat → aws/eu.amazon.nova-lite-v1:0: " in summary


def test_a_dialect_of_providers_is_no_clients() -> None:
    assert "bedrock-converse" in catalog.dialects()
    assert "bedrock-converse" not in catalog.client_dialects()
    from plexus.gateway.errors import DIALECTS, PROVIDER_DIALECTS

    assert DIALECTS.keys() == catalog.client_dialects().keys()
    assert PROVIDER_DIALECTS.keys() == catalog.dialects().keys()


def test_every_platform_is_in_the_schema() -> None:
    schema = json.loads((ROOT / "schema" / "plexus.schema.json").read_text("utf-8"))
    provider = schema["$defs"]["provider"]["properties"]
    assert provider["platform"]["enum"] == list(platforms.NAMES)
    for name in platforms.NAMES:
        assert name == platforms.platform(name).NAME


_CHECK = """
import sys
for name in sys.argv[2:]:
    sys.modules[name] = None
from plexus.cli import main
main(["check", "--env", "--config", sys.argv[1]])
"""


def check(*missing: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, str(CASE), *missing],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )
    return done.stdout + done.stderr


def test_check_names_the_libraries_and_secrets_that_are_missing() -> None:
    said = check("botocore", "google")
    assert said.count("P602") == 5
    assert "pip install 'plexus-gateway[bedrock]'" in said
    assert "pip install 'plexus-gateway[vertex]'" in said
    assert "variable BEDROCK_SECRET is not set" in said
    assert "P602" not in check()
