"""Figures: evaluate, score, size."""

from collections.abc import Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import AsOf, Json, open_workspace, permitted, progress_bar, show
from encoders.errors import RequestError
from tools.types import SizeEstimate

if TYPE_CHECKING:
    from benchmarks.forecasts.report import Report


def evaluate(
    as_of: AsOf = None,
    guard: Annotated[
        bool, typer.Option("--guard", help="Measure what is declined instead, on labelled requests; needs no data.")
    ] = False,
    dialogue: Annotated[
        bool, typer.Option("--dialogue", help="Measure the conversation instead: simulated marketers talk to it.")
    ] = False,
    utterances: Annotated[
        list[Path] | None,
        typer.Option("--utterances", help="Measure how messages are read instead: labelled ones, one JSON a line."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the model with simple ways to pick users, on demands it has not been trained on."""
    if bool(guard) + bool(dialogue) + bool(utterances) > 1:
        raise RequestError("Give one of --guard, --dialogue and --utterances.")
    if utterances:
        from benchmarks.conversations.utterances import evaluate_utterances, utterance_tables

        read = evaluate_utterances(utterances)
        show(read, as_json, lambda: _tables_in_words(utterance_tables(read)))
        return
    if guard:
        from benchmarks.conversations.guard import evaluate_guard
        from benchmarks.conversations.tables import guard_tables

        figures = evaluate_guard()
        show(figures, as_json, lambda: _tables_in_words(guard_tables(figures)))
        return
    if dialogue:
        _evaluate_dialogues(as_of, as_json)
        return
    from benchmarks.forecasts.run import evaluate as run

    workspace, settings = open_workspace()
    with progress_bar() as progress:
        report = run(workspace, settings, as_of, progress)
    show(report, as_json, lambda: _report_in_words(report))


def _evaluate_dialogues(as_of: date | None, as_json: bool) -> None:
    from benchmarks.conversations.dialogues import evaluate_dialogues
    from benchmarks.conversations.tables import dialogue_tables

    _, settings = open_workspace()
    with progress_bar() as progress:
        report = evaluate_dialogues(settings, as_of, progress)
    show(report, as_json, lambda: _tables_in_words(dialogue_tables(report)))


def score(
    demands: Annotated[Path, typer.Option(help='A file with one {"id": ..., "demand": ...} a line.')],
    out: Annotated[Path, typer.Option(help="The Parquet file to write: demand_id, user_id, score, probability.")],
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Score every user for every demand of a file; reads nothing that happened on or after the as-of date."""
    from encoders.score import score_file

    workspace, settings = open_workspace()
    with progress_bar() as progress:
        score_file(workspace, settings, as_of, demands, out, progress)
    show({"out": out}, as_json, lambda: f"Scores: {out}")


def size(
    demand: Annotated[
        str | None, typer.Argument(help="One sentence: who will do what, and in which time.", show_default=False)
    ] = None,
    cut: Annotated[float | None, typer.Option(min=0, max=1, help="Share of users to keep; else as is best.")] = None,
    like: Annotated[str, typer.Option(help="A demand kept by 'audience tune', instead of a sentence.")] = "",
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Say how many users a demand reaches, and how many of them are expected to do what it says."""
    _, settings = open_workspace()
    spec = None if like else permitted(demand, cut)
    if like and demand is not None:
        raise RequestError("Give a sentence or --like, not both: the tuned demand has its own sentence.")
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress("Scoring the users")
        with closing(AudienceService.open(settings, as_of)) as service:
            estimate = service.size(spec or permitted(service.tuned(like).demand, cut, like))
    show(estimate, as_json, lambda: _in_words(estimate, settings.minimum_size))


def _report_in_words(report: "Report") -> str:
    from benchmarks.forecasts.tables import calibration_lines, tables

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


def _in_words(size: SizeEstimate, minimum: int) -> str:
    from tools.audiences.disclosure import number_text

    users, eligible = (number_text(each, minimum) for each in (size.users, size.eligible))
    lines = [size.sentence] if size.sentence else []
    lines += [f"{users} of {eligible} users, as of {size.as_of}, for the {size.horizon_days} days from then on"]
    expected, everyone = size.responders, size.all_responders
    if expected and everyone:
        lines += [
            f"about {expected.mid:,.0f} of them ({expected.low:,.0f} to {expected.high:,.0f}) are expected to do it, "
            f"of about {everyone.mid:,.0f} in all",
            f"{size.lift:.1f} times as many as in an audience picked at random",
        ]
    if size.reads_as:
        lines.append(f"read as: {', '.join(size.reads_as)}")
    return "\n".join([*lines, *(f"note: {warning}" for warning in size.warnings)])
