"""What signals cost and what their provider says of itself, from a TOML file."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from encoders.errors import DataError
from encoders.records import Record
from encoders.settings import Settings
from tools.interfaces.adcp.protocol import Filters

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Cadence = Literal["intra_day", "daily", "weekly", "monthly", "bi_monthly", "quarterly", "bi_annually", "annually"]
DataSource = Literal[
    "app_behavior", "app_usage", "web_usage", "geo_location", "email", "tv_ott_or_stb_device", "panel",
    "online_ecommerce", "credit_data", "loyalty_card", "transaction", "online_survey", "offline_survey",
    "public_record_census", "public_record_voter_file", "public_record_other", "offline_transaction",
]  # fmt: skip


class _Price(Record):
    id: str = Field(min_length=1, exclude=True)
    currency: Currency

    @property
    def option(self) -> dict[str, Any]:
        """As it stands in a signal."""
        return {"pricing_option_id": self.id, **self.model_dump(exclude_none=True)}

    def within(self, filters: Filters) -> bool:
        """Whether the filters leave it in; each bounds one way to be priced."""
        return True


class Cpm(_Price):
    """A price for a thousand impressions."""

    model: Literal["cpm"]
    cpm: float = Field(ge=0)

    def within(self, filters: Filters) -> bool:
        """Whether it costs no more than was asked."""
        return filters.max_cpm is None or self.cpm <= filters.max_cpm


class Percent(_Price):
    """A share of what the media cost, up to a price for a thousand."""

    model: Literal["percent_of_media"]
    percent: float = Field(ge=0, le=100)
    max_cpm: float | None = Field(None, ge=0)

    def within(self, filters: Filters) -> bool:
        """Whether the share is no more than was asked."""
        return filters.max_percent is None or self.percent <= filters.max_percent


class Flat(_Price):
    """A price for a period, however much is used."""

    model: Literal["flat_fee"]
    amount: float = Field(ge=0)
    period: Literal["monthly", "quarterly", "annual", "campaign"]


Price = Annotated[Cpm | Percent | Flat, Field(discriminator="model")]


class RateCard(Record):
    """Prices, and what is said of every signal alike."""

    provider: str = Field(min_length=1)
    data_sources: tuple[DataSource, ...] = Field(min_length=1)
    seed_source: Literal["first_party_crm", "panel", "declared_survey", "transactional", "behavioral"]
    jurisdictions: tuple[Country, ...] = Field(min_length=1)
    risk_class: Literal["minimal", "limited", "high_risk"]
    refresh_cadence: Cadence
    agent_url: str = Field("", description="the address others reach this agent at; empty for that of the settings")
    pricing: tuple[Price, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> "RateCard":
        ids = [each.id for each in self.pricing]
        if len(set(ids)) < len(ids):
            raise ValueError("two prices have the same id")
        return self

    def options(self, filters: Filters) -> list[dict[str, Any]]:
        """The prices that the filters leave; none where a way to be priced is asked for that they leave nothing of."""
        kept = [each for each in self.pricing if each.within(filters)]
        gone = {each.model for each in self.pricing} - {each.model for each in kept}
        return [] if gone else [each.option for each in kept]


def rate_card(settings: Settings) -> RateCard:
    """The card named in the settings, or the one that comes along.

    Raises:
        DataError: it cannot be read; the text says what is wrong with it.
    """
    return _read(settings.rate_card)


@lru_cache
def _read(path: Path | None) -> RateCard:
    source = files("tools.interfaces.adcp").joinpath("rate_card.toml") if path is None else path
    try:
        return TypeAdapter(RateCard).validate_python(tomllib.loads(source.read_text("utf-8")))
    except OSError as error:
        raise DataError(
            f"The rate card {path} cannot be read ({type(error).__name__}); see AUDIENCE_RATE_CARD."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"The rate card {path} is not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "as a whole"
        raise DataError(f"The rate card {path} does not fit, {where}: {first['msg']}.") from error
