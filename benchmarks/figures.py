"""Measure the figures of the README, and write them into it.

    python -m benchmarks.figures            measure every data set at every as-of date (two hours), then write
    python -m benchmarks.figures --render   only write README.md and docs/benchmark.md again from what was measured

The constants of the model and of the references were chosen on as-of dates up to 2017-09-01; these are later. The data
is prepared in folders of its own, so that a workspace with other data in it changes no figure.
"""

import argparse
import json
from datetime import date
from pathlib import Path

from benchmarks.forecasts.report import Report
from benchmarks.forecasts.run import evaluate
from benchmarks.forecasts.study import STANDARD, Variant
from benchmarks.forecasts.tables import Table, calibration_lines, main_table, section_table, summary, tables
from encoders.data.built_in import publish_built_in
from encoders.model_folder import read_model
from encoders.settings import settings
from encoders.train import train
from encoders.workspace import Workspace

AS_OF: dict[str, tuple[date | None, ...]] = {
    "completejourney": (date(2017, 10, 1), date(2017, 11, 1)),
    "movielens": (None,),
}
"""By data set; None is the date it names itself."""
VARIANTS = STANDARD
"""Names and recipes of our model; the first is what the README shows."""

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ROOT / "benchmarks" / "measured" / "benchmark.json"
PAGE = ROOT / "docs" / "benchmark.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def measure() -> None:
    """Run the benchmark on every data set at every date, and keep what came out."""
    workspaces = {name: Workspace(settings().workspace / "benchmark" / name) for name in AS_OF}
    for name, workspace in workspaces.items():
        publish_built_in(workspace, name)
    reports = []
    for name, dates in AS_OF.items():
        guests = [_guest(other, workspaces[other]) for other in AS_OF if other != name]
        for as_of in dates:
            reports.append(evaluate(workspaces[name], settings(), as_of, variants=VARIANTS, guests=guests))
    MEASURED.write_text(json.dumps([report.model_dump(mode="json") for report in reports], indent=1) + "\n", "utf-8")


def _guest(name: str, workspace: Workspace) -> Variant:
    """Our model as trained on one data set alone; it is then asked about another."""
    return Variant(f"ours, trained on {name} only", read_model(train(workspace, settings(), AS_OF[name][0])))


def measured() -> list[Report]:
    """What came out last."""
    return [Report.model_validate(each) for each in json.loads(MEASURED.read_text("utf-8"))]


def write(text: str) -> str:
    """``text`` (a README) with the figures between its two marks: one table, and a line for each other report."""
    first, *others = measured()
    parts = [f"{_heading(first)}.", "\n".join(_markdown(main_table(first))), *calibration_lines(first)[:1]]
    parts += [f"{_heading(report)}: ours has {summary(report)}." for report in others]
    parts += ["All tables: [docs/benchmark.md](docs/benchmark.md).", first.note]
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    figures = "\n\n".join(parts)
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def page() -> str:
    """All figures, as docs/benchmark.md."""
    lines = [
        "# The benchmark",
        "",
        "Written by `python -m benchmarks.figures`. Macro averages over demands, with 95 % bootstrap intervals over "
        "them (of the campaigns: over users). A scorer that is told the sentence reads nothing else of a demand; one "
        "that is told categories knows which items count; one that is told labels was also trained on what came of "
        "that very demand before, or was given some users who did it lately. Precision and recall are those of the "
        "audience that ours recommends, for every scorer at the same size.",
    ]
    for report in measured():
        lines += ["", f"## {_heading(report)}", "", report.note]
        for title, table in tables(report):
            lines += ["", f"### {title}", "", *_markdown(table)]
        lines += ["", "### Our probabilities", "", *(f"- {line}" for line in calibration_lines(report))]
        for section in report.sections:
            title = f"{section.title} ({section.name}, {section.demands})"
            lines += ["", f"<details><summary>{title}</summary>", "", *_markdown(section_table(section)), ""]
            lines += ["</details>"]
    return "\n".join([*lines, ""])


def _heading(report: Report) -> str:
    return (
        f"{report.title}, as of {report.as_of}: {report.sections[0].demands} demands, {report.population:,} users, "
        f"the {report.horizon_days} days after, seed {report.seed}"
    )


def _markdown(table: Table) -> list[str]:
    heading, *rows = (f"| {' | '.join(row)} |" for row in table)
    return [heading, f"|{'---|' * len(table[0])}", *rows]


def main() -> None:
    """Measure unless told not to, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--render", action="store_true", help="only write the pages again")
    if not parser.parse_args().render:
        measure()
    README.write_text(write(README.read_text("utf-8")), "utf-8")
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
