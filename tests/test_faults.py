"""A part of ``benchmarks/faults.py``: operations that are killed or find the disk full, and files that are damaged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import faults

ROOT = Path(__file__).resolve().parents[1]
CHOSEN = (
    *("--places", "prepare", "token create"),
    *("--files", "tokens.db", "jobs.db"),
    *("--moments", "2", "--no-disks"),
)


@pytest.mark.slow
def test_what_was_acknowledged_survives_and_what_is_damaged_is_told(tmp_path: Path) -> None:
    out = tmp_path / "measured.json"
    command = [sys.executable, "-m", "benchmarks.faults", *CHOSEN, "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(out.read_text("utf-8"))
    assert [row["place"] for row in measured["rows"]] == ["prepare"] * 2 + ["token create"] * 2
    for row in measured["rows"]:
        assert row["kept"] == row["goes_on"] == row["plain"] == row["cases"] == 2, done.stderr
        assert set(row["codes"]) <= ({"-9"} if row["fault"] == "kill -9" else {"0", "2"}), done.stderr
    for damage in measured["damages"]:
        assert damage["same"], done.stderr
        assert damage["plain"], done.stderr
        assert damage["mended"], done.stderr


def test_the_page_is_what_was_measured() -> None:
    measured = faults.Measured.model_validate_json(faults.MEASURED.read_text("utf-8"))
    assert faults.page(measured) == faults.PAGE.read_text("utf-8"), "run: python -m benchmarks.faults --render"
