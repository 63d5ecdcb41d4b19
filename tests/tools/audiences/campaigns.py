"""Campaigns over made-up users whose chances, and whose change because of a campaign, are known exactly."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from tools.operation_types import CampaignOutcome, Side
from tools.storage.holdouts import MemberFacts
from tools.storage.registry import Registry
from tools.types import AudienceSpec, SavedAudience

SPEC = AudienceSpec(demand="Users that will buy coffee in the next 28 days", cut=0.5)
Change = Callable[[float, bool], float]
"""By how much the chance of a user grows because they are contacted, by their chance and whether they did it before."""


def nothing(chance: float, habitual: bool) -> float:
    """A null world: nobody changes."""
    return 0.0


def planted(chance: float, habitual: bool) -> float:
    """Those with a middling chance who are new to it can be persuaded; the others do as they would."""
    return 0.1 if 0.05 <= chance < 0.2 and not habitual else 0.0


def run(
    registry: Registry,
    rng: np.random.Generator,
    change: Change,
    name: str = "Coffee",
    users: int = 1500,
    holdout: float = 0.2,
    by: str = "Ada",
) -> SavedAudience:
    """Save an audience, contact those who are not held out, and record who responded."""
    ids = [f"{name}-{number:05}" for number in range(users)]
    chances = dict(zip(ids, np.exp(rng.uniform(np.log(0.01), np.log(0.8), users)).tolist(), strict=True))
    habitual = frozenset(user for user in ids if rng.random() < 0.2 + 0.6 * (chances[user] > 0.2))
    saved = registry.save_version(
        name, spec=SPEC, definition=name, members=ids, holdout_share=holdout, as_of=date(2026, 1, 1),
        model_version="m", data_version="d", approved_by=by, known=MemberFacts(chances, habitual),
    )  # fmt: skip
    held = set(registry.members(saved.id, saved.version)[1])
    responses: dict[str, float | None] = {}
    for user in ids:
        more = 0.0 if user in held else change(chances[user], user in habitual)
        if rng.random() < chances[user] + more:
            responses[user] = None
    registry.record_outcome(outcome_of(saved), f"{name} {saved.version} {rng.random()}", by, responses)
    return saved


def outcome_of(saved: SavedAudience) -> CampaignOutcome:
    """An outcome that says nothing by itself."""
    nobody = Side(users=0, responders=0, rate=None)
    facts: dict[str, Any] = {"audience_id": saved.id, "name": saved.name, "version": saved.version}
    empty = dict.fromkeys(("uplift", "relative", "forecast", "forecast_held"))
    who = {"recorded": datetime(2026, 1, 1, tzinfo=UTC), "recorded_by": "Ada", "as_of": saved.as_of}
    return CampaignOutcome(source="file", contacted=nobody, held_out=nobody, **facts, **empty, **who)
