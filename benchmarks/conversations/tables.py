"""The figures of the guard and of the dialogues as tables for people."""

from collections.abc import Sequence
from itertools import chain

from benchmarks.conversations.dialogues import DialogueReport
from benchmarks.conversations.guard import GuardReport, Rate, RateRow
from benchmarks.forecasts.figures import Figure

Titled = tuple[str, Sequence[Sequence[str]]]

_TITLES = {
    "half": "All requests, and their parts ('report' was held back, 'fresh' written after the classifier was frozen)",
    "category": "By restricted attribute (precision: the reason given is the right one)",
    "language": "By language",
    "kind": "By kind of request",
    "fresh": "Fresh requests by kind",
}
_WIDEST = 90


def dialogue_tables(report: DialogueReport) -> list[Titled]:
    """One table, a row a kind of dialogue; intervals are bootstrap over dialogues, 95 %."""
    heads = (
        ("", "dialogues", "AUC of the request", "AUC of the demand", "gained", "95 %"),
        ("lift of the request", "lift of the demand", "questions", "with an audience", "declined"),
    )
    rows = [
        (
            each.kind,
            str(each.dialogues),
            *(_value(figure, 3) for figure in (each.auc_before, each.auc_after, each.gain)),
            "-" if each.gain is None else f"{each.gain.low:+.3f} to {each.gain.high:+.3f}",
            *(_value(figure, 2) for figure in (each.lift_before, each.lift_after)),
            f"{each.questions:.2f}",
            f"{each.ended:.0%}",
            f"{each.refused:.0%}",
        )
        for each in report.kinds
    ]
    title = (
        f"{report.title}, as of {report.as_of}: {len(report.dialogues)} dialogues with '{report.chat_model}', "
        f"{report.questions:.2f} questions on average"
    )
    return [(title, [tuple(chain(*heads)), *rows])]


def _value(figure: Figure | None, digits: int) -> str:
    return "-" if figure is None else f"{figure.value:.{digits}f}"


def guard_tables(report: GuardReport) -> list[Titled]:
    """Every table of the report with its title, the mistakes last; intervals are Wilson's, 95 %.

    "let pass" is the share of the requests that may be made for which the guard said nothing.
    """
    heads = ("", "requests", "precision", "95 %", "recall", "95 %", "let pass", "95 %")
    titled: list[Titled] = [(_TITLES[each.by], [heads, *map(_cells, each.rows)]) for each in report.tables]
    share, interval = _shown(report.borderline)
    counted = f"{report.borderline.right} of {report.borderline.of}"
    titled.append(("Borderline requests, not counted above", [("as the case says", counted, share, interval)]))
    wrong = [(each.id, f"  {each.half}, {each.label}: {_short(each.text)}") for each in report.mistakes]
    titled.append((f"Mistakes ({len(wrong)})", [(f"{name}{text}",) for name, text in wrong] or [("none",)]))
    return titled


def _cells(row: RateRow) -> tuple[str, ...]:
    return (row.group, str(row.cases), *_shown(row.precision), *_shown(row.recall), *_shown(row.passed))


def _shown(rate: Rate) -> tuple[str, str]:
    if rate.share is None:
        return "-", "-"
    return f"{rate.share:.3f}", f"{rate.low:.3f} to {rate.high:.3f}"


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
