"""What a request was read as, and striking things out of it."""

from collections.abc import Sequence

import pytest

from agent.conversation import Conversation
from agent.reading.wording import Parts
from agent.state import AudienceDraft, Memory, Reply, Thing
from agent.thinking.things import taken_back
from encoders.reader import MeantGroup, WholeReading
from tests.agent.agent_doubles import PlantedService
from tools.types import Behaviour

PETS = "Pet owners"


@pytest.fixture(autouse=True)
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads a request for pet owners by an entry of the knowledge, and is unsure of it."""

    def read(_: PlantedService, text: str) -> WholeReading | None:
        if "pet" not in text:
            return None
        names = ("dog food", "cat food", "vitamins")
        because = (PETS, PETS, text)
        groups = [
            MeantGroup(group=name, source="purchases", probability=0.3, because=why)
            for name, why in zip(names, because, strict=True)
        ]
        return WholeReading(groups=tuple(groups), entries=(PETS,), sure=False)

    monkeypatch.setattr(PlantedService, "read", read)


def pets(talk: Conversation) -> Reply:
    asked = talk.say("t", "anyone like pet owners")
    return talk.say("t", "You decide") if asked.question else asked


def draft(reply: Reply) -> AudienceDraft:
    assert reply.draft is not None, reply.text
    return reply.draft


def struck(reply: Reply) -> list[str]:
    return [each.name for each in draft(reply).things if each.struck]


def test_each_thing_says_what_it_was_found_by(talk: Conversation) -> None:
    found = draft(pets(talk))
    assert [(each.name, each.because, each.struck) for each in found.things] == [
        ("dog food", PETS, False),
        ("cat food", PETS, False),
        ("vitamins", "anyone like pet owners", False),
    ]
    assert 'as in "anyone like pet owners"' in found.spec.demand
    [named] = draft(talk.say("u", "coffee drinkers")).things
    assert named == Thing(name="coffee")


def test_what_is_struck_out_leaves_the_demand_and_comes_back(talk: Conversation) -> None:
    before = pets(talk)
    without = talk.keep("t", ["cat food", "dog food"])
    assert draft(without).spec.demand == "Households that will buy dog food or cat food in the next 28 days"
    assert struck(without) == ["vitamins"]
    assert without.size is not None
    again = talk.keep("t", ["vitamins", "dog food", "cat food"])
    assert draft(again).spec == draft(before).spec
    assert draft(again).things == draft(before).things
    talk.keep("t", ["cat food"])
    assert draft(talk.say("t", "undo")) == draft(again)


def test_saying_it_strikes_it_out_too(talk: Conversation) -> None:
    pets(talk)
    assert struck(talk.say("t", "no vitamins")) == ["vitamins"]
    added = talk.say("t", "and coffee too")
    assert [each.name for each in draft(added).things if not each.struck] == ["dog food", "cat food", "coffee"]
    assert struck(added) == ["vitamins"]
    assert "vitamins" not in draft(talk.keep("t", ["coffee"])).spec.demand
    assert draft(talk.say("t", "first-time buyers only")).spec.demand.startswith("Households that will buy coffee for")


def test_what_was_struck_out_is_taken_back_by_part_of_its_name(talk: Conversation) -> None:
    pets(talk)
    talk.keep("t", ["dog food", "vitamins"])
    back = talk.say("t", "and cat food too")
    assert draft(back).spec.demand.startswith("Households that will buy dog food, vitamins or cat food")
    assert struck(back) == []
    assert taken_back((Thing(name="fresh turkey", struck=True), Thing(name="pies")), ["pies", "turkey"]) == (
        "pies",
        "fresh turkey",
    )


def test_one_thing_alone_is_not_offered_to_be_left_out(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    one = MeantGroup(group="cat food", source="purchases", probability=0.9, because=PETS)
    understood = WholeReading(groups=(one, one), entries=(PETS,), sure=True)
    monkeypatch.setattr(PlantedService, "read", lambda *_: understood)
    text = pets(talk).text
    assert "I read “Pet owners” as cat food." in text
    assert "leave" not in text


def test_a_goal_and_the_conditions_hold_when_something_is_struck_out(talk: Conversation) -> None:
    pets(talk)
    talk.say("t", "first-time buyers only")
    talk.say("t", "about 300 people")
    kept = talk.keep("t", ["dog food"])
    assert kept.size is not None
    assert kept.size.users == 300
    assert draft(kept).spec.behaviours == (Behaviour(did=False, what="dog food"),)


@pytest.mark.parametrize("names", [[], ["mortgages"]])
def test_one_thing_has_to_stay(talk: Conversation, names: Sequence[str]) -> None:
    before = pets(talk)
    refused = talk.keep("t", names)
    assert refused.text.startswith("The sentence has to name at least one thing")
    assert draft(refused) == draft(before)


def test_a_sentence_by_hand_has_no_things_and_one_of_an_older_conversation_neither(talk: Conversation) -> None:
    written = draft(pets(talk)).spec.model_copy(update={"demand": "Households that will buy coffee"})
    assert draft(talk.edit("t", written)).things == ()
    assert talk.keep("t", ["coffee"]).text.startswith("The sentence has to name at least one thing")
    assert talk.keep("nobody spoke here", ["coffee"]).draft is None
    kept = Memory(request="coffee").model_dump()
    assert Memory.model_validate(kept).now is None
    assert Parts.model_validate({"items": ("coffee",), "days": 28}).struck == ()


def test_a_thing_that_a_refused_clause_means_more_is_not_named(
    talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: PlantedService, text: str) -> WholeReading | None:
        shares = {"cat food": 0.6} if text.startswith("we don't sell") else {"dog food": 0.4, "cat food": 0.3}
        groups = [
            MeantGroup(group=name, source="purchases", probability=share, because=text)
            for name, share in shares.items()
        ]
        return WholeReading(groups=tuple(groups), entries=(), sure=True)

    monkeypatch.setattr(PlantedService, "read", read)
    reply = talk.say("t", "kibble fans, the crunchy kind. we don't sell tuna pouches, we sell the dry stuff")
    if reply.question:
        reply = talk.say("t", "You decide")
    assert [each.name for each in draft(reply).things] == ["dog food"]
    assert "we don't sell tuna pouches" in reply.text


@pytest.mark.parametrize(
    "text",
    ["leute ohne arbeid", "people without a hous", "gente sin ogar", "gens sans abri", "not vegitarians", "no jamon"],
)
def test_a_request_of_nothing_but_what_is_left_out_is_answered(
    text: str, talk: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def read(_: PlantedService, words: str) -> None:
        asked.append(words)

    monkeypatch.setattr(PlantedService, "read", read)
    assert talk.say("t", text).text
    assert all(map(str.strip, asked))


def test_how_things_are_joined_is_set_and_taken_back(talk: Conversation) -> None:
    talk.say("t", "people who will buy dog food or cat food")
    either = draft(talk.say("t", "in the next 28 days"))
    assert (either.join, either.days) == ("any", 28)
    names = [each.name for each in either.things if not each.struck]
    assert len(names) > 1
    both = draft(talk.keep("t", names, "all"))
    assert (both.join, " as well as ".join(names) in both.spec.demand) == ("all", True)
    assert draft(talk.keep("t", names)).join == "all"
    assert draft(talk.keep("t", names, "any")).spec.demand == either.spec.demand
    assert draft(talk.say("t", "undo")).join == "all"
    by_hand = draft(talk.edit("t", both.spec.model_copy(update={"demand": "Households that will buy tea"})))
    assert (by_hand.join, by_hand.days, by_hand.things) == ("any", None, ())
