"""Destinations: batches with everybody once and nobody held out, failures that go on, and plugins of other packages."""

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from encoders.errors import DamagedError, DestinationError, RequestError, TooSmallError
from encoders.workspace import Workspace
from tests.faulty import flip
from tests.listening import Listener, listening, signed
from tests.present import present
from tests.tools.reach_doubles import prepared
from tools.audiences.disclosure import Disclosure
from tools.delivery import destinations
from tools.delivery.destinations import Batch, Destinations
from tools.delivery.sending import Exports
from tools.service import AudienceService
from tools.storage.holdouts import NO_CONTROL
from tools.storage.registry import Registry
from tools.types import AudienceSpec, ExportFile, SavedAudience

USERS = tuple(f"u{number:03}" for number in range(30))


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def phone(user: str) -> str:
    return f"650 253 0{user[1:]}"


class House:
    """A workspace with contacts, a registry, and what is exported from it."""

    def __init__(self, path: Path) -> None:
        self.workspace = Workspace(path)
        contacts = {"user_id": USERS[:20], "email": [f" {user}@Example.COM" for user in USERS[:20]]}
        prepared(self.workspace.data, USERS, contacts | {"phone": [phone(user) for user in USERS[:20]]})
        self.registry = Registry(self.workspace.registry)
        self.destinations = Destinations(self.registry.database, private=True)

    def save(self, members: tuple[str, ...] = USERS, share: float = 0.1) -> SavedAudience:
        return self.registry.save_version(
            "Tea", spec=None, definition="tea", members=members, holdout_share=share, as_of=date(2017, 10, 1),
            model_version="m", data_version="d", approved_by="Ada",
        )  # fmt: skip

    def export(self, to: str, key: str = "", format: Any = "csv") -> ExportFile:
        exports = Exports(self.workspace, self.registry, self.destinations, Disclosure(0), NO_CONTROL)
        return exports.export("Tea", format, key, to)

    def staying(self) -> set[str]:
        """Hashes of those who may leave."""
        members, held_out = self.registry.members("Tea")
        return {sha(user) for user in set(members) - set(held_out)}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "workspace")
    yield made
    made.registry.close()


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(destinations.WebhookDestination, "batch_size", 10)
    with listening() as listener:
        yield listener


def test_a_file_that_was_damaged_before_it_is_sent_is_not_sent(
    house: House, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.save()
    house.destinations.add("CRM", listener.url)
    record = Registry.record

    def record_and_damage(registry: Registry, actor: str, action: str, *more: Any) -> None:
        record(registry, actor, action, *more)
        if action == "export":
            flip(next(house.workspace.exports.glob("*.csv")))

    monkeypatch.setattr(Registry, "record", record_and_damage)
    with pytest.raises(DamagedError, match="it is not what was written"):
        house.export("crm")
    assert not listener.heard


# --- a system of one's own ------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_batches_are_signed_hashed_and_whole(house: House, listener: Listener, format: str) -> None:
    saved = house.save()
    made = house.destinations.add("CRM", listener.url)
    done = house.export("crm", format=format)
    assert (done.platform, done.batches, done.rows, done.held_out) == ("crm", 3, 27, 3)
    assert Path(done.path).name == f"{saved.id}-v1-crm.{format}"
    assert len(listener.heard) == 3
    for number, heard in enumerate(listener.heard, 1):
        assert signed(heard, made.secret)
        assert Webhook(made.secret).verify(heard.body, heard.headers)["type"] == "audience.members"
        data = heard.data
        assert heard.headers["webhook-id"] == data["id"] == f"{data['push']}-{number}"
        assert (data["number"], data["batches"], data["last"], data["users"]) == (number, 3, number == 3, 27)
        assert (data["audience_id"], data["name"], data["version"]) == (saved.id, "Tea", 1)
        assert (data["as_of"], len(data["people"])) == ("2017-10-01", 7 if number == 3 else 10)
        assert "Example" not in heard.body
        assert not any(f'"{user}"' in heard.body for user in USERS)
    people = [person for heard in listener.heard for person in heard.data["people"]]
    assert {person["user_sha256"] for person in people} == house.staying()
    known = {sha(user): user for user in USERS}
    for person in people:
        user = known[person["user_sha256"]]
        reachable = user in USERS[:20]
        assert person["email_sha256"] == (sha(f"{user}@example.com") if reachable else None)
        assert person["phone_sha256"] == (sha(f"+1{phone(user)}".replace(" ", "")) if reachable else None)
    lines = [(line.action, line.details.get("platform")) for line in house.registry.audit("Tea")]
    assert lines == [("save", None), ("export", "crm"), ("sent", "crm")]


def test_what_fails_halfway_goes_on_where_it_stopped(house: House, listener: Listener) -> None:
    house.save()
    house.destinations.add("crm", listener.url)
    listener.answers = [204, 503, 503, 503, 503]
    with pytest.raises(
        DestinationError, match=r"crm took 1 of 3 batches, then failed \(crm: answered 503\); export it there again"
    ):
        house.export("crm", key="k")
    assert [line.action for line in house.registry.audit("Tea")] == ["save", "export"]
    tried = [heard.data["id"] for heard in listener.heard]
    assert len(tried) == 1 + destinations.TRIES
    assert len(set(tried)) == 2
    house.export("crm", key="k")
    ids = list(dict.fromkeys(heard.data["id"] for heard in listener.heard))
    assert ids == [f"{listener.heard[0].data['push']}-{number}" for number in (1, 2, 3)]
    assert ids[1] == tried[-1]
    taken = {person["user_sha256"] for heard in listener.heard for person in heard.data["people"]}
    assert taken == house.staying()


def test_a_key_sends_once_and_without_one_everything_is_sent_anew(house: House, listener: Listener) -> None:
    house.save()
    house.destinations.add("crm", listener.url)
    assert [house.export("crm", key="k").batches for _ in range(2)] == [3, 3]
    assert len(listener.heard) == 3
    house.export("crm")
    house.export("crm")
    assert len(listener.heard) == 9
    assert len({heard.data["push"] for heard in listener.heard}) == 3


def test_what_will_not_get_better_is_not_tried_again(house: House, listener: Listener) -> None:
    house.save()
    house.destinations.add("crm", listener.url)
    listener.answers, listener.headers = [302], {"location": "/elsewhere"}
    with pytest.raises(DestinationError, match=r"crm took 0 of 3 batches, then failed \(crm: answered 302\)"):
        house.export("crm")
    assert len(listener.heard) == 1


def test_names_of_destinations(house: House) -> None:
    made = house.destinations.add(" CRM ", "https://example.com/in")
    assert made.secret.startswith("whsec_")
    for name, words in (("crm", "is a destination 'crm' already"), ("Meta", "'meta' already"), ("a b", "be a name")):
        with pytest.raises(RequestError, match=words):
            house.destinations.add(name, "https://example.com/in")
    with pytest.raises(RequestError, match="is no address to send to"):
        house.destinations.add("shop", "example.com")
    assert [(card.key, card.kind) for card in house.destinations.list()] == [
        ("google", "file"), ("meta", "file"), ("tiktok", "file"), ("linkedin", "file"), ("crm", "webhook"),
    ]  # fmt: skip
    with pytest.raises(RequestError, match=r"There is no platform 'myspace' here; export for Google, .*, crm, or"):
        house.destinations.named("myspace")
    house.destinations.remove("crm")
    with pytest.raises(RequestError, match="No destination 'crm' was added here"):
        house.destinations.remove("crm")


class Taking:
    """A destination that keeps what it takes, and fails when a test says so."""

    def __init__(self, batch_size: int, failing: list[bool]) -> None:
        self.name, self.batch_size, self.failing = "Taking", batch_size, failing
        self.taken: dict[str, Batch] = {}

    def send(self, batch: Batch) -> None:
        if self.failing and self.failing.pop(0):
            raise ConnectionError("the line is down")
        assert batch.id not in self.taken
        self.taken[batch.id] = batch


@settings(max_examples=20)
@given(
    st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), min_size=1, max_size=40),
    st.sampled_from([0.0, 0.1, 0.34, 0.5]),
    st.integers(1, 12),
    st.lists(st.booleans(), max_size=8),
    st.sampled_from(["csv", "parquet"]),
)
def test_everybody_is_sent_once_and_nobody_who_is_held_out(
    tmp_path_factory: pytest.TempPathFactory,
    members: set[str],
    share: float,
    size: int,
    failing: list[bool],
    format: str,
) -> None:
    house, taking = House(tmp_path_factory.mktemp("house")), Taking(size, failing)
    prepared(house.workspace.data, sorted(members))
    saved = house.save(tuple(members), share)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.destinations, "named", lambda name: taking)
        for _ in range(len(failing) + 1):
            with suppress(DestinationError):
                house.export("taking", format=format)
                break
    batches = list(taking.taken.values())
    sent = [person.user_sha256 for batch in batches for person in batch.people]
    assert sorted(sent) == sorted(house.staying())
    assert len(sent) == len(members) - present(saved.holdout)
    assert [batch.number for batch in batches] == list(range(1, len(batches) + 1))
    assert [batch.last for batch in batches] == [False] * (len(batches) - 1) + [True] * bool(batches)
    assert all(0 < len(batch.people) <= size for batch in batches)
    assert {batch.users for batch in batches} <= {len(sent)}
    house.registry.close()


def test_the_service_exports_to_any_destination(own: AudienceService, listener: Listener) -> None:
    spec = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.3)
    saved = own.save(spec, "Coffee", "Ada")
    own.destinations.add("crm", listener.url)
    done = own.export("Coffee", platform="crm")
    assert done.rows == present(saved.users) - present(saved.holdout)
    assert done.rows == sum(len(heard.data["people"]) for heard in listener.heard)
    own.save(spec.model_copy(update={"cut": 0.01}), "Few", "Ada")
    with pytest.raises(TooSmallError):
        own.export("Few", platform="crm")
    with pytest.raises(RequestError, match="There is no platform 'nowhere' here; export for Google"):
        own.export("Coffee", platform="nowhere")


# --- plugins --------------------------------------------------------------------------------------

PLUGIN = """
import json
from pathlib import Path

class Ledger:
    name = "The ledger"
    batch_size = 10

    def send(self, batch):
        with Path(__file__).with_name("ledger.jsonl").open("a") as file:
            file.write(batch.model_dump_json() + "\\n")

class Empty:
    name = "Nothing"

def crash():
    raise RuntimeError("no licence")

def leave():
    raise SystemExit(3)

class Sizeless(Ledger):
    batch_size = 0
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as pip leaves it, with a package of several plugins, most of them broken."""
    folder = tmp_path / "site"
    info = folder / "acme_ledger-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "acme_ledger.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ledger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[audience.destinations]\nLedger = acme_ledger:Ledger\nempty = acme_ledger:Empty\ncrash = acme_ledger:crash\n"
        "leave = acme_ledger:leave\nlost = acme_lost:Lost\nsizeless = acme_ledger:Sizeless\nmeta = acme_ledger:Ledger\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "acme_ledger", raising=False)
    return folder


def test_a_plugin_takes_batches(house: House, site: Path) -> None:
    house.save()
    done = house.export("ledger")
    assert (done.platform, done.batches) == ("The ledger", 3)
    batches = [json.loads(line) for line in (site / "ledger.jsonl").read_text().splitlines()]
    assert {person["user_sha256"] for batch in batches for person in batch["people"]} == house.staying()
    assert [batch["last"] for batch in batches] == [False, False, True]
    assert (house.export("meta").platform, house.export("meta").batches) == ("Meta", 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("empty", "it has no name, batch_size and send"),
        ("crash", "RuntimeError: no licence"),
        ("leave", "SystemExit: 3"),
        ("lost", "ModuleNotFoundError: No module named 'acme_lost'"),
        ("sizeless", "its batch_size a number above 0"),
    ],
)
def test_a_broken_plugin_is_one_sentence_and_breaks_nothing_else(
    house: House, site: Path, name: str, words: str
) -> None:
    house.save()
    with pytest.raises(DestinationError) as broken:
        house.export(name)
    text = str(broken.value)
    assert text.startswith(f"The destination '{name}' of the package acme-ledger cannot be used (")
    assert words in text
    assert text.endswith("update or remove that package.")
    cards = {card.key: card for card in house.destinations.list()}
    assert cards[name].problem == text
    assert (cards["ledger"].problem, cards["meta"].kind) == ("", "file")
    assert house.export("google").platform == "Google"


def test_inner_addresses_are_refused_where_others_can_reach_the_server(house: House, listener: Listener) -> None:
    house.save()
    house.destinations.add("crm", listener.url.replace("127.0.0.1", "localhost"))
    public = Destinations(house.registry.database, private=False)
    with pytest.raises(RequestError, match="is not on the public internet"):
        public.add("other", listener.url)
    house.destinations = public
    with pytest.raises(DestinationError, match="is not on the public internet"):
        house.export("crm")
    assert listener.heard == []
