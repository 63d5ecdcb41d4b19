"""Measure the figures of the README, and write them into it.

    python benchmarks/figures.py            measure at every as-of date (minutes), then write
    python benchmarks/figures.py --render   only write README.md again from docs/benchmark.json

The constants of the model and of the baselines were chosen on as-of dates up to 2017-09-01; these are later.
"""

import argparse
import json
from datetime import date
from pathlib import Path

from encoders.evaluate import EvaluationTable, evaluate
from encoders.settings import settings
from encoders.workspace import Workspace

AS_OF = (date(2017, 10, 1), date(2017, 11, 1))
ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "docs" / "benchmark.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def measure() -> None:
    """Run the benchmark at every date and keep what came out."""
    workspace = Workspace(settings().workspace)
    tables = [evaluate(workspace, settings(), as_of).model_dump(mode="json") for as_of in AS_OF]
    MEASURED.write_text(json.dumps(tables, indent=1) + "\n", "utf-8")


def render() -> str:
    """The figures as Markdown."""
    tables = [EvaluationTable.model_validate(each) for each in json.loads(MEASURED.read_text("utf-8"))]
    blocks = []
    for table in tables:
        heading, *rows = table.table()
        lines = [
            f"**As of {table.as_of}**: {table.demands} demands ({table.held_out_demands} of them held out), "
            f"{table.population:,} users, the {table.horizon_days} days after, seed {table.seed}.",
            "",
            f"| {' | '.join(heading)} |",
            f"|{'---|' * len(heading)}",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"Our probabilities: calibration error {table.calibration_error:.3f}; the number of responders is "
            f"predicted within a quarter for {table.responders_close:.0%} of the demands, and lies in the 80 % "
            f"interval for {table.interval_coverage:.0%}.",
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join([*blocks, tables[0].note])


def write(text: str) -> str:
    """``text`` (a README) with the figures between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{render()}\n{END}{after}"


def main() -> None:
    """Measure unless told not to, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--render", action="store_true", help="only write the README again")
    if not parser.parse_args().render:
        measure()
    README.write_text(write(README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
