"""How a saved audience did: shown where it was recorded, recorded from a file or from the data after a yes."""

from agent import replies
from agent.context import Context
from agent.rules.campaign import from_data, upload_in, version_in
from agent.rules.wording import plain
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Pending
from agent.steps import Step
from prompts.loader import reply
from tools.campaign_types import CampaignOutcome, Side
from tools.types import DataCard


def ask_outcome(speaker: Speaker, step: Step, context: Context, memory: Memory) -> Outcome:
    """Show what was recorded, or ask whether to record what a file or the data says."""
    saved, file = speaker.meant(step.audience, memory), upload_in(context.text)
    name, version = plain(saved.name), version_in(context.text)
    arguments = {"audience": saved.id, "version": str(version or saved.version), "file": file or ""}
    if file:
        speaker.service.uploaded(file)
        text = reply("ask_outcome_file", name=name, version=arguments["version"])
        return speaker.wait(memory, "outcome", text, arguments)
    if from_data(context.text):
        text = reply("ask_outcome_data", name=name, version=arguments["version"])
        return speaker.wait(memory, "outcome", text, arguments)
    outcome = speaker.service.outcomes.last(saved.id, version)
    if outcome is None:
        options = (reply("outcome_from_data", name=name),) if saved.spec else ()
        return speaker.say(memory, reply("no_outcome", name=name), options)
    memory, shown = speaker.say(memory, outcome_text(outcome, speaker.card))
    return memory, shown.model_copy(update={"outcome": outcome})


def record_outcome(speaker: Speaker, memory: Memory, pending: Pending, approved_by: str) -> Outcome:
    """Record it, once."""
    audience, version = pending.arguments["audience"], int(pending.arguments["version"])
    outcomes, file = speaker.service.outcomes, pending.arguments["file"]
    if file:
        found = outcomes.from_file(audience, speaker.service.uploaded(file), approved_by, version)
    else:
        found = outcomes.from_data(audience, approved_by, version)
    memory, shown = speaker.say(memory, outcome_text(found, speaker.card))
    return memory, shown.model_copy(update={"outcome": found})


def outcome_text(outcome: CampaignOutcome, card: DataCard) -> str:
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
    if ratio := outcome.relative:
        shares = [f"{100 * value:+.0f} %" for value in (ratio.mid, ratio.low, ratio.high)]
        lines.append(reply("uplift_relative", mid=shares[0], low=shares[1], high=shares[2]))
    if outcome.forecast is None and outcome.responders is not None:
        lines.append(reply("outcome_no_forecast"))
    elif outcome.forecast and outcome.forecast_held is not None:
        lines.append(
            reply(
                "outcome_held_true" if outcome.forecast_held else "outcome_missed",
                responders=replies.counted(outcome.responders, card),
                low=replies.count(outcome.forecast.low),
                high=replies.count(outcome.forecast.high),
            )
        )
    if outcome.source == "data":
        lines.append(reply("outcome_by_data"))
    return "\n".join([lines[0], "", *(f"- {line}" for line in (*lines[1:], *map(_safe, outcome.notes)))])


def _safe(note: str) -> str:
    return plain(note, 400)


def _side(key: str, side: Side, card: DataCard) -> str:
    if side.rate is None:
        return reply("outcome_withheld", minimum=card.minimum_size)
    value = reply("outcome_value", value=replies.decimal(side.value, 2)) if side.value is not None else ""
    return reply(
        key,
        users=replies.counted(side.users, card),
        responders=replies.counted(side.responders, card),
        percent=f"{replies.decimal(100 * side.rate.mid, 1)} %",
        low=replies.decimal(100 * side.rate.low, 1),
        high=replies.decimal(100 * side.rate.high, 1),
        unit_plural=card.unit_plural,
        value=value,
    )
