import pytest

from encoders.predictor import Forecaster
from tests.planted import BABY_FOOD, DIAPERS, HABITS, NOBODY
from tools.service import AudienceService


@pytest.fixture(scope="module")
def forecaster(service: AudienceService) -> Forecaster:
    return service.forecaster


@pytest.mark.parametrize("group", [*HABITS, "diapers", "baby food"])
def test_the_name_of_a_group_means_its_items(forecaster: Forecaster, group: str) -> None:
    vocabulary = forecaster.snapshot.vocabulary
    meant = forecaster.items_meant(group)
    inside = [vocabulary.groups[item] == group for item in meant]
    assert sum(inside) >= 2
    assert inside[0]
    assert sum(inside) >= 0.5 * len(inside)
    assert all(vocabulary.main_items[meant])


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("dry dog food", HABITS["dog food"]),
        ("Babynahrung", BABY_FOOD),
        ("nappies", DIAPERS),
        ("puppy food", HABITS["dog food"]),
        ("something to wash my clothes", HABITS["laundry"]),
    ],
)
def test_other_words_mean_the_same(forecaster: Forecaster, words: str, items: tuple[str, ...]) -> None:
    assert forecaster.snapshot.vocabulary.texts[forecaster.items_meant(words)[0]] in items


def test_nonsense_means_nothing(forecaster: Forecaster) -> None:
    assert not len(forecaster.items_meant("zzqx jjwv"))


def test_one_item_alone_can_be_meant(forecaster: Forecaster) -> None:
    [item] = forecaster.items_meant(NOBODY)
    assert forecaster.snapshot.vocabulary.groups[item] == NOBODY
