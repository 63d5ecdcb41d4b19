"""Cards of two data sets: a shop and films."""

from datetime import date

from tools.types import DataCard, FieldCard, SourceCard, ValueCount


def _source(name: str, action: str, wording: str, valued: bool) -> SourceCard:
    return SourceCard(
        source=name, actions=(action,), events=900, users=400, items=40, first=date(2017, 1, 1), last=date(2017, 9, 30),
        wording=wording, valued=valued,
    )  # fmt: skip


def _field(name: str, *values: str) -> FieldCard:
    return FieldCard(field=name, values=tuple(ValueCount(value=each, users=90) for each in values), unknown=120)


def _card(unit: str, main: str, sources: tuple[SourceCard, ...], fields: tuple[FieldCard, ...]) -> DataCard:
    return DataCard(
        title="-", note="-", unit=unit, unit_plural=f"{unit}s", population=400, as_of=date(2017, 10, 1),
        horizon_days=28, main_source=main, sources=sources, fields=fields, top_groups=("coffee", "tea"),
        model_version="m1", data_version="d1",
    )  # fmt: skip


SHOP = _card(
    "household",
    "purchases",
    (
        _source("purchases", "buy", "buy {items}", True),
        _source("coupons", "redeem", "redeem a coupon for {items}", False),
        _source("views", "view", "look at {items} in the app", False),
        _source("mailings", "receive", "", False),
    ),
    (
        _field("age", "19-24", "25-34", "35-44", "65 or older"),
        _field("income", "under $15,000", "$15,000-24,999", "$250,000 or more"),
        _field("household composition", "1 adult, no kids", "2 adults with kids"),
        _field("kids", "no kids", "1 kid", "3 or more kids"),
    ),
)

FILMS = _card(
    "viewer",
    "likes",
    (
        _source("likes", "like", "like {items}", True),
        _source("ratings", "rate", "rate {items} below four stars", True),
    ),
    (_field("gender", "female", "male"), _field("age", "under 18", "18 to 24", "56 and older")),
)
