"""What each part of the model is worth, on a date before those that are reported.

python -m benchmarks.ablations            train and measure every version (half an hour), then write the page
python -m benchmarks.ablations --render   only write docs/ablations.md again from benchmarks/measured/ablations.json
"""

import argparse
from datetime import date
from pathlib import Path

from benchmarks.forecasts.judging import COUNT_CLOSE, COUNT_ERROR, COVERAGE, ECE, PRECISION, RECALL
from benchmarks.forecasts.report import Report
from benchmarks.forecasts.run import ablate
from benchmarks.forecasts.study import ABLATIONS
from benchmarks.forecasts.tables import Table, section_table
from encoders.data.built_in import publish_built_in
from encoders.settings import settings
from encoders.workspace import Workspace

AS_OF = date(2017, 9, 1)
DATA = "completejourney"
ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "ablations.json"
PAGE = ROOT / "docs" / "ablations.md"
_OF_PROBABILITIES = {ECE, COUNT_ERROR, COUNT_CLOSE, COVERAGE, PRECISION, RECALL}


def measure() -> None:
    """Train every version on the same windows, with the same seed, and keep what came out."""
    workspace = Workspace(settings().workspace / "benchmark" / DATA)
    publish_built_in(workspace, DATA)
    report = ablate(workspace, settings(), AS_OF, ABLATIONS)
    MEASURED.write_text(report.model_dump_json(indent=1) + "\n", "utf-8")


def page() -> str:
    """The measured figures as docs/ablations.md."""
    report = Report.model_validate_json(MEASURED.read_text("utf-8"))
    lines = [
        "# What each part is worth",
        "",
        f"Written by `python -m benchmarks.ablations`: {report.title}, as of {report.as_of}, seed {report.seed}. Every "
        "version is trained on the same windows; the first is the product. The dates of the other tables are later. "
        "Only the ranking of users is compared: how right the probabilities are is a matter of their calibration, in "
        "the other tables.",
    ]
    for section in report.sections:
        heading, *rows = (f"| {' | '.join(row)} |" for row in _of_ranking(section_table(section)))
        lines += ["", f"## {section.title} ({section.demands})", "", heading]
        lines += [f"|{'---|' * (heading.count('|') - 1)}", *rows]
    return "\n".join([*lines, ""])


def _of_ranking(table: Table) -> list[list[str]]:
    """The columns that are about the order of users."""
    kept = [place for place, name in enumerate(table[0]) if name not in _OF_PROBABILITIES]
    return [[row[place] for place in kept] for row in table]


def main() -> None:
    """Measure unless told not to, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--render", action="store_true", help="only write the page again")
    if not parser.parse_args().render:
        measure()
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
