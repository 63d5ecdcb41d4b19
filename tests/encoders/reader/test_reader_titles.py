"""The reader over single items that are things by themselves: titles, series and what a request is spread over."""

import numpy as np
import pytest

from encoders.reader.head import ReaderHead
from encoders.reader.knowledge import Entry, Phrases
from encoders.reader.reader import Reader
from encoders.reader.targets import Targets
from tests.titled import titled
from tools.service import AudienceService


class Fixed(ReaderHead):
    """A head that always sees the same shares."""

    def __init__(self, shares: np.ndarray) -> None:
        self.shares = shares

    def read(self, vectors: np.ndarray) -> np.ndarray:
        return np.repeat(self.shares[None], len(vectors), axis=0)


@pytest.fixture(scope="module")
def targets(service: AudienceService) -> Targets:
    return Targets.of(titled(service.forecaster).snapshot.vocabulary)


def reading(service: AudienceService, targets: Targets, shares: dict[str, float]) -> Reader:
    """A reader whose head gives these shares to things by name, and the rest to nothing."""
    given = np.zeros(len(targets) + 1, np.float32)
    for name, share in shares.items():
        given[targets.names.index(name)] = share
    given[-1] = 1.0 - given.sum()
    return Reader(targets, Fixed(given), service.forecaster.encoder, (), {}, Phrases(()), ("we plan an evening",))


def named(reader: Reader, text: str) -> list[str]:
    return [each.group for each in reader.read(text).groups]


def test_a_title_is_named_once_for_its_series_though_the_head_sees_nothing(
    service: AudienceService, targets: Targets
) -> None:
    assert targets.singles
    assert named(reading(service, targets, {}), "we plan a silver kite evening") == ["Silver Kite"]


def test_a_title_with_its_year_is_that_one_alone_in_a_demand(service: AudienceService) -> None:
    forecaster = titled(service.forecaster)
    texts = forecaster.snapshot.vocabulary.texts
    [kite] = forecaster.items_titled("The Silver Kite (1977)")
    assert texts[kite].startswith("The Silver Kite (1977)")
    assert len(forecaster.items_titled("The Silver Kite")) == 3, "the series"
    one = forecaster.forecast("Viewers that will like The Silver Kite (1977) in the next 28 days")
    both = forecaster.forecast(
        "Viewers that will like The Silver Kite (1977) or Moonlit Harbour (1951) in the next 28 days"
    )
    assert [texts[item].partition(":")[0] for item in one.items] == ["The Silver Kite (1977)"]
    assert {texts[item].partition(":")[0] for item in both.items} == {
        "The Silver Kite (1977)",
        "Moonlit Harbour (1951)",
    }
    assert both.probabilities.sum() > one.probabilities.sum()


def test_a_title_behind_a_verb_of_several_words_is_found(
    service: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecaster = titled(service.forecaster)
    source = forecaster.snapshot.vocabulary.sources[0]
    monkeypatch.setitem(forecaster.dataset.card.wordings, source, "give five stars to {items}")
    [part] = forecaster.read("Viewers that will give five stars to Moonlit Harbour").parts
    assert len(forecaster.items_titled(part.phrases[0])) == 1


def test_a_single_word_needs_the_head_as_a_witness(service: AudienceService, targets: Targets) -> None:
    text = "so Silver wants an evening"
    assert named(reading(service, targets, {"bread": 0.6}), text) == ["bread"]
    assert named(reading(service, targets, {"bread": 0.6, "Silver": 0.03}), text)[0] == "Silver"


def test_a_request_that_is_spread_over_the_items_of_a_group_names_the_group(
    service: AudienceService, targets: Targets
) -> None:
    wine = [name for name, group in zip(targets.names, targets.group_of, strict=True) if group == "wine"]
    shares = dict.fromkeys(wine, 0.9 / len(wine))
    assert named(reading(service, targets, shares), "a warm evening") == ["wine"]
    assert named(reading(service, targets, {"Moonlit Harbour": 0.9}), "a warm evening") == ["Moonlit Harbour"]


def test_nothing_is_meant_where_half_of_it_is_nothing(service: AudienceService, targets: Targets) -> None:
    read = reading(service, targets, {"Moonlit Harbour": 0.4}).read("a warm evening")
    assert not read.groups
    assert read.nearest[0] == "Moonlit Harbour"


def test_what_has_fans_is_spoken_of_without_them() -> None:
    fans = Entry(name="Kite fans", kind="fandom", says=("orlando kite fans", "kitologist fans"), things=("kites",))
    club = Entry(name="Club", kind="hobby", says=("orlando premier club fans",), things=("balls",))
    phrases = Phrases((fans, club))
    assert [entry.name for entry, _ in phrases.find("an orlando kite evening")] == ["Kite fans"]
    assert [entry.name for entry, _ in phrases.find("the kitologist retrospective")] == ["Kite fans"]
    assert phrases.find("the orlando premier club match") == []
