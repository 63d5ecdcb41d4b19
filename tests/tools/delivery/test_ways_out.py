"""Who withdrew, was erased or shares an address after an audience was saved: by every way that users leave."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from encoders.data.erasing import forget
from encoders.errors import NotThereError, TooSmallError
from tests.listening import listening
from tests.planted import World, copied
from tests.tools.delivery.test_reaching import WIDE, change, data_of, parts, withdraw
from tests.tools.interfaces.adcp.asking import ask, fault
from tools.access.callers import Caller, Scope
from tools.erasure.erasure import erase
from tools.service import AudienceService

AGENT = Caller(name="agent", scopes=frozenset(Scope))
SELLER = {"type": "agent", "agent_url": "https://seller.example/mcp"}
DSP = {"type": "platform", "platform": "some-dsp", "account": "a-1"}
EVERYBODY = "all@example.org"


@pytest.fixture
def shop(service: AudienceService, world: World, tmp_path: Path) -> Iterator[AudienceService]:
    """The trained service over a copy of its data that a test may change, as a later preparation would."""
    workspace = copied(world, tmp_path / "shop")
    opened = AudienceService(service.settings, workspace, service.forecaster)
    yield opened
    opened.close()


def activate(shop: AudienceService, destination: dict[str, str]) -> dict[str, Any]:
    request = {"signal_agent_segment_id": "Wide", "destinations": [destination], "pricing_option_id": "cpm"}
    return ask(shop, "activate_signal", {**request, "idempotency_key": "key-0123456789abcdef"}, AGENT)


def let_out(shop: AudienceService, way: str, folder: Path) -> tuple[str, dict[str, int]]:
    """All that leaves by one way, as one text; and how many were left out, by reason."""
    left = ""
    with listening() as listener:
        shop.destinations.add("crm", listener.url)
        shop.destinations.add_table("table", f"sqlite:{folder / 'own.db'}", "members", user_ids=True)
        if way == "activation":
            (deployment,) = activate(shop, DSP)["deployments"]
            told = {each["reason"]: each["users"] for each in deployment["ext"]["audience_file"]["left_out"]}
        else:
            file = shop.export("Wide", platform="" if way == "file" else way)
            told = {each.reason: each.users or 0 for each in file.left_out}
        left += "".join(str(heard.data) for heard in listener.heard)
    if way == "table":
        with closing(sqlite3.connect(folder / "own.db")) as db:
            left += "".join(f"{row}\n" for row in db.execute("SELECT user_id || ',' FROM members"))
    return left + "".join(path.read_text() for path in shop.tenant.workspace.exports.glob("*.csv")), told


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("way", ["file", "meta", "crm", "table", "activation"])
def test_nobody_who_withdrew_or_was_erased_leaves_by_id_or_address(
    shop: AudienceService, way: str, tmp_path: Path
) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    withdrew, erased, twin, alone = users[:4]
    addresses = {user: f"{user}@example.org" for user in users}
    change(shop, "contacts", lambda _: pl.DataFrame({"user_id": users, "email": [*addresses.values()]}))
    withdraw(shop, {withdrew})
    forget(shop.tenant.workspace, [erased], [("email", addresses[twin])])
    left, told = let_out(shop, way, tmp_path)
    assert told == {"forgotten": 1, "not in the data": 1, "shared contact": 1}
    for user in (withdrew, erased, twin):
        assert not any(each in left for each in (f"{user},", f"{user}\n", hashed(user), hashed(addresses[user])))
    assert any(each in left for each in (f"{alone},", f"{alone}\n", hashed(alone), hashed(addresses[alone])))


@pytest.mark.parametrize("destination", [SELLER, DSP])
def test_users_with_one_address_are_too_few_to_be_activated(shop: AudienceService, destination: dict[str, str]) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    assert len(users) >= 60
    change(shop, "contacts", lambda _: pl.DataFrame({"user_id": users, "email": [EVERYBODY] * len(users)}))
    assert "reaches fewer than 20" in fault(activate(shop, destination))["message"]
    assert not list(shop.tenant.workspace.exports.glob("*"))


def test_a_signal_for_an_agent_says_who_is_left_out(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    addresses = [EVERYBODY, EVERYBODY, *(f"{user}@example.org" for user in users[2:])]
    change(shop, "contacts", lambda _: pl.DataFrame({"user_id": users, "email": addresses}))
    withdraw(shop, {users[-1]})
    (deployment,) = activate(shop, SELLER)["deployments"]
    told = {each["reason"]: each["users"] for each in deployment["ext"]["audience"]["left_out"]}
    assert told == {"not in the data": 1, "repeated contact": 1}


def test_a_file_that_an_erasure_made_too_small_is_not_given_out(
    shop: AudienceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    file = shop.export("Wide")
    users = parts(shop, "Wide")[0]
    name = Path(file.path).name
    erase(shop.tenant.workspace, shop.settings, users[:1], "Ada")
    assert len(pl.read_csv(shop.exported(name))) == len(users) - 1
    few = shop.settings.minimum_size - 1
    erase(shop.tenant.workspace, shop.settings, users[1:-few], "Ada")
    with pytest.raises(NotThereError, match="fewer than 20 rows left, so it is not given out, to protect single peo"):
        shop.exported(name)
    with pytest.raises(TooSmallError):
        shop.export("Wide")


def test_a_refresh_and_a_combination_have_nobody_who_withdrew_or_was_erased(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    shop.save(WIDE.model_copy(update={"cut": 0.6}), "Part", "Ada", holdout=0.0)
    withdraw(shop, {users[0]})
    forget(shop.tenant.workspace, [users[1]], [])
    joined = shop.combine("or", ["Wide", "Part"], "Joined", "Ada")
    again = shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    for saved in (joined, again):
        assert set(shop.tenant.registry.members(saved.id)[0]) == set(users[2:])
    assert joined.notes[0] == "2 were left out: no longer in the data, without consent, or erased."
    assert data_of(shop).is_dir()
