"""The rate card: the one that comes along, one's own, and what is wrong with others."""

from pathlib import Path

import pytest

from encoders.errors import DataError
from encoders.settings import Settings
from tests.tools.interfaces.adcp.asking import AGENT, ask, fault
from tools.interfaces.adcp.accounts import rate_card
from tools.interfaces.adcp.protocol import Filters
from tools.service import AudienceService

CARD = """
provider = "Shop"
data_sources = ["loyalty_card"]
seed_source = "transactional"
jurisdictions = ["DE", "AT"]
risk_class = "minimal"
refresh_cadence = "weekly"
agent_url = "https://signals.shop.example/mcp"
[[pricing]]
id = "year"
model = "flat_fee"
amount = 900
period = "annual"
currency = "EUR"
"""


def read(path: Path | None) -> Settings:
    return Settings(rate_card=path, _env_file=None)


def test_the_card_that_comes_along_has_every_way_to_be_priced() -> None:
    assert [each["model"] for each in rate_card(read(None)).options(Filters())] == [
        "cpm",
        "percent_of_media",
        "flat_fee",
    ]


def test_one_s_own_card_is_what_others_read(own: AudienceService, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(CARD, "utf-8")
    own.settings = own.settings.model_copy(update={"rate_card": path})
    signal = ask(own, "get_signals", {"signal_spec": "coffee"}, AGENT)["signals"][0]
    price = {"pricing_option_id": "year", "model": "flat_fee", "amount": 900, "period": "annual", "currency": "EUR"}
    assert signal["pricing_options"] == [price]
    assert signal["data_provider"] == "Shop"
    assert signal["signal_ref"]["signal_source_url"] == "https://signals.shop.example/mcp"
    assert signal["modeling"]["training_data_jurisdictions"] == ["DE", "AT"]
    assert (signal["refresh_cadence"], signal["data_sources"]) == ("weekly", ["loyalty_card"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("EUR", "euro"), "pricing.0.flat_fee.currency"),
        (('"flat_fee"', '"barter"'), "pricing.0"),
        (("amount = 900", ""), "pricing.0.flat_fee.amount"),
        (("amount = 900", "amount = -1"), "pricing.0.flat_fee.amount"),
        (('provider = "Shop"', ""), "provider"),
        (('provider = "Shop"', 'provider = "Shop"\ncolour = "red"'), "colour"),
        (("[[pricing]]", "[[pricing"), "is not TOML"),
    ],
)
def test_a_card_that_does_not_fit_says_where(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    path = tmp_path / "card.toml"
    path.write_text(CARD.replace(*change), "utf-8")
    with pytest.raises(DataError, match=words):
        rate_card(read(path))


def test_two_prices_have_two_ids(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(CARD + CARD[CARD.index("[[pricing]]") :], "utf-8")
    with pytest.raises(DataError, match="same id"):
        rate_card(read(path))


def test_a_card_that_is_not_there_is_named_to_its_owner(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml cannot be read"):
        rate_card(read(tmp_path / "none.toml"))


def test_agents_are_not_told_where_a_card_is_missing(own: AudienceService, tmp_path: Path) -> None:
    own.settings = own.settings.model_copy(update={"rate_card": tmp_path / "none.toml"})
    error = fault(ask(own, "get_signals", {"signal_spec": "coffee"}, AGENT))
    assert error["code"] == "SERVICE_UNAVAILABLE"
    assert str(tmp_path) not in error["message"]
