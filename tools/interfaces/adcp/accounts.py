"""sync_accounts and list_accounts: for whom a caller acts, who pays, and what signals cost."""

import json
import tomllib
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from encoders.errors import DataError
from encoders.records import Record
from encoders.settings import Settings
from tools.access.callers import current
from tools.delivery.sending import Deployments
from tools.interfaces.adcp.protocol import (
    Account,
    AccountsRequest,
    Filters,
    Keyed,
    NewAccount,
    SyncRequest,
    TaskError,
    paged,
)
from tools.service import AudienceService
from tools.storage.registry_tables import KeyReusedError

# --- What signals cost and what their provider says of itself, from a TOML file -------------------


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


# --- sync_accounts and list_accounts: for whom a caller acts, and who pays; and what is done once for
#     each key ---


# --- Done once for each idempotency key: a repeated request gets the answer of the first, another one is
#     turned down ---


_NOT_PART = {"idempotency_key", "context", "governance_context"}
"""What may differ when a request is repeated."""


def once(kept: Deployments, request: Keyed, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer to a request, from before or from ``work``; only what succeeds is kept.

    Args:
        kept: where answers are kept.
        request: what the caller wants.
        work: does it; it may run twice where two equal requests come at once, so it does nothing twice itself.

    Raises:
        TaskError: the key came with another request before.
    """
    caller, content = current().name, request.model_dump(mode="json", exclude_none=True, exclude=_NOT_PART)
    asked = json.dumps(content, sort_keys=True)
    try:
        before = kept.answers.find(caller, request.idempotency_key, asked)
    except KeyReusedError as error:
        raise TaskError("IDEMPOTENCY_CONFLICT", str(error), field="idempotency_key") from error
    if before is not None:
        return dict(json.loads(before)) | {"replayed": True}
    answer = work()
    kept.answers.keep(caller, request.idempotency_key, asked, json.dumps(answer, sort_keys=True))
    return answer


# --- sync_accounts and list_accounts: for whom a caller acts, and who pays ------------------------
#
# Accounts are bookkeeping between the two: whose audiences a caller sees is decided by the tenant of the token alone.


def known(service: AudienceService, account: Account | None) -> None:
    """Turn down the id of an account that the caller does not have; a brand and its operator need none.

    Raises:
        TaskError: there is no such account for the caller.
    """
    if account is None or account.account_id is None:
        return
    if account.account_id not in {each["account_id"] for each in service.deployments.accounts(current().name)}:
        raise TaskError(
            "ACCOUNT_NOT_FOUND",
            "There is no such account for this caller.",
            field="account.account_id",
            suggestion="name accounts with sync_accounts first",
            recovery="terminal",
        )


def synced(request: SyncRequest, service: AudienceService) -> dict[str, Any]:
    """What ``sync_accounts`` answers, without its envelope.

    Raises:
        TaskError: the key came with other accounts before.
    """
    kept, caller = service.deployments, current().name

    def work() -> dict[str, Any]:
        before = {each["account_id"]: each for each in kept.accounts(caller)}
        now = {each["account_id"]: each for each in map(_account, request.accounts)}
        if request.delete_missing:
            now |= {id_: each | {"status": "closed"} for id_, each in before.items() if id_ not in now}
        if not request.dry_run:
            kept.put_accounts(caller, list(now.values()))
        accounts = [each | {"action": _action(before.get(id_), each)} for id_, each in now.items()]
        return {"accounts": accounts} | ({"dry_run": True} if request.dry_run else {})

    return once(kept, request, work)


def listed(request: AccountsRequest, service: AudienceService) -> dict[str, Any]:
    """What ``list_accounts`` answers, without its envelope.

    Raises:
        TaskError: the cursor does not lead on.
    """
    accounts = [
        each
        for each in service.deployments.accounts(current().name)
        if request.status in (None, each["status"]) and request.sandbox in (None, each["sandbox"])
    ]
    question = [request.status, request.sandbox]
    shown, pagination = paged(accounts, request.page, lambda each: str(each["account_id"]), question)
    return {"accounts": list(shown), "pagination": pagination}


def _account(new: NewAccount) -> dict[str, Any]:
    """An account as it is kept; the same brand, operator and sandbox are the same account."""
    brand, natural = (
        new.brand.model_dump(exclude_none=True),
        [*new.brand.model_dump().values(), new.operator, new.sandbox],
    )
    direct = new.operator == new.brand.domain
    return {
        "account_id": f"acc-{sha256(repr(natural).encode()).hexdigest()[:16]}",
        "name": new.brand.domain if direct else f"{new.brand.domain} c/o {new.operator}",
        "brand": brand,
        "operator": new.operator,
        "billing": new.billing,
        "account_scope": "brand" if direct else "operator_brand",
        "status": "active",
        "sandbox": new.sandbox,
    }


def _action(before: dict[str, Any] | None, now: dict[str, Any]) -> str:
    if before is None:
        return "created"
    return "unchanged" if before == now else "updated"
