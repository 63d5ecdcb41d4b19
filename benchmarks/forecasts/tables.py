"""The report of a run, for machines and as tables for people."""

from collections.abc import Callable

from benchmarks.forecasts.figures import Figure
from benchmarks.forecasts.judging import (
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
from benchmarks.forecasts.report import Report, Section
from benchmarks.forecasts.tasks import categories, few_shot, first_time, held_out, wording

Table = list[tuple[str, ...]]

_NOTHING = "-"
_SHARES = (PRECISION, RECALL, COUNT_ERROR, COUNT_CLOSE, COVERAGE)
_SIGNED = (AHEAD, held_out.GAP, wording.MINUS_TEMPLATE)
_WORDING, _FEW_SHOT = wording.NAME.format(kind=""), few_shot.NAME.partition("{")[0]
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
    """The tables a reader needs, each under its title: all demands, wording, few-shot, and what else was asked."""
    found = [("All demands", main_table(report))]
    kinds, seeded = (
        [section for section in report.sections if section.name.startswith(prefix)] for prefix in (_WORDING, _FEW_SHOT)
    )
    if kinds:
        found.append(("AUC by wording", _with_distance(_side_by_side(kinds, _WORDING), kinds)))
    if seeded:
        found.append(("AUC where some users are given who did it lately", _side_by_side(seeded, _FEW_SHOT)))
    others = [each for each in report.sections if each.name not in _IN_MAIN and each not in (*kinds, *seeded)]
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


def _side_by_side(sections: list[Section], prefix: str) -> Table:
    """AUC of the same scorers in each section, under the section's name without ``prefix``."""
    names = (f"{section.name.removeprefix(prefix)} ({section.demands})" for section in sections)
    lines: Table = [("scorer", "told", *names)]
    for row in sections[0].rows:
        cells = (_cell(AUC, section.figure(row.scorer, AUC), _alone) for section in sections)
        lines.append((row.scorer, row.told, *cells))
    return lines


def _with_distance(table: Table, kinds: list[Section]) -> Table:
    """The table and a column more: how far paraphrases are from their templates, for scorers that read them."""
    column = wording.MINUS_TEMPLATE
    distances = [next(filter(None, (kind.figure(row[0], column) for kind in kinds)), None) for row in table[1:]]
    cells = [_DISTANCE, *(_cell(column, distance, with_interval) for distance in distances)]
    return [(*row, cell) for row, cell in zip(table, cells, strict=True)]


def _wanted(column: str, in_interval: tuple[str, ...] | None) -> bool:
    return in_interval is None or column in in_interval


def _alone(column: str, figure: Figure) -> str:
    return in_words(column, figure.value)


def _cell(column: str, figure: Figure | None, written: Callable[[str, Figure], str]) -> str:
    return written(column, figure) if figure else _NOTHING
