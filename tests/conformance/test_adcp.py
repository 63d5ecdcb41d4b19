"""The official conformance harness of AdCP, from npm, on the running app: no step fails.

Its storyboards say which tools they are about; steps about tools that a signals agent does not have are skipped by the
harness, and how many those are is written down here.
"""

import json
import subprocess
from collections import Counter
from typing import Any

import pytest

from tests.conformance.sandbox import HERE, Agent

ADCP = HERE / "node_modules" / ".bin" / "adcp"
PATIENCE = 300
"""Seconds."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ADCP.exists(), reason="The harness is not installed; run 'npm ci' in tests/conformance."),
]

STORYBOARDS = {
    "capability_discovery": (2, 0),
    "signals_baseline": (4, 0),
    "signal_owned": (5, 0),
    "get_signals_pagination_integrity": (3, 0),
    "pagination_integrity_list_accounts": (4, 0),
    "v3_envelope_integrity": (1, 0),
    "schema_validation": (0, 1),
    "error_compliance": (0, 1),
    "idempotency": (1, 7),
}
"""Steps passed, and steps skipped because they are about buying media."""


def harness(*arguments: str) -> Any:
    """What the harness prints as JSON."""
    done = subprocess.run([str(ADCP), *arguments], capture_output=True, text=True, timeout=PATIENCE, cwd=HERE)
    assert done.stdout, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_the_storyboards_of_a_signals_agent_pass(agent: Agent) -> None:
    names = ",".join(STORYBOARDS)
    report = harness(
        *("storyboard", "run", agent.address, "--storyboards", names),
        *("--auth", agent.token, "--allow-http", "--json"),
    )
    counts = {name: Counter[str]() for name in STORYBOARDS}
    for track in report["tracks"]:
        for scenario in track["scenarios"]:
            for step in scenario["steps"]:
                assert step["passed"], step
                skipped = step.get("skipped", False)
                assert step.get("skip_reason") == ("missing_tool" if skipped else None)
                counts[scenario["scenario"].partition("/")[0]]["skipped" if skipped else "passed"] += 1
    assert report["summary"]["steps_failed"] == 0
    assert {name: (count["passed"], count["skipped"]) for name, count in counts.items()} == STORYBOARDS


def test_nobody_gets_in_without_a_token(agent: Agent) -> None:
    command = ["node", "storyboard.mjs", "security_baseline", agent.address, agent.token]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=HERE)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["ok"], report
    assert {step["name"] for step in report["steps"] if step["skipped"] is None and step["passed"]} == {
        "probe_unauth",
        "probe_api_key",
        "probe_invalid_api_key",
        "assert_mechanism",
    }
    assert {step["skipped"] for step in report["steps"]} == {None, "oauth_not_advertised"}


@pytest.mark.parametrize("seed", [1, 42, 7777])
def test_no_request_that_fits_the_schemas_breaks_it(agent: Agent, seed: int) -> None:
    report = harness(
        *("fuzz", agent.address, "--seed", str(seed), "--turn-budget", "15", "--format", "json"),
        *("--auth-token", agent.token, "--auth-token-cross-tenant", agent.rival),
    )
    assert report["totalFailures"] == 0, report
    for tool in ("get_signals", "get_adcp_capabilities"):
        assert report["perTool"][tool]["runs"] == 15
        assert report["perTool"][tool]["accepted"] > 0
