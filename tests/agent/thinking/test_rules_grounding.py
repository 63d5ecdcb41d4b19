"""Which groups a phrase means, from a search whose similarities are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.reading.grounding import AT_MOST, FLOOR, ground, ground_answer
from tools.types import GroupHit


def hits(**similarities: float) -> list[GroupHit]:
    return [
        GroupHit(group=name.replace("_", " "), source="purchases", similarity=value, users=10, items=())
        for name, value in similarities.items()
    ]


def test_a_phrase_the_data_uses_itself_is_clear() -> None:
    meant = ground("dog food", hits(dog_food=0.95, cat_food=0.73, hot_dogs=0.64))
    assert (meant.kind, meant.groups, meant.item) == ("clear", ("dog food",), "dog food")


def test_a_head_noun_names_all_its_kinds() -> None:
    meant = ground("wine", hits(domestic_wine=0.84, imported_wine=0.73, grapes=0.72))
    assert (meant.kind, meant.groups, meant.item) == ("broad", ("domestic wine", "imported wine"), "wine")


def test_a_modifier_alone_is_unclear_and_offers_its_groups() -> None:
    near = hits(baby_food=0.57, baby_care=0.55, crackers=0.44, milk=0.42)
    items = ("infant formula: baby drinks", "baby formula")
    near.append(GroupHit(group="infant formula", source="purchases", similarity=0.45, users=10, items=items))
    meant = ground("baby", near)
    assert meant.kind == "unclear"
    assert meant.groups == ("baby food", "baby care", "infant formula")


def test_groups_as_near_as_the_best_are_offered_without_a_common_word() -> None:
    meant = ground("fromage", hits(deli_cheese=0.57, packaged_cheese=0.55, crackers=0.43), foreign=True)
    assert (meant.kind, meant.groups) == ("unclear", ("deli cheese", "packaged cheese"))


def test_a_head_noun_far_from_the_best_group_does_not_decide() -> None:
    meant = ground("dogs", hits(dog_food=0.57, hot_dogs=0.52, lamb=0.42))
    assert meant.kind == "broad"
    assert set(meant.groups) == {"dog food", "hot dogs"}


def test_one_group_far_ahead_is_taken_under_its_own_name() -> None:
    meant = ground("Windeln", hits(diapers_and_wipes=0.53, grapes=0.42), foreign=True)
    assert (meant.kind, meant.item) == ("clear", "diapers and wipes")


def test_a_word_for_many_things_offers_them_all() -> None:
    meant = ground("something to read", hits(books=0.51, newspapers=0.43, magazines=0.41, lamb=0.3))
    assert (meant.kind, meant.groups) == ("unclear", ("books", "newspapers", "magazines"))
    assert meant.guess == ("books", "newspapers")


def test_a_thing_by_its_name_is_not_asked_about() -> None:
    meant = ground("java", hits(coffee=0.75, coffee_shop_drinks=0.54, tea=0.37))
    assert (meant.kind, meant.item) == ("clear", "coffee")


@given(st.dictionaries(st.sampled_from(["tea", "green tea", "milk", "wine", "lamb"]), st.floats(0, 1)), st.booleans())
def test_every_group_that_is_offered_was_found_and_each_once(near: dict[str, float], foreign: bool) -> None:
    meant = ground("tea", hits(**{name.replace(" ", "_"): value for name, value in near.items()}), foreign)
    assert set(meant.groups) <= near.keys()
    assert len(set(meant.groups)) == len(meant.groups) <= AT_MOST
    assert (meant.kind in {"clear", "broad"}) == bool(meant.item)


def test_an_answer_takes_what_is_nearest_alone_or_with_one_as_good() -> None:
    near = hits(condiments=0.61, organic_condiments=0.58, pasta_sauce=0.46)
    assert ground_answer("ketchup", near) == ("condiments", "organic condiments")
    assert ground_answer("porridge", hits(oatmeal=0.39, rice_cakes=0.31)) == ("oatmeal",)
    assert ground_answer("mortgage", hits(cigars=0.25)) == ground_answer("tea", []) == ()


@pytest.mark.parametrize("top", [0.0, 0.3, FLOOR - 0.01])
def test_nothing_near_is_unknown(top: float) -> None:
    meant = ground("asdf qwer", hits(drink_mixes=top, veal=top / 2))
    assert meant.kind == "unknown"
    assert meant.item == ""


def test_no_hits_at_all_is_unknown() -> None:
    assert ground("tea", []).kind == "unknown"
