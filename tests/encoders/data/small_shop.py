from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from encoders.data import tables

SPEC = """
name = "shop"
title = "A small shop"
unit = "customer"
unit_plural = "customers"
main_source = "orders"
time_zone = "Europe/Berlin"

[users]
files = ["customers.csv"]
user_id = "id"
consent = "agreed"
attributes = { age = "age_band" }
contacts = { email = "mail", phone = "mobile" }

[[sources]]
name = "orders"
action = "buy"
wording = "buy {items}"
files = ["orders*.csv"]
user_id = "customer"
time = "at"
item = "{category}: {product}"
group = "{category}"
value = "paid"
"""

ORDER = {"customer": "1", "at": "2026-01-05 10:00:00", "category": "dairy", "product": "milk", "paid": "1.5"}
CUSTOMER = {"id": "1", "agreed": "yes", "age_band": "25-34", "mail": "ann@example.org", "mobile": "+49 30 1234567"}

WITHOUT_CONSENT = CUSTOMER | {"id": "2", "agreed": "no", "mail": "bob@example.org", "mobile": "+49 30 7654321"}


@dataclass(frozen=True)
class Shop:
    """A folder with a spec and its tables, as a data engineer would bring it."""

    base: Path

    @property
    def spec(self) -> Path:
        return self.base / "shop.toml"

    @property
    def folder(self) -> Path:
        return self.base / "data"

    def change(self, old: str, new: str) -> None:
        text = self.spec.read_text()
        assert old in text
        self.spec.write_text(text.replace(old, new))

    def table(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        frame = pl.DataFrame(list(rows))
        frame.write_parquet(self.base / name) if name.endswith(".parquet") else frame.write_csv(self.base / name)

    def prepare(self, strict: bool = False) -> tables.Prepared:
        return tables.prepare(self.spec, self.folder, strict)

    def read(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.folder / f"{name}.parquet")


def make_shop(base: Path) -> Shop:
    shop = Shop(base)
    shop.spec.write_text(SPEC)
    shop.table(
        "customers.csv",
        [CUSTOMER, CUSTOMER | {"id": "2", "agreed": "no", "mail": "bob@example.org", "mobile": "+49 30 7654321"}],
    )
    shop.table("orders.csv", [ORDER, ORDER | {"product": "butter", "at": "2026-02-01"}])
    return shop
