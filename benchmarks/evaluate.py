"""Measure the forecasts, or the guard, the conversation or the reading of messages, and print the figures as tables.

python -m benchmarks.evaluate                                the model beside every baseline, on the workspace's data
python -m benchmarks.evaluate --guard                        how right the guard is, on labelled requests
python -m benchmarks.evaluate --dialogue                     how much the conversation helps simulated marketers
python -m benchmarks.evaluate --utterances FILE.jsonl ...    how messages are read; one labelled message a line
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.console import AsOf, Json, PlainGroup, open_workspace, progress_bar, show
from benchmarks.conversations.dialogues import evaluate_dialogues
from benchmarks.conversations.guard import evaluate_guard
from benchmarks.conversations.tables import dialogue_tables, guard_tables
from benchmarks.conversations.utterances import evaluate_utterances, utterance_tables
from benchmarks.forecasts.report import Report
from benchmarks.forecasts.run import evaluate as evaluate_forecasts
from benchmarks.forecasts.tables import calibration_lines, tables
from encoders.errors import RequestError

app = typer.Typer(cls=PlainGroup, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def evaluate(
    as_of: AsOf = None,
    guard: Annotated[
        bool, typer.Option("--guard", help="Measure what is declined instead, on labelled requests; needs no data.")
    ] = False,
    dialogue: Annotated[
        bool, typer.Option("--dialogue", help="Measure the conversation instead: simulated marketers talk to it.")
    ] = False,
    utterances: Annotated[
        bool,
        typer.Option("--utterances", help="Measure how messages are read instead: labelled ones."),
    ] = False,
    files: Annotated[list[Path] | None, typer.Argument(help="The files of --utterances.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Compare the model with simple ways to pick users, on demands it has not been trained on."""
    if guard + dialogue + utterances > 1:
        raise RequestError("Give one of --guard, --dialogue and --utterances.")
    if bool(files) != utterances:
        raise RequestError("Give --utterances with at least one file, and files with --utterances alone.")
    if utterances:
        read = evaluate_utterances(files or [])
        show(read, as_json, lambda: _tables_in_words(utterance_tables(read)))
    elif guard:
        figures = evaluate_guard()
        show(figures, as_json, lambda: _tables_in_words(guard_tables(figures)))
    elif dialogue:
        _evaluate_dialogues(as_of, as_json)
    else:
        workspace, settings = open_workspace()
        with progress_bar() as progress:
            report = evaluate_forecasts(workspace, settings, as_of, progress)
        show(report, as_json, lambda: _report_in_words(report))


def _evaluate_dialogues(as_of: date | None, as_json: bool) -> None:
    _, settings = open_workspace()
    with progress_bar() as progress:
        report = evaluate_dialogues(settings, as_of, progress)
    show(report, as_json, lambda: _tables_in_words(dialogue_tables(report)))


def _report_in_words(report: Report) -> str:
    heading = f"{report.title}, as of {report.as_of}: {report.population:,} users, the {report.horizon_days} days after"
    parts = _tables_in_words(tables(report))
    return "\n\n".join([heading, parts, "\n".join(["Our probabilities", *calibration_lines(report)])])


def _tables_in_words(titled: Sequence[tuple[str, Sequence[Sequence[str]]]]) -> str:
    return "\n\n".join(f"{title}\n{_aligned(rows)}" for title, rows in titled)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table in columns, the first one flush left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


if __name__ == "__main__":
    app()
