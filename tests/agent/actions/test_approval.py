"""Saving and exporting wait for a yes, happen once, and outlive the process."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.conversation import Conversation
from encoders.errors import RequestError
from encoders.settings import Settings
from tests.agent.agent_doubles import PlantedService
from tools.types import AudienceSpec, SavedAudience

pytestmark = pytest.mark.slow

REQUEST = "households that will buy dog food in the next 28 days"


def test_nothing_is_saved_before_the_yes(talk: Conversation, service: PlantedService) -> None:
    talk.say("t", REQUEST)
    asked = talk.say("t", "save as Dogs")
    assert asked.pending is not None
    assert asked.pending.arguments["name"] == "Dogs"
    assert service.saves == 0
    done = talk.decide("t", True)
    assert service.saves == 1
    assert done.pending is None
    assert done.draft is not None
    assert done.draft.saved is not None
    assert done.draft.saved.name == "Dogs"
    assert done.draft.saved.approved_by == "chat t"


def test_no_means_no(talk: Conversation, service: PlantedService) -> None:
    talk.say("t", REQUEST)
    talk.say("t", "save")
    assert "nothing was done" in talk.decide("t", False).text
    assert service.saves == 0


def test_a_second_yes_does_nothing(talk: Conversation, service: PlantedService) -> None:
    talk.say("t", REQUEST)
    talk.say("t", "save")
    talk.decide("t", True)
    assert "Nothing is waiting" in talk.decide("t", True).text
    assert service.saves == 1


def test_saying_something_else_drops_what_was_waiting(talk: Conversation, service: PlantedService) -> None:
    talk.say("t", REQUEST)
    talk.say("t", "save")
    reply = talk.say("t", "broader")
    assert "was not done" in reply.text
    assert reply.draft is not None
    assert reply.draft.spec.cut == 0.15
    assert "Nothing is waiting" in talk.decide("t", True).text
    assert service.saves == 0


def test_exporting_an_unsaved_audience_saves_it_with_the_same_yes(talk: Conversation, service: PlantedService) -> None:
    talk.say("t", REQUEST)
    asked = talk.say("t", "export as parquet")
    assert asked.pending is not None
    assert asked.pending.action == "export"
    assert (service.saves, len(service.files)) == (0, 0)
    done = talk.say("t", "yes")
    assert done.file is not None
    assert (done.file.format, done.file.rows) == ("parquet", 180)
    assert (service.saves, len(service.files)) == (1, 1)
    talk.say("t", "export")
    talk.say("t", "yes")
    assert (service.saves, len(service.files)) == (1, 2)


def test_a_saved_audience_can_be_exported_by_name_from_another_thread(talk: Conversation) -> None:
    for line in (REQUEST, "save as Dogs", "yes"):
        talk.say("t", line)
    assert talk.say("u", "export Dogs").pending is not None
    assert talk.decide("u", True).file is not None


def test_a_file_that_may_not_be_written_leaves_the_audience_saved(talk: Conversation, service: PlantedService) -> None:
    talk.say("t", REQUEST)
    talk.edit("t", AudienceSpec(demand=f"{REQUEST[0].upper()}{REQUEST[1:]}", cut=0.005))
    talk.say("t", "export")
    reply = talk.decide("t", True)
    assert "Saved as" in reply.text
    assert "not exported" in reply.text
    assert reply.file is None
    assert reply.draft is not None
    assert reply.draft.saved is not None


class RefusingService(PlantedService):
    def save(self, *given: Any, **named: Any) -> SavedAudience:
        raise RequestError("That name is taken; choose another.")


def test_a_save_that_fails_is_told_and_can_be_tried_again(workspace: Settings) -> None:
    talk = Conversation(RefusingService(), workspace)
    talk.say("t", REQUEST)
    talk.say("t", "save")
    assert talk.decide("t", True).text == "That name is taken; choose another."
    assert talk.say("t", "save as Other").pending is not None
    talk.close()


class Crash(BaseException):
    """The process ends between the effect and the note of it."""


class CrashingService(PlantedService):
    crash = True

    def save(self, *given: Any, **named: Any) -> SavedAudience:
        saved = super().save(*given, **named)
        if self.crash:
            self.crash = False
            raise Crash
        return saved


def test_an_approval_that_is_replayed_has_one_effect(workspace: Settings) -> None:
    service = CrashingService()
    talk = Conversation(service, workspace)
    talk.say("t", REQUEST)
    talk.say("t", "save")
    with pytest.raises(Crash):
        talk.decide("t", True)
    talk.close()
    again = Conversation(service, workspace)
    assert again.current("t").pending is not None
    assert again.decide("t", True).draft is not None
    assert service.saves == 1
    again.close()


def test_a_conversation_goes_on_in_another_process_on_the_same_file(
    service: PlantedService, workspace: Settings
) -> None:
    first = Conversation(service, workspace)
    first.say("t", "I want to sell more dog food")
    first.close()
    second = Conversation(service, workspace)
    shown = second.current("t")
    assert shown.question is not None
    assert shown.options == ("Everyone", "Only for the first time", "You decide")
    reply = second.say("t", "Only for the first time")
    assert reply.draft is not None
    second.say("t", "save")
    second.close()
    third = Conversation(service, workspace)
    shown = third.current("t")
    assert shown.pending is not None
    assert shown.draft == reply.draft
    assert shown.size == reply.size
    third.decide("t", True)
    assert service.saves == 1
    third.close()


def test_a_new_thread_is_greeted(talk: Conversation) -> None:
    shown = talk.current("new")
    assert "whom you would like to reach" in shown.text
    assert shown.options
    assert shown.draft is None


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.agent.agent_doubles import PlantedService
from agent.conversation import Conversation
from encoders.settings import Settings

class Deadly(PlantedService):
    def search_groups(self, words, limit=8):
        if "coffee" in words:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().search_groups(words, limit)

talk = Conversation(Deadly(), Settings(workspace=Path(sys.argv[1])))
talk.say("t", "households that will buy dog food in the next 28 days")
talk.say("t", "households that will buy coffee next week")
"""


def test_a_killed_process_loses_nothing_that_was_said(service: PlantedService, workspace: Settings) -> None:
    arguments = [sys.executable, "-c", KILLED, str(workspace.workspace)]
    done = subprocess.run(arguments, cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == -signal.SIGKILL
    talk = Conversation(service, workspace)
    shown = talk.current("t")
    assert shown.draft is not None
    assert shown.draft.spec.demand == "Households that will buy dog food in the next 28 days"
    assert "households that will buy coffee next week" in shown.text
    assert shown.options == ("households that will buy coffee next week",)
    reply = talk.say("t", shown.options[0])
    assert reply.draft is not None
    assert reply.draft.spec.demand == "Households that will buy coffee in the next 7 days"
    talk.close()
