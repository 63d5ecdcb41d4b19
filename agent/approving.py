"""Saving, exporting and whatever else leaves a trace: first asked about, then done once the person has said yes.

LangGraph runs the approving node again from its start when a conversation resumes. The key of the pending action goes
to the registry with it, so one approval has one effect however often the node runs.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from agent.campaign.combining import combine
from agent.campaign.exporting import export
from agent.campaign.outcomes import record_outcome
from agent.campaign.refreshing import refresh
from agent.campaign.renaming import rename
from agent.campaign.saving import save
from agent.speaking import Outcome, Speaker
from agent.state import Memory, Pending, PendingAction
from tools.types import DataCard

if TYPE_CHECKING:
    from tools.service import AudienceService

_DONE_BY: dict[PendingAction, Callable[[Speaker, Memory, Pending, str], Outcome]] = {
    "save": save,
    "export": export,
    "combine": combine,
    "outcome": record_outcome,
    "refresh": refresh,
    "rename": rename,
}


def carry_out(service: "AudienceService", card: DataCard, memory: Memory, approved_by: str, talking: str) -> Outcome:
    """Do what was approved.

    Raises:
        AudienceError: it cannot be done; nothing was saved or written then.
    """
    assert memory.pending is not None
    pending, waived = memory.pending, memory.model_copy(update={"pending": None})
    return _DONE_BY[pending.action](Speaker(service, card, talking), waived, pending, approved_by)
