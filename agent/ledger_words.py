"""How good the saved forecasts were, in words; nothing of the model is needed for them."""

from agent.numbers import count, decimal, percent
from agent.reading.wording import plain
from prompts.loader import reply
from tools.operation_types import ForecastRecord, LedgerPage

_MISSES = 3
"""Missed forecasts that are told, the latest first."""


def ledger_text(page: LedgerPage) -> str:
    """The ledger in a few sentences: how many forecasts held, how far off they were, what is open, what was missed.

    Args:
        page: its first page.
    """
    if not page.overall.forecasts:
        return reply("ledger_nothing")
    missed = [each for each in page.forecasts if each.status == "missed" and each.forecast][:_MISSES]
    lines = [reply("ledger_missed"), *map(_missed, missed)] if missed else []
    return "\n\n".join(("\n".join(summary_lines(page)), *(["\n".join(lines)] if lines else [])))


def summary_lines(page: LedgerPage) -> list[str]:
    """What is said of all forecasts together, sentence by sentence."""
    whole = page.overall
    if whole.share is None:
        lines = [reply("ledger_none_due")]
    else:
        lines = [
            reply(
                "ledger_held",
                kept=count(whole.kept),
                counted=count(whole.counted),
                percent=percent(whole.share.mid),
                low=decimal(100 * whole.share.low, 0),
                high=decimal(100 * whole.share.high, 0),
                level=percent(page.level),
            )
        ]
    if whole.ratio is not None:
        lines.append(reply("ledger_ratio", ratio=decimal(whole.ratio, 2)))
    others = whole.forecasts - whole.open - whole.counted
    if whole.open:
        lines.append(reply("ledger_open", open=count(whole.open)))
    if others:
        lines.append(reply("ledger_others", others=count(others)))
    if page.deleted:
        lines.append(reply("ledger_deleted", deleted=count(page.deleted)))
    return lines


def _missed(each: ForecastRecord) -> str:
    assert each.forecast is not None
    return reply(
        "ledger_missed_line",
        name=plain(each.name),
        version=each.version,
        as_of=each.as_of,
        low=count(each.forecast.low),
        high=count(each.forecast.high),
        responders=count(each.responders or 0),
    )
