"""What came of a saved audience, in words; nothing of the model is needed for them."""

from agent.numbers import Units, count, counted, decimal
from agent.reading.wording import plain
from prompts.loader import reply
from tools.operation_types import CampaignOutcome, Side
from tools.types import DataCard


def outcome_text(outcome: CampaignOutcome, card: DataCard | Units) -> str:
    """An outcome in words: both sides, the uplift with its interval, and the forecast."""
    lines = [reply("outcome", name=plain(outcome.name), version=outcome.version, as_of=outcome.as_of)]
    sides = [_side("outcome_contacted", outcome.contacted, card)]
    if outcome.held_out.users != 0:
        sides.append(_side("outcome_held", outcome.held_out, card))
    lines += dict.fromkeys(sides)
    if lift := outcome.uplift:
        key = "uplift" if lift.low > 0 else "uplift_harm" if lift.high < 0 else "uplift_unsure"
        points = [f"{100 * value:+.1f}" for value in (lift.mid, lift.low, lift.high)]
        lines.append(reply(key, mid=points[0], low=points[1], high=points[2]))
    if each := outcome.always:
        low, high = (f"{100 * value:+.1f}" for value in (each.low, each.high))
        lines.append(reply("uplift_always", low=low, high=high))
    if ratio := outcome.relative:
        shares = [f"{100 * value:+.0f} %" for value in (ratio.mid, ratio.low, ratio.high)]
        lines.append(reply("uplift_relative", mid=shares[0], low=shares[1], high=shares[2]))
    if outcome.forecast is None and outcome.responders is not None:
        lines.append(reply("outcome_no_forecast"))
    elif outcome.forecast and outcome.forecast_held is not None:
        lines.append(
            reply(
                "outcome_held_true" if outcome.forecast_held else "outcome_missed",
                responders=counted(outcome.responders, card),
                low=count(outcome.forecast.low),
                high=count(outcome.forecast.high),
            )
        )
    if outcome.source == "data":
        lines.append(reply("outcome_by_data"))
    return "\n".join([lines[0], "", *(f"- {line}" for line in (*lines[1:], *map(_safe, outcome.notes)))])


def _safe(note: str) -> str:
    return plain(note, 400)


def _side(key: str, side: Side, card: DataCard | Units) -> str:
    if side.rate is None:
        return reply("outcome_withheld", minimum=card.minimum_size)
    value = reply("outcome_value", value=decimal(side.value, 2)) if side.value is not None else ""
    return reply(
        key,
        users=counted(side.users, card),
        responders=counted(side.responders, card),
        percent=f"{decimal(100 * side.rate.mid, 1)} %",
        low=decimal(100 * side.rate.low, 1),
        high=decimal(100 * side.rate.high, 1),
        unit_plural=card.unit_plural,
        value=value,
    )
