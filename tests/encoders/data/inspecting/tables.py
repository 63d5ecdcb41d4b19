"""Small tables as shops, registers and trackers export them, made from ``seen.toml`` and ``held_back.toml``.

A layout names its files; a file has columns, each a heading and a template over one row of a made-up world, such as
"{time:%d.%m.%Y}". "~10 {email}" leaves one in ten rows blank, "1st {total}" all lines of an order but its first.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl

HERE = Path(__file__).parent
_USERS, _LINES = 60, 400

_WORLD = tomllib.loads((HERE / "world.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Layout:
    """A set of tables as somebody brings it, and the spec that is right for it."""

    name: str
    tables: dict[str, dict[str, Any]]
    language: str
    right: dict[str, Any]

    def write(self, folder: Path) -> list[Path]:
        """Write its files; the same on every machine."""
        return [_write(self, folder / name, told) for name, told in self.tables.items()]


def layouts(half: str) -> list[Layout]:
    """The layouts of a half: 'seen', which the rules were written with, or 'held_back'."""
    told = tomllib.loads((HERE / f"{half}.toml").read_text("utf-8"))
    return [Layout(name, each["tables"], each.get("language", "en"), each["right"]) for name, each in told.items()]


class _Said:
    """Yes or no in the words of a format: ``{yes:ja|nein}``."""

    def __init__(self, yes: bool) -> None:
        self._yes = yes

    def __format__(self, words: str) -> str:
        yes, no = words.split("|")
        return yes if self._yes else no


class _Money(float):
    """A sum; ``{total:eu}`` is 1.234,50 and ``{total:us}`` 1,234.50."""

    def __format__(self, form: str) -> str:
        if form == "us":
            return f"{float(self):,.2f}"
        if form == "eu":
            return f"{float(self):,.2f}".translate(str.maketrans(",.", ".,"))
        return f"{float(self):{form}}"


def _people(language: str, chance: random.Random) -> list[dict[str, Any]]:
    world = _WORLD[language]
    local, phone, country = world["local"], world["phone"], world["country"]
    people = []
    for number in range(_USERS):
        names = chance.choice(world["first"]), chance.choice(world["last"])
        email = f"{names[0]}.{names[1]}{number}@example.org".lower()
        digits = number * 7 % 1000, number % 90 + 10, number * 7 % 90 + 10
        city = chance.choice(world["cities"])
        people.append(
            {"uid": 1000 + number * 17, "first": names[0], "last": names[1], "email": email, "country": country}
            | {
                "phone": phone.format(*digits),
                "local": local.format(*digits),
                "city": city,
                "zip": 10000 + number * 311,
            }
            | {"gender": chance.choice("fm"), "birth": date(1950 + number, 1 + number % 12, 1 + number % 28)}
            | {"segment": chance.choice(["gold", "silver", "bronze"]), "yes": _Said(chance.random() < 0.7)}
            | {"uuid": str(sha256(f"u{number}".encode()).hexdigest()[:16]), "hash": sha256(email.encode()).hexdigest()}
            | {"age": ["18-24", "25-34", "35-54", "55+"][number % 4], "os": chance.choice(["ios", "android", "web"])}
        )
    return people


def _rows(layout: Layout, span: dict[str, Any], chance: random.Random) -> Iterator[dict[str, Any]]:
    """Order lines, one after the other in time."""
    people = _people(layout.language, chance)
    goods = [each.split(">") for each in _WORLD[layout.language]["goods"]]
    prices = [_Money(3 + 7.35 * number + (1200 if number == 5 else 0)) for number in range(len(goods))]
    now, order, made = datetime(2024, 1, 3, 8, 14, 9), 48210, 0
    while made < span.get("rows", _LINES):
        now += timedelta(hours=chance.randint(3, 60), minutes=chance.randint(0, 59), seconds=chance.randint(0, 59))
        if (most := span.get("days_below")) and now.day >= most:
            continue
        order, user, lines = order + chance.randint(1, 5), chance.choice(people), chance.randint(1, 3)
        chosen = sorted(chance.sample(range(len(goods)), lines))
        counts = [chance.randint(1, 3) for _ in chosen]
        whole = _Money(sum(prices[each] * count for each, count in zip(chosen, counts, strict=True)) + 4.9)
        for line, (place, count) in enumerate(zip(chosen, counts, strict=True), 1):
            ticks = now.replace(tzinfo=UTC).timestamp()
            yield user | {
                "n": made, "order": order, "line": line,
                "time": now, "later": now + timedelta(days=chance.randint(1, 6)),
                "unix": int(ticks), "ms": int(ticks * 1000), "us": int(ticks * 1_000_000),
                "department": goods[place][0], "category": goods[place][1], "product": goods[place][2],
                "sku": f"{goods[place][1][:3].upper()}-{10 + place}", "code": 7000 + place * 13, "quantity": count,
                "price": prices[place], "total": _Money(prices[place] * count),
                "whole": whole, "tax": _Money(whole * 0.19),
                "event": chance.choice(["page_view", "add_to_cart", "scroll", "purchase"]),
                "rating": chance.randint(1, 10) / 2,
                "status": "Paid" if chance.random() < 0.9 else "Failed", "token": f"{chance.getrandbits(48):012x}",
            }  # fmt: skip
            made += 1


def _field(template: str, row: dict[str, Any], chance: random.Random) -> str:
    if template.startswith("1st "):
        template = template[4:] if row["line"] == 1 else ""
    elif template.startswith("~"):
        share, template = template[1:].split(" ", 1)
        template = template if chance.random() * 100 >= int(share) else ""
    return template.format(**row)


def _write(layout: Layout, path: Path, told: dict[str, Any]) -> Path:
    chance = random.Random(layout.name)
    rows = list(_rows(layout, told, chance))
    if told.get("users"):
        rows = list({row["uid"]: row for row in rows}.values())
    heading, templates = list(told["columns"]), list(told["columns"].values())
    fields = [[_field(each, row, chance) for each in templates] for row in rows]
    if path.suffix == ".parquet":
        frame = pl.DataFrame(fields, dict.fromkeys(heading, pl.String), orient="row")
        frame.select(_typed(name, told["typed"].get(name, "String")) for name in heading).write_parquet(path)
        return path
    separator = told.get("separator", ",")
    quoted = separator != " "
    lines = [separator.join(_quoted(each, separator) if quoted else each for each in row) for row in [heading, *fields]]
    path.write_bytes(("\n".join(lines) + "\n").encode(told.get("encoding", "utf-8")))
    return path


def _typed(name: str, kind: str) -> pl.Expr:
    """A column in the type that a layout names, or read as times in a pattern."""
    return pl.col(name).str.to_datetime(kind) if "%" in kind else pl.col(name).cast(getattr(pl, kind))


def _quoted(field: str, separator: str) -> str:
    return '"' + field.replace('"', '""') + '"' if separator in field or '"' in field else field
