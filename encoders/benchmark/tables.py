"""The report for people: tables of text, a heading first, and the lines below them."""

from collections.abc import Callable

from encoders.benchmark.figures import Figure
from encoders.benchmark.judging import (
    AHEAD,
    AUC,
    COUNT_CLOSE,
    COUNT_ERROR,
    COVERAGE,
    ECE,
    LIFT_TENTH,
    PRECISION,
    RECALL,
)
from encoders.benchmark.report import Report, Section
from encoders.benchmark.tasks import categories, first_time, held_out, wording

Table = list[tuple[str, ...]]

_NOTHING = "-"
_SHARES = (PRECISION, RECALL, COUNT_ERROR, COUNT_CLOSE, COVERAGE)
_SIGNED = (AHEAD, held_out.GAP, wording.MINUS_TEMPLATE)
_WORDING = wording.NAME.format(kind="")
_DISTANCE = "paraphrase - template"
_MAIN = (
    (AUC, categories.NAME, AUC),
    (LIFT_TENTH, categories.NAME, LIFT_TENTH),
    ("first-time AUC", first_time.NAME, AUC),
    (held_out.HELD_OUT, held_out.NAME, held_out.HELD_OUT),
    (f"{AHEAD} (AUC)", categories.NAME, AHEAD),
)
"""Title, section and column of every column of the main table."""
_IN_MAIN = (categories.NAME, first_time.NAME, held_out.NAME)


def in_words(column: str, value: float) -> str:
    """A figure with as many digits as it deserves."""
    if column in _SHARES:
        return f"{value:.0%}"
    if column.startswith("lift"):
        return f"{value:.2f}"
    return f"{value:+.3f}" if column in _SIGNED else f"{value:.3f}"


def with_interval(column: str, figure: Figure) -> str:
    """A figure and its 95 % interval."""
    return f"{in_words(column, figure.value)} ({in_words(column, figure.low)} to {in_words(column, figure.high)})"


def tables(report: Report) -> list[tuple[str, Table]]:
    """The tables a reader needs, each under its title: all demands, wording, campaigns, and what else was asked."""
    found = [("All demands", main_table(report))]
    kinds = [section for section in report.sections if section.name.startswith(_WORDING)]
    if kinds:
        found.append(("AUC by wording", _side_by_side(kinds)))
    others = [each for each in report.sections if each.name not in _IN_MAIN and each not in kinds]
    return found + [(section.title, section_table(section, in_interval=(AHEAD,))) for section in others]


def main_table(report: Report) -> Table:
    """Every scorer on all demands: what is most asked for, in few columns."""
    lines: Table = [("scorer", "told", *(title for title, _, _ in _MAIN))]
    for row in report.sections[0].rows:
        lines.append((row.scorer, row.told, *_main_cells(report, row.scorer)))
    return lines


def summary(report: Report) -> str:
    """The cells of ours in the main table, in a line."""
    cells = zip(_main_cells(report, report.ours), _MAIN, strict=True)
    return ", ".join(f"{title} {cell}" for cell, (title, _, _) in cells if cell != _NOTHING)


def _main_cells(report: Report, scorer: str) -> list[str]:
    cells = []
    for _, name, column in _MAIN:
        section = report.section(name)
        figure = section.figure(scorer, column) if section else None
        cells.append(_cell(column, figure, with_interval if column == AHEAD else _alone))
    return cells


def section_table(section: Section, in_interval: tuple[str, ...] | None = None) -> Table:
    """One section as it is, with the intervals of the columns ``in_interval`` (None: of all)."""
    lines: Table = [("scorer", "told", *section.columns)]
    for row in section.rows:
        cells = [
            _cell(column, row.figures.get(column), with_interval if _wanted(column, in_interval) else _alone)
            for column in section.columns
        ]
        lines.append((row.scorer, row.told, *cells))
    return lines


def calibration_lines(report: Report) -> list[str]:
    """What our probabilities are worth: one line for each list of demands they were checked on."""
    lines = []
    for section in report.sections:
        error, count, close, held = (
            section.figure(report.ours, name) for name in (ECE, COUNT_ERROR, COUNT_CLOSE, COVERAGE)
        )
        if error and count and close and held:
            lines.append(
                f"{section.title} ({section.demands}): calibration error {error.value:.3f}; the number of responders "
                f"is off by {count.value:.0%} in the median, by at most a quarter for {close.value:.0%} of the "
                f"demands, and in its 80 % interval for {held.value:.0%}."
            )
    return lines


def _side_by_side(kinds: list[Section]) -> Table:
    """AUC by kind of wording, and how far paraphrases are from their templates."""
    names = [section.name.removeprefix(_WORDING) for section in kinds]
    lines: Table = [("scorer", "told", *(f"{n} ({s.demands})" for n, s in zip(names, kinds, strict=True)), _DISTANCE)]
    for row in kinds[0].rows:
        cells = [_cell(AUC, section.figure(row.scorer, AUC), _alone) for section in kinds]
        distances = [section.figure(row.scorer, wording.MINUS_TEMPLATE) for section in kinds]
        distance = next((each for each in distances if each), None)
        lines.append((row.scorer, row.told, *cells, _cell(wording.MINUS_TEMPLATE, distance, with_interval)))
    return lines


def _wanted(column: str, in_interval: tuple[str, ...] | None) -> bool:
    return in_interval is None or column in in_interval


def _alone(column: str, figure: Figure) -> str:
    return in_words(column, figure.value)


def _cell(column: str, figure: Figure | None, written: Callable[[str, Figure], str]) -> str:
    return written(column, figure) if figure else _NOTHING
