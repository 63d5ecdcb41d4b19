from pathlib import Path

import pytest

from encoders.data.spec import read_spec
from encoders.errors import DataError
from tests.encoders.data.small_shop import Shop


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('title = "A small shop"', 'titel = "A small shop"', "unknown entry 'titel'.*'title'"),
        ('value = "paid"', 'valeu = "paid"', "unknown entry 'sources.1.valeu'.*'value'"),
        ('title = "A small shop"\n', "", "'title' is wrong: Field required"),
        ('main_source = "orders"', 'main_source = "views"', "main_source 'views' is none of the sources"),
        ('time_zone = "Europe/Berlin"', 'time_zone = "Europe/Berln"', "'Europe/Berln' is no time zone"),
        ('time_zone = "Europe/Berlin"', 'time_zone = "../etc/passwd"', "is no time zone"),
        ('wording = "buy {items}"', 'wording = "buy"', r"must hold \{items\} once"),
        ('item = "{category}: {product}"', 'item = "a product"', "names no column"),
        ('item = "{category}: {product}"', 'item = "{category:>9}"', "only column names in braces"),
        ('item = "{category}: {product}"', 'item = "{category"', "'sources.1.item' is wrong"),
        ('item = "{category}: {product}"', 'item = "{product} for {mail}"', "reads the contact column 'mail'"),
        ('group = "{category}"', 'group = "{mobile}"', "reads the contact column 'mobile'"),
        ('user_id = "customer"', 'user_id = "mail"', "reads the contact column 'mail'"),
        ('user_id = "id"', 'user_id = "mail"', "contact column 'mail' may not be the user id"),
        ('age = "age_band"', 'mail = "mail"', "contact column 'mail' may not be the user id or an attribute"),
        ('age = "age_band"', 'user_id = "age_band"', "may not be called 'user_id'"),
        ('name = "shop"', 'name = "My Shop"', "'name' is wrong"),
        ('name = "shop"', "name = ", "cannot be read as TOML"),
    ],
)
def test_a_wrong_spec_is_told_in_one_sentence(shop: Shop, old: str, new: str, message: str) -> None:
    shop.change(old, new)
    with pytest.raises(DataError, match=message) as told:
        shop.prepare()
    assert "\n" not in str(told.value)
    assert not shop.folder.exists()


def test_two_sources_of_one_name_are_refused(shop: Shop) -> None:
    text = shop.spec.read_text()
    shop.spec.write_text(text + text[text.index("[[sources]]") :])
    with pytest.raises(DataError, match="a name of its own"):
        shop.prepare()


def test_a_missing_spec_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no spec"):
        read_spec(tmp_path / "none.toml")


def test_the_example_in_the_docs_is_a_good_spec() -> None:
    spec = read_spec(Path(__file__).parents[3] / "docs" / "example-spec.toml")
    assert {source.name for source in spec.sources} == {"purchases", "visits", "newsletters"}
