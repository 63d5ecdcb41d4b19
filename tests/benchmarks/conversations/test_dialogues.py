"""Simulated marketers in the planted world, where the right audience of every goal is known."""

import re
from collections import Counter

import pytest

from benchmarks.conversations.dialogues import Goals, Marketer, evaluate_dialogues, read_marketers
from encoders.errors import DataError
from encoders.workspace import Workspace
from tests.planted import AS_OF, world_settings
from tools.service import AudienceService


def marketer(number: int, request: str, *goal: str, kind: str = "vague", hint: str = "") -> Marketer:
    return Marketer.model_validate(
        {"id": f"{kind}-{number}", "kind": kind, "language": "en", "request": request, "goal": goal, "hint": hint}
    )


PEOPLE = [
    marketer(1, "pet food for our campaign", "cat food", hint="what cats eat"),
    marketer(2, "pet food for our campaign", "dog food", hint="what dogs eat"),
    marketer(3, "people who will buy wine", "wine", kind="precise"),
    marketer(4, "something for the garden", "gardening", kind="precise"),
    marketer(5, "muslim families", kind="sensitive"),
    marketer(6, "households that will take out a mortgage", kind="impossible"),
]


@pytest.mark.slow
def test_talking_helps_the_vague_and_costs_the_precise_nothing(
    own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The reader of the planted world has seen too few texts to know what is nothing here.
    monkeypatch.setattr(AudienceService, "read", lambda *_: None)
    settings = world_settings(own_workspace.path)
    report = evaluate_dialogues(settings, AS_OF, marketers=PEOPLE)
    figures = {each.kind: each for each in report.kinds}
    assert {kind: each.dialogues for kind, each in figures.items()} == {
        "vague": 2,
        "precise": 2,
        "sensitive": 1,
        "impossible": 1,
    }
    vague, precise = figures["vague"].gain, figures["precise"].gain
    assert vague is not None
    assert vague.value > 0.05
    assert precise is not None
    assert precise.value > -0.01
    assert figures["vague"].ended == figures["precise"].ended == 1
    assert figures["sensitive"].refused == 1
    assert figures["impossible"].ended == figures["sensitive"].ended == 0
    assert report.questions <= 2
    cat, dog = (each.talk for each in report.dialogues[:2])
    assert cat.lines[0] == dog.lines[0]
    assert cat.demand is not None
    assert re.search("cat", cat.demand)
    again = evaluate_dialogues(settings, AS_OF, marketers=PEOPLE)
    assert again == report, "the same every time"


def test_the_written_marketers_are_many_and_of_every_kind() -> None:
    people = read_marketers("completejourney")
    kinds = Counter(each.kind for each in people)
    assert len({each.id for each in people}) == len(people) >= 100
    assert kinds["vague"] >= 100
    assert kinds["precise"] >= 30
    assert all(bool(each.goal) == (each.kind in {"vague", "precise", "foreign"}) for each in people)
    assert {each.language for each in people} == {"en", "de", "es", "fr", "zh"}
    with pytest.raises(DataError, match="No dialogues are written for the data set 'shop'"):
        read_marketers("shop")


def test_she_picks_what_she_means_and_nothing_else(world_workspace: Workspace) -> None:
    from encoders.data.events import Dataset

    goals = Goals(Dataset(world_workspace.data))
    assert goals.chosen(PEOPLE[0], ("dog food", "cat food", "laundry", "no such group")) == ["cat food"]
