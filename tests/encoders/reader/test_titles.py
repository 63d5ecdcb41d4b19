"""Single items that are things by themselves: their names are read as they are, and mean exactly them."""

import numpy as np
import pytest
import torch

from encoders.model.dual import encode_parts
from encoders.predictor import Forecaster
from tests.titled import titled
from tools.service import AudienceService


@pytest.fixture(scope="module")
def films(service: AudienceService) -> Forecaster:
    return titled(service.forecaster)


def texts(forecaster: Forecaster, items: np.ndarray) -> list[str]:
    return sorted(forecaster.snapshot.vocabulary.texts[item].split(" (")[0] for item in items)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Moonlit Harbour", ["Moonlit Harbour"]),
        ("the moonlit harbour", ["Moonlit Harbour"]),
        ("2040", ["2040: A Long Way Home"]),
        ("silver kite", ["Silver Kite II", "Silver Kite: The Wind Returns", "The Silver Kite"]),
        ("Silver Kite II", ["Silver Kite II"]),
        ("Penguins that will buy Silver Kite II", ["Silver Kite II"]),
    ],
)
def test_a_title_means_the_item_and_nothing_else(said: str, meant: list[str], films: Forecaster) -> None:
    found = films.grounded(said)
    assert texts(films, found.items) == meant
    assert not found.foreign


def test_a_title_is_read_as_the_whole_text_of_its_item(films: Forecaster) -> None:
    vocabulary = films.snapshot.vocabulary
    [item] = [n for n in np.flatnonzero(vocabulary.main_items) if vocabulary.texts[n].startswith("Moonlit Harbour")]
    demand = films.read("Households that will buy Moonlit Harbour in the next 28 days")
    parts = films.encode(demand, 0)
    assert parts.phrases[0].numpy() == pytest.approx(vocabulary.text_vectors[item], abs=1e-5)


def test_where_items_are_sorts_of_their_group_the_group_is_meant(service: AudienceService) -> None:
    forecaster = service.forecaster
    demand = forecaster.read("Households that will buy ground coffee in the next 28 days")
    as_said, _ = encode_parts(forecaster.encoder, [demand], [0])
    torch.testing.assert_close(forecaster.encode(demand, 0).phrases, as_said.phrases, rtol=1e-4, atol=1e-5)
    assert len(forecaster.items_meant("coffee")) == 3


def test_a_word_of_a_title_names_no_other_source(films: Forecaster) -> None:
    card = films.dataset.card
    other = films.snapshot.vocabulary.sources[1]
    assert "coupon" in card.wordings[other]
    assert films.source_meant("Households that will redeem a coupon for Moonlit Harbour in the next 28 days") == 1
    assert films.source_meant("Households that will buy Coupon Wars in the next 28 days") == 0
    assert films.source_meant('Households that will buy Moonlit Harbour (as in "a coupon wars night")') == 0
