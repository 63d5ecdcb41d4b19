"""get_signals on the planted world: what is found for words, how it is sized, priced, filtered and paged."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.errors import RequestError
from tests.present import present
from tests.tools.interfaces.adcp.asking import AGENT, RIVAL, Json, anything_goes, ask, fault
from tools.interfaces.adcp.listing import Segments, of_sentence
from tools.service import AudienceService
from tools.types import AudienceSpec, Filter

COFFEE = "Households that will buy coffee in the next 28 days"
DOGS = "Households that will buy dog food in the next 28 days"


def signals(service: AudienceService, **arguments: Any) -> list[Json]:
    answer = ask(service, "get_signals", arguments, AGENT)
    assert answer["status"] == "completed", answer
    return list(answer["signals"])


def names(service: AudienceService, **arguments: Any) -> list[str]:
    return [each["name"] for each in signals(service, **arguments)]


@pytest.fixture
def shop(own: AudienceService) -> AudienceService:
    """Two saved audiences of the agent's tenant, and one of another's."""
    mine = own.of(AGENT)
    mine.save(AudienceSpec(demand=COFFEE), "Morning people", "Ada")
    young = AudienceSpec(demand=DOGS, filters=(Filter(field="age", values=("25-34",)),), cut=0.8)
    mine.save(young, "Young walkers", "Ada")
    own.of(RIVAL).save(AudienceSpec(demand=COFFEE), "Rival coffee", "Bob")
    return own


def test_words_find_saved_audiences_that_mean_it_then_the_sentence_itself_then_its_neighbours(
    shop: AudienceService,
) -> None:
    found = names(shop, signal_spec="people who drink espresso")
    assert found[:2] == ["Morning people", "people who drink espresso"]
    assert found[2:]
    assert all(each.startswith("Households that will buy ") for each in found[2:])


def test_a_sentence_that_is_saved_as_it_stands_is_found_once(shop: AudienceService) -> None:
    assert names(shop, signal_spec=COFFEE)[0] == "Morning people"
    assert COFFEE not in names(shop, signal_spec=COFFEE)


def test_any_sentence_is_a_signal_with_the_size_the_service_gives(own: AudienceService) -> None:
    signal = signals(own, signal_spec="dog owners")[0]
    size = own.of(AGENT).size(AudienceSpec(demand="dog owners"))
    point = signal["coverage_forecast"]["points"][0]["metrics"]
    doing = present(size.all_responders)
    assert point["audience_size"] == {"low": round(doing.low), "mid": round(doing.mid), "high": round(doing.high)}
    assert point["coverage_rate"]["low"] == pytest.approx(doing.low / size.population, abs=1e-4)
    assert point["coverage_rate"]["low"] < point["coverage_rate"]["mid"] < point["coverage_rate"]["high"]
    assert point["reach"] == {"mid": size.users}
    assert signal["coverage_percentage"] == pytest.approx(100 * doing.mid / size.population, abs=0.01)
    assert own.of(AGENT).list_audiences() == ()


def test_a_saved_audience_reaches_its_users_without_those_held_back(shop: AudienceService) -> None:
    signal = signals(shop, signal_spec=DOGS)[0]
    saved = {each.name: each for each in shop.of(AGENT).list_audiences()}["Young walkers"]
    assert signal["name"] == saved.name
    metrics = signal["coverage_forecast"]["points"][0]["metrics"]
    assert metrics["reach"]["mid"] == present(saved.users) - present(saved.holdout)
    assert signal["restricted_attributes"] == ["age"]
    assert signal["segmentation_criteria"] == saved.definition


def test_a_saved_audience_in_terms_that_are_no_longer_there_is_still_listed(shop: AudienceService) -> None:
    mine = shop.of(AGENT)
    saved = mine.list_audiences()[0]
    mine.tenant.registry.save_version(
        "Lost friends", spec=AudienceSpec(demand=COFFEE, like="gone"), definition="People like those",
        members={"h001"}, holdout_share=0, as_of=saved.as_of, model_version=saved.model_version,
        data_version=saved.data_version, approved_by=saved.approved_by,
    )  # fmt: skip
    (signal,) = [each for each in signals(shop, discovery_mode="wholesale") if each["name"] == "Lost friends"]
    assert "coverage_forecast" not in signal, "one user is not counted"
    assert signal["coverage_percentage"] == 0
    assert "Lost friends" in names(shop, signal_spec="friends who drink coffee")


def test_a_long_sentence_has_criteria_of_at_most_500_characters(own: AudienceService) -> None:
    signal = signals(own, signal_spec="dog food and " * 45)[0]
    assert len(signal["segmentation_criteria"]) == 500


def test_signals_are_looked_up_by_what_they_are_called(shop: AudienceService) -> None:
    first, second = signals(shop, discovery_mode="wholesale")
    assert [first["name"], second["name"]] == ["Morning people", "Young walkers"]
    assert names(shop, signal_refs=[second["signal_ref"]]) == ["Young walkers"]
    assert names(shop, signal_ids=[second["signal_id"], first["signal_id"]]) == ["Young walkers", "Morning people"]
    elsewhere = second["signal_ref"] | {"signal_source_url": "https://elsewhere.example/mcp"}
    assert names(shop, signal_refs=[elsewhere]) == []
    of_a_sentence = signals(shop, signal_spec="dog owners")[1]["signal_ref"]
    assert names(shop, signal_refs=[of_a_sentence])[0] == "dog owners"


def test_what_is_not_there_and_what_is_not_hers_look_the_same(shop: AudienceService) -> None:
    theirs = ask(shop, "get_signals", {"discovery_mode": "wholesale"}, RIVAL)["signals"][0]["signal_ref"]
    nobody = theirs | {"signal_id": "aud-000000000000"}
    answers = [ask(shop, "get_signals", {"signal_refs": [each]}, AGENT) for each in (theirs, nobody)]
    assert answers[0] == answers[1]
    assert answers[0]["signals"] == []


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ({"max_cpm": 2.5}, {"cpm", "percent", "monthly"}),
        ({"max_cpm": 2.4}, set()),
        ({"max_percent": 5}, set()),
        ({"catalog_types": ["marketplace"]}, set()),
        ({"catalog_types": ["owned", "custom"]}, {"cpm", "percent", "monthly"}),
        ({"data_providers": ["audience"]}, {"cpm", "percent", "monthly"}),
        ({"data_providers": ["Somebody"]}, set()),
        ({"min_coverage_percentage": 100}, set()),
    ],
)
def test_filters_leave_signals_with_prices_or_none(own: AudienceService, filters: Json, left: set[str]) -> None:
    found = signals(own, signal_spec="coffee", filters=filters)
    assert {option["pricing_option_id"] for each in found for option in each["pricing_options"]} == left


def test_small_signals_are_filtered_by_their_coverage(own: AudienceService) -> None:
    everything = signals(own, signal_spec="coffee")
    middle = sorted(each["coverage_percentage"] for each in everything)[len(everything) // 2]
    found = signals(own, signal_spec="coffee", filters={"min_coverage_percentage": middle})
    assert found == [each for each in everything if each["coverage_percentage"] >= middle]
    assert 0 < len(found) < len(everything)


@given(st.integers(1, 4))
@settings(max_examples=4)
def test_pages_of_any_length_give_everything_once(service: AudienceService, length: int) -> None:
    question = {"signal_spec": "coffee or wine"}
    whole = [each["name"] for each in signals(service, **question)]
    found, page = [], {"max_results": length}
    while True:
        answer = ask(service, "get_signals", {**question, "pagination": page}, AGENT)
        found += [each["name"] for each in answer["signals"]]
        assert answer["pagination"]["total_count"] == len(whole) > 4
        if not answer["pagination"]["has_more"]:
            break
        page = {"max_results": length, "cursor": answer["pagination"]["cursor"]}
    assert found == whole
    assert "cursor" not in answer["pagination"]


def test_a_cursor_goes_on_after_what_was_shown_even_when_the_list_has_changed(shop: AudienceService) -> None:
    first = ask(shop, "get_signals", {"discovery_mode": "wholesale", "pagination": {"max_results": 1}}, AGENT)
    shop.of(AGENT).save(AudienceSpec(demand=DOGS), "All walkers", "Ada")
    page = {"max_results": 1, "cursor": first["pagination"]["cursor"]}
    assert names(shop, discovery_mode="wholesale", pagination=page) == ["Young walkers"]
    stray = ask(shop, "get_signals", {"signal_spec": "dogs", "pagination": page}, AGENT)
    assert fault(stray)["field"] == "pagination.cursor"


def test_a_list_that_did_not_change_is_not_sent_again(shop: AudienceService) -> None:
    question = {"discovery_mode": "wholesale", "adcp_version": "3.2"}
    version = ask(shop, "get_signals", question, AGENT)["wholesale_feed_version"]
    again = ask(shop, "get_signals", question | {"if_wholesale_feed_version": version}, AGENT)
    assert again["unchanged"] is True
    assert "signals" not in again
    shop.of(AGENT).save(AudienceSpec(demand=DOGS), "All walkers", "Ada")
    changed = ask(shop, "get_signals", question | {"if_wholesale_feed_version": version}, AGENT)
    assert len(changed["signals"]) == 3


def test_the_release_asked_for_decides_the_form(own: AudienceService) -> None:
    old = signals(own, signal_spec="coffee", adcp_version="3.0")[0]
    new = signals(own, signal_spec="coffee", adcp_version="3.1")[0]
    both = signals(own, signal_spec="coffee", adcp_major_version=3)[0]
    assert {"signal_id", "signal_ref"} & old.keys() == {"signal_id"}
    assert {"signal_id", "signal_ref"} & new.keys() == {"signal_ref"}
    assert {"signal_id", "signal_ref"} <= both.keys()
    later = ask(own, "get_signals", {"signal_spec": "coffee", "adcp_version": "4.0"}, AGENT)
    assert fault(later)["code"] == "VERSION_UNSUPPORTED"
    assert fault(later)["details"]["supported_versions"] == ["3.0", "3.1", "3.2"]


def test_only_the_definition_fields_asked_for_are_given(own: AudienceService) -> None:
    signal = signals(own, signal_spec="coffee", fields=["modeling", "name"])[0]
    assert signal["modeling"]["method"] == "embedding"
    assert "segmentation_criteria" not in signal
    assert "coverage_forecast" in signal


def test_a_declined_sentence_gives_the_reason_and_declined_neighbours_are_left_out(own: AudienceService) -> None:
    def check(spec: AudienceSpec) -> None:
        if "tea" in spec.demand:
            raise RequestError("Tea is private here.")

    declined = ask(own, "get_signals", {"signal_spec": "tea"}, AGENT, check)
    assert fault(declined)["code"] == "POLICY_VIOLATION"
    assert fault(declined)["message"] == "Tea is private here."
    hidden = {"signal_refs": [{"scope": "signal_source", "signal_source_url": URL, "signal_id": of_sentence("tea").id}]}
    assert fault(ask(own, "get_signals", hidden, AGENT, check))["code"] == "POLICY_VIOLATION"
    near = {"signal_spec": "hot drinks in a cup, such as coffee"}
    free, guarded = (ask(own, "get_signals", near, AGENT, each)["signals"] for each in (anything_goes, check))
    assert [each["name"] for each in free if " tea " not in each["name"]] == [each["name"] for each in guarded]
    assert len(guarded) < len(free)


URL = "http://127.0.0.1:7860/mcp"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "signal_spec"),
        ({"signal_spec": "  "}, "signal_spec"),
        ({"signal_spec": "x" * 2001}, "signal_spec"),
        ({"signal_spec": 7}, "signal_spec"),
        ({"discovery_mode": "wholesale", "signal_spec": "coffee"}, "discovery_mode"),
        ({"signal_spec": "coffee", "pagination": {"max_results": 101}}, "pagination.max_results"),
        ({"signal_spec": "coffee", "pagination": {"cursor": "bm90IG91cnM="}}, "pagination.cursor"),
        ({"signal_spec": "coffee", "destinations": [{"type": "platform"}]}, "destinations.0"),
        ({"signal_spec": "coffee", "context": "text"}, "context"),
    ],
)
def test_what_does_not_fit_is_named(own: AudienceService, arguments: Json, field: str) -> None:
    error = fault(ask(own, "get_signals", arguments, AGENT))
    assert (error["code"], error["field"], error["recovery"]) == ("INVALID_REQUEST", field, "correctable")


def test_what_it_does_not_know_passes_and_the_context_comes_back(own: AudienceService) -> None:
    extra = {"signal_spec": "coffee", "buyer_mood": "good", "ext": {"a": {}}, "context": {"id": [1, {"deep": None}]}}
    assert ask(own, "get_signals", extra, AGENT)["context"] == extra["context"]
    assert ask(own, "get_signals", {"context": {"a": 1}}, AGENT)["context"] == {"a": 1}


@given(st.text(min_size=1, max_size=300))
@settings(max_examples=15)
def test_the_id_of_a_sentence_gives_the_sentence_again(service: AudienceService, words: str) -> None:
    tidy = " ".join(words.encode("utf-8", "ignore").decode().split())
    if tidy:
        assert Segments(service).find(of_sentence(tidy).id) == of_sentence(tidy)


@given(st.text(max_size=40))
@settings(max_examples=15)
def test_other_ids_are_nobody_s(service: AudienceService, text: str) -> None:
    found = Segments(service).find(f"sentence-{text}")
    assert found is None or found.id == f"sentence-{text}"
