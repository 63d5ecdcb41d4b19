"""The planted shop with titles for its items, which are then things by themselves, as films are."""

from dataclasses import replace

from encoders.model.match import ItemVocabulary
from encoders.predictor import Forecaster

TITLES = {
    "ground coffee": "The Silver Kite (1977)",
    "espresso beans": "Silver Kite: The Wind Returns (1980)",
    "decaf coffee pods": "Silver Kite II (1983)",
    "green tea bags": "Moonlit Harbour (1951)",
    "black tea": "2040: A Long Way Home (1968)",
    "peppermint tea": "Silver (1999)",
    "red wine": "Coupon Wars (1977)",
}
"""Three of a series, two by themselves, and one of a single word that another title uses."""


def titled(forecaster: Forecaster) -> Forecaster:
    """The same forecaster over items with titles: those above, and "Untitled 7 (1990)" for the others."""
    snapshot = forecaster.snapshot
    return Forecaster(
        forecaster.model,
        replace(snapshot, vocabulary=with_titles(forecaster)),
        forecaster.encoder,
        forecaster.user_vectors,
    )


def with_titles(forecaster: Forecaster) -> ItemVocabulary:
    """The vocabulary of the planted shop with titles."""
    known = forecaster.snapshot.vocabulary
    texts = [
        f"{TITLES.get(text, f'Untitled {number} (1990)')}: {group} of the {number}s"
        for number, (text, group) in enumerate(zip(known.texts, known.groups, strict=True))
    ]
    return replace(known, texts=texts, text_vectors=forecaster.encoder.encode(texts))
