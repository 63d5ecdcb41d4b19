"""The units for systemd, and what the page about them says."""

import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from agent.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "docs" / "systemd").iterdir())
COMMAND = re.compile(r"audience (?:--\S+ \S+ )?([a-z]+)")


def test_systemd_takes_the_units() -> None:
    if not (analyze := which("systemd-analyze")):
        pytest.skip("systemd-analyze is not installed")
    assert {path.name for path in UNITS} == {"audience.service", "audience-nightly.service", "audience-nightly.timer"}
    found = subprocess.run([analyze, "verify", *map(str, UNITS)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_what_the_units_and_the_cron_line_start_are_commands() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    [cron] = re.findall(r"^15 3 .*$", page, re.MULTILINE)
    started = [line for path in UNITS for line in path.read_text().splitlines() if line.startswith("ExecStart=")]
    known = {command.__name__.rstrip("_") for command in COMMANDS}
    assert [COMMAND.findall(line)[0] for line in [*started, cron]] == ["nightly", "serve", "nightly"]
    assert {"nightly", "serve"} <= known
    assert all(path.name in page for path in UNITS)
