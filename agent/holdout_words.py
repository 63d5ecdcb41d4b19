"""What a holdout will show, in words, before the audience is saved and after."""

from agent.numbers import decimal, percent
from encoders.settings import Settings
from prompts.loader import reply
from tools.audiences.power import plan
from tools.effect_types import HoldoutPower
from tools.types import SavedAudience, SizeEstimate

_BESIDE, _MOST = 0.25, 0.5
"""The share that is told of beside the one that was chosen, and the one beside that or more."""


def power_text(size: SizeEstimate, share: float | None, settings: Settings) -> str:
    """The smallest effect that will be seen with the share that is held out, and with a larger one.

    Args:
        size: of the audience.
        share: what was chosen to be held out; None for the usual share.
        settings: which say what is usual, and how large the control group is.
    """
    chosen = max(settings.holdout if share is None else share, settings.control)
    if not chosen or size.precision is None:
        return ""
    larger = _BESIDE if chosen < _BESIDE else _MOST
    shares = (chosen, larger) if chosen < larger else (chosen,)
    said = [_seen(each) for each in plan(size, settings.holdout, settings.control, shares).options]
    return " " + reply("holdout_power", seen="; ".join(said))


def saved_power_text(saved: SavedAudience) -> str:
    """The smallest effect that the holdout of a saved audience will show; nothing where that is not known."""
    if saved.detects is None:
        return ""
    return " " + reply("holdout_detects", effect=_points(saved.detects))


def _seen(option: HoldoutPower) -> str:
    if option.detects is None:
        return reply("holdout_blind", percent=percent(option.share))
    return reply("holdout_sees", percent=percent(option.share), effect=_points(option.detects))


def _points(share: float) -> str:
    points = 100 * share
    return decimal(points, 1 if points < 10 else 0)
