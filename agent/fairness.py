"""What the agent says about whom an audience takes more often than others."""

from agent.context import Context
from agent.replies import percent
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory
from agent.steps import Step
from prompts.loader import reply
from tools.skew import FOUR_FIFTHS
from tools.types import DataCard, SkewField, SkewReport


def say_skew(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Say whom the audience on the page takes more often than others."""
    assert memory.now is not None
    return speaker.say(memory, skew_text(speaker.service.skew(memory.now.draft.spec), speaker.card))


def skew_text(report: SkewReport, card: DataCard) -> str:
    """One paragraph an attribute, the most skewed first."""
    if not report.fields:
        return reply("skew_nothing", unit_plural=card.unit_plural)
    fields = sorted(report.fields, key=lambda each: 2 if each.lowest_ratio is None else each.lowest_ratio)
    return "\n\n".join([reply("skew"), *(_field_text(each, card) for each in fields)])


def _field_text(field: SkewField, card: DataCard) -> str:
    judged = sorted((row for row in field.rows if row.ratio is not None), key=lambda row: row.ratio or 0)
    if not judged:
        return reply("skew_unknown", field=plain(field.field), unit_plural=card.unit_plural)
    least, most = judged[0], judged[-1]
    if least.verdict == "even" or least.interval is None:
        return reply("skew_even", field=plain(field.field), ratio=f"{least.ratio:.2f}")
    return reply(
        "skew_below",
        field=plain(field.field),
        most=plain(most.value),
        most_percent=percent(most.rate or 0),
        least=plain(least.value),
        least_percent=percent(least.rate or 0),
        ratio=f"{least.ratio:.2f}",
        low=f"{least.interval.low:.2f}",
        high=f"{least.interval.high:.2f}",
        sure=reply("skew_sure" if least.interval.high < FOUR_FIFTHS else "skew_unsure"),
    )
