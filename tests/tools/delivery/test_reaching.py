"""Who must not be reached, by every way out: planted cases over the service, and any world at all over the registry."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as rounds
from hypothesis import strategies as st

from encoders.checksums import CHECKSUMS, sum_of, write_checksums
from encoders.data.contacts import ContactFormat
from encoders.data.erasing import forget
from encoders.errors import DamagedError, DataError, NotThereError, TooSmallError
from encoders.workspace import Workspace
from tests.listening import listening
from tests.planted import World, copied
from tests.present import present
from tests.tools.reach_doubles import TODAY, prepared
from tools.access.callers import OWNER, Caller, Scope
from tools.audiences.disclosure import Disclosure
from tools.delivery.destinations import Destinations
from tools.delivery.reaching import Reachability, ReachableUsers
from tools.delivery.sending import Exports
from tools.service import AudienceService
from tools.storage.holdouts import NO_CONTROL
from tools.storage.registry import Registry
from tools.types import AudienceSpec, ExportFile, SavedAudience

COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.5)
WIDE = COFFEE.model_copy(update={"cut": 0.9})
AGENT = Caller(name="agent", scopes=frozenset({Scope.READ, Scope.ACTIVATE}))


@pytest.fixture
def shop(service: AudienceService, world: World, tmp_path: Path) -> Iterator[AudienceService]:
    """The trained service over a copy of its data that a test may change, as a later preparation would."""
    workspace = copied(world, tmp_path / "shop")
    opened = AudienceService(service.settings, workspace, service.forecaster)
    yield opened
    opened.close()


def data_of(service: AudienceService) -> Path:
    return Workspace(service.tenant.workspace.path).data


def change(service: AudienceService, name: str, how: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path = data_of(service) / f"{name}.parquet"
    how(pl.read_parquet(path)).write_parquet(path)
    write_checksums(path.parent)


def withdraw(service: AudienceService, users: set[str]) -> None:
    """Prepare the data again without users, as one does who withdrew their consent."""
    for name in ("users", "events", "contacts"):
        change(service, name, lambda table: table.filter(~pl.col("user_id").is_in(sorted(users))))


def users_in(file: ExportFile) -> set[str]:
    return set(pl.read_csv(file.path, infer_schema=False)["user_id"])


def parts(service: AudienceService, name: str) -> tuple[list[str], list[str]]:
    """Who of an audience is contacted, and who is held out."""
    members, held_out = service.tenant.registry.members(name)
    return sorted(set(members) - set(held_out)), list(held_out)


def test_who_withdrew_after_saving_is_not_in_the_file(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    contacted, _ = parts(shop, "Coffee")
    withdraw(shop, set(contacted[:3]))
    file = shop.export("Coffee")
    assert users_in(file) == set(contacted[3:])
    assert [(each.reason, each.users) for each in file.left_out] == [("not in the data", 3)]
    assert file.warnings[0] == "Left out: 3 are no longer in the data, or have not given consent."
    [line] = [line for line in shop.tenant.registry.audit() if line.action == "export"]
    assert line.details["left_out"] == {"not in the data": 3}


def test_callers_below_admin_read_no_small_number(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    withdraw(shop, set(parts(shop, "Coffee")[0][:3]))
    seen = shop.of(AGENT)
    [left_out] = seen.export("Coffee").left_out
    assert (left_out.users, left_out.detail[:15]) == (None, "fewer than 20 a")
    [note] = seen.save(COFFEE, "Again", "Ada").notes[:1]
    assert note == "fewer than 20 were left out: no longer in the data, without consent, or erased."


def test_what_the_owner_saved_is_told_to_others_as_counts_are_shown(shop: AudienceService) -> None:
    narrow, wide = (COFFEE.model_copy(update={"cut": cut}) for cut in (0.1234567, 0.9876543))
    shop.save(narrow, "Few", "Ada", holdout=0.2)
    shop.save(COFFEE, "Many", "Ada", holdout=0.5)
    few, many = (parts(shop, each)[1] for each in ("Few", "Many"))
    exact = shop.save(wide, "Wide", "Ada", holdout=0.0)
    assert len(few) < shop.settings.minimum_size < len(set(many) | set(few))
    assert exact.notes[0].startswith(f"{len(set(few) | set(many))} are held out of")
    seen = shop.of(AGENT)
    for told in (seen.saved("Wide"), *(each for each in seen.list_audiences() if each.name == "Wide")):
        [note] = told.notes
        said = note.split(" are held out of 'Few'")[0]
        assert said == f"fewer than {shop.settings.minimum_size}" or int(said) % 5 == 0
        assert note.endswith("files of this audience leave them out.")
        assert ("98.76543 %" in exact.definition, "98.8 %" in told.definition) == (True, True)
    shop.delete("Many")
    small = shop.save(wide, "Wide", "Ada", holdout=0.0)
    assert small.notes[0].startswith(f"{len(few)} are held out of 'Few'")
    assert seen.saved("Wide").notes[0].startswith(f"fewer than {shop.settings.minimum_size} are held out of 'Few'")


@pytest.mark.parametrize("gone", [3, 63, 64])
def test_the_answer_of_an_export_has_no_exact_number_of_those_left_out(shop: AudienceService, gone: int) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    withdraw(shop, set(parts(shop, "Wide")[0][:gone]))
    assert [each.users for each in shop.export("Wide").left_out] == [gone]
    [left_out] = shop.of(AGENT).export("Wide").left_out
    assert left_out.users is None or (gone >= shop.settings.minimum_size and left_out.users % 5 == 0)
    assert f" {gone} " not in f" {left_out.detail} "


def test_a_user_with_events_and_no_attributes_is_in_the_data(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    contacted, _ = parts(shop, "Coffee")
    change(shop, "users", lambda table: table.filter(~pl.col("user_id").is_in(contacted[:3])))
    assert users_in(shop.export("Coffee")) == set(contacted)


def test_new_audiences_have_nobody_who_withdrew(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    gone = set(parts(shop, "Coffee")[0][:3])
    withdraw(shop, gone)
    saved = shop.save(WIDE, "Wide", "Ada")
    joined = shop.combine("or", ["Coffee", "Wide"], "Joined", "Ada")
    for each in (saved, joined):
        assert not gone & set(shop.tenant.registry.members(each.id)[0])
        assert each.notes[0] == "3 were left out: no longer in the data, without consent, or erased."
        assert shop.saved(each.name) == each
    assert shop.combined_users("or", ["Coffee", "Wide"]) == joined.users


def test_who_was_erased_is_left_out_while_the_service_runs(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada", holdout=0.0)
    contacted, _ = parts(shop, "Coffee")
    forget(shop.tenant.workspace, contacted[:2], [("email", f"{contacted[2]}@example.org")])
    file = shop.export("Coffee")
    assert (file.left_out[0].reason, file.left_out[0].users) == ("forgotten", 2)
    with_contact = set(pl.read_parquet(data_of(shop) / "contacts.parquet")["user_id"])
    assert users_in(file) == set(contacted[2:]) - ({contacted[2]} & with_contact)
    assert not set(contacted[:2]) & set(shop.tenant.registry.members(shop.save(WIDE, "Wide", "Ada").id)[0])


def test_a_holdout_is_not_reached_by_another_audience_until_its_horizon_is_over(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada", holdout=0.2)
    _, held_out = parts(shop, "Coffee")
    wide = shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    assert set(held_out) <= set(shop.tenant.registry.members(wide.id)[0])
    [note] = wide.notes
    until = wide.as_of + timedelta(days=28)
    assert note == f"{len(held_out)} are held out of 'Coffee' until {until}; files of this audience leave them out."
    file = shop.export("Wide")
    assert not set(held_out) & users_in(file)
    assert [(each.reason, each.users) for each in file.left_out] == [("held out elsewhere", len(held_out))]
    assert f"are held out of 'Coffee' until {until}" in file.warnings[0]
    card = json.loads((data_of(shop) / "dataset.json").read_text())
    (data_of(shop) / "dataset.json").write_text(json.dumps(card | {"default_as_of": str(until)}))
    write_checksums(data_of(shop))
    assert set(held_out) <= users_in(shop.export("Wide"))


@pytest.mark.parametrize("operation", ["and", "or", "not"])
def test_a_combination_inherits_the_holdouts_of_its_parts(shop: AudienceService, operation: str) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.3)
    shop.save(COFFEE.model_copy(update={"cut": 0.3}), "Few", "Ada", holdout=0.5)
    saved = shop.combine(operation, ["Wide", "Few"], "Both", "Ada")  # type: ignore[arg-type]
    members, held_out = shop.tenant.registry.members(saved.id)
    parts_held = {*parts(shop, "Wide")[1], *parts(shop, "Few")[1]}
    assert parts_held & set(members) == set(held_out) != set()
    assert not parts_held & users_in(shop.export("Both"))


def test_what_is_missing_to_the_usual_share_is_drawn_from_the_others(shop: AudienceService) -> None:
    for name, spec in (("Wide", WIDE), ("Coffee", COFFEE)):
        shop.save(spec, name, "Ada", holdout=0.01)
    saved = shop.combine("or", ["Wide", "Coffee"], "Both", "Ada")
    assert abs(present(saved.holdout) - 0.1 * present(saved.users)) <= 0.5


def test_two_ids_with_one_address_are_one_person(shop: AudienceService, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.save(COFFEE, "Coffee", "Ada", holdout=0.5)
    contacted, held_out = parts(shop, "Coffee")
    twin, alone = contacted[0], contacted[1]
    contacts = {
        twin: f" {held_out[0].upper()}+x@GoogleMail.com",
        alone: "one@example.org",
        contacted[2]: "ONE@example.org",
    }
    contacts[held_out[0]] = f"{held_out[0]}@gmail.com"
    table = pl.DataFrame({"user_id": [*contacts], "email": [*contacts.values()]})
    change(shop, "contacts", lambda _: table)
    file = shop.export("Coffee")
    assert twin not in users_in(file)
    assert {each.reason: each.users for each in file.left_out} == {"shared contact": 1, "repeated contact": 1}
    held_hash = ContactFormat().hash("email", contacts[held_out[0]], gmail=True)
    assert present(held_hash) not in Path(file.path).read_text()
    monkeypatch.setattr(shop.population, "exact", Disclosure(2))
    with pytest.raises(TooSmallError, match="Fewer than 2 of this audience have a contact that Google"):
        shop.of(OWNER).export("Coffee", platform="google")


def test_sixty_users_with_one_address_are_one_row(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    change(shop, "contacts", lambda _: pl.DataFrame({"user_id": users, "email": ["all@example.org"] * len(users)}))
    for platform in ("", "meta"):
        with pytest.raises(TooSmallError, match="Fewer than 20 of this audience"):
            shop.export("Wide", platform=platform)
    assert not list(shop.tenant.workspace.exports.glob("*"))


def test_who_had_only_a_contact_of_somebody_without_consent_is_the_same_person(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    twin, other, several, alone = users[:4]
    table = pl.DataFrame(
        [
            (twin, None, None, "email"),
            (other, None, None, "email phone"),
            (several, None, "+1 202 555 0100", "email"),
            (alone, "alone@example.org", None, None),
        ],
        schema=["user_id", "email", "phone", "withheld"],
        orient="row",
    )
    change(shop, "contacts", lambda _: table)
    file = shop.export("Wide")
    assert users_in(file) == set(users) - {twin, other}
    assert {each.reason: each.users for each in file.left_out} == {"shared contact": 2}
    assert "withheld" not in file.columns
    with listening() as listener:
        shop.destinations.add("crm", listener.url)
        shop.export("Wide", platform="crm")
    sent = {person["user_sha256"] for heard in listener.heard for person in heard.data["people"]}
    assert sent == {sha256(user.encode()).hexdigest() for user in set(users) - {twin, other}}


def test_users_with_the_address_of_somebody_without_consent_do_not_count_for_the_minimum(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.0)
    users = parts(shop, "Wide")[0]
    columns = {"user_id": users, "email": [None] * len(users), "withheld": ["email"] * len(users)}
    change(shop, "contacts", lambda _: pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)))
    for platform in ("", "meta"):
        with pytest.raises(TooSmallError, match="Fewer than 20 of this audience"):
            shop.export("Wide", platform=platform)


def test_what_is_sent_is_checked_as_well(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    contacted, held_out = parts(shop, "Coffee")
    withdraw(shop, {contacted[0]})
    with listening() as listener:
        shop.destinations.add("crm", listener.url)
        shop.export("Coffee", platform="crm")
    hashes = {person["user_sha256"] for heard in listener.heard for person in heard.data["people"]}
    assert hashes == {sha256(user.encode()).hexdigest() for user in contacted[1:]}
    assert held_out


def test_without_data_nothing_leaves(shop: AudienceService) -> None:
    shop.save(COFFEE, "Coffee", "Ada")
    (data_of(shop) / "dataset.json").unlink()
    with pytest.raises(DataError, match="No prepared data"):
        shop.export("Coffee")


# --- files that were written before ----------------------------------------------------------------


def fetched(shop: AudienceService, file: ExportFile) -> Path:
    return shop.exported(Path(file.path).name)


def with_contacts(shop: AudienceService, users: Iterable[str], **more: str) -> None:
    rows = {user: f"{user}@example.org" for user in users} | more
    change(shop, "contacts", lambda _: pl.DataFrame({"user_id": [*rows], "email": [*rows.values()]}))


@pytest.mark.parametrize(
    ("to", "format"), [("", "csv"), ("", "parquet"), ("meta", "csv"), ("crm", "csv"), ("crm", "parquet")]
)
@pytest.mark.parametrize("why", ["withdrawn", "erased", "held out elsewhere", "twin withdrawn", "twin held out"])
def test_a_file_is_given_out_while_everybody_in_it_may_be_reached(
    shop: AudienceService, to: str, format: str, why: str
) -> None:
    shop.save(WIDE, "Wide", "Ada", holdout=0.1)
    contacted, held_out = parts(shop, "Wide")
    outsider = min(set(shop.population.user_ids) - {*contacted, *held_out})
    twin = {outsider: f"{contacted[0]}@example.org"} if "twin" in why else {}
    with_contacts(shop, [*contacted, *held_out])
    with listening() as listener:
        shop.destinations.add("crm", listener.url)
        file = shop.export("Wide", format, platform=to)  # type: ignore[arg-type]
    assert fetched(shop, file) == Path(file.path)
    withdraw(shop, set(held_out[:2]))  # who is in no file does not matter
    assert fetched(shop, file) == Path(file.path)
    match why:
        case "withdrawn":
            withdraw(shop, {contacted[0]})
            said = "1 are no longer in the data, or have not given consent"
        case "erased":
            forget(shop.tenant.workspace, [contacted[0]], [])
            said = "1 were erased"
        case "held out elsewhere":
            _held_out_of_another(shop, {contacted[0]})
            said = "1 are held out of 'Other' until"
        case "twin withdrawn":  # as preparing leaves them
            marks = {contacted[0]: "email"}
            change(shop, "contacts", lambda table: _marked(table, marks))
            said = "1 share their contact with somebody who must not be reached"
        case "twin held out":
            with_contacts(shop, [*contacted, *held_out], **twin)
            _held_out_of_another(shop, {outsider})
            said = "1 share their contact with somebody who must not be reached"
    with pytest.raises(NotThereError, match=f"so it is not given out; export the audience again, .*{said}"):
        fetched(shop, file)
    assert fetched(shop, shop.export("Wide", format, platform="" if to == "crm" else to))  # type: ignore[arg-type]


def _marked(table: pl.DataFrame, marks: dict[str, str]) -> pl.DataFrame:
    """Contacts as preparing leaves them where somebody without consent has one of them as well."""
    theirs = pl.col("user_id").is_in([*marks])
    return table.with_columns(
        pl.when(~theirs).then(pl.col("email")).alias("email"),
        pl.col("user_id").replace_strict(marks, default=None, return_dtype=pl.String).alias("withheld"),
    )


def _held_out_of_another(shop: AudienceService, users: set[str]) -> None:
    shop.tenant.registry.save_version(
        "Other", spec=None, definition="other", members=users, holdout_share=1.0, as_of=shop.population.as_of,
        model_version="m", data_version="d", approved_by="Ada",
    )  # fmt: skip


def test_callers_below_admin_read_no_small_number_of_an_old_file(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada")
    file = shop.export("Wide")
    withdraw(shop, {parts(shop, "Wide")[0][0]})
    with pytest.raises(NotThereError, match="which leaves out: fewer than 20 are no longer"):
        fetched(shop.of(AGENT), file)


def test_an_old_file_without_a_digest_that_is_no_table_is_damaged(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada")
    file = shop.export("Wide", "parquet")
    Path(file.path).write_bytes(b"broken")
    sum_of(Path(file.path)).unlink()
    with pytest.raises(DamagedError, match="is damaged: it is not what was written; export the audience again"):
        fetched(shop, file)


def test_a_file_for_a_system_with_any_name_is_given_out(shop: AudienceService) -> None:
    shop.save(WIDE, "Wide", "Ada")
    with listening() as listener:
        shop.destinations.add("our_crm-v2", listener.url)
        file = shop.export("Wide", platform="our_crm-v2")
    shop.destinations.remove("our_crm-v2")
    assert fetched(shop, file) == Path(file.path)


@pytest.mark.parametrize(
    "change_of", ["data", "list of the erased", "another holdout", "the note", "the file", "no checksums"]
)
def test_who_may_be_reached_is_looked_up_where_something_changed_alone(
    shop: AudienceService, change_of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking it up takes a hundred times as long as giving the file out."""
    shop.save(WIDE, "Wide", "Ada", holdout=0.1)
    contacted, held_out = parts(shop, "Wide")
    file = shop.export("Wide")
    looked: list[str] = []
    leaving = Reachability.leaving

    def noted(own: Reachability, saved: SavedAudience) -> ReachableUsers:
        looked.append(saved.id)
        return leaving(own, saved)

    monkeypatch.setattr(Reachability, "leaving", noted)
    for _ in range(2):
        assert fetched(shop, file) == Path(file.path)
    assert looked == []
    match change_of:
        case "data":
            withdraw(shop, {held_out[0]})
        case "list of the erased":
            forget(shop.tenant.workspace, ["somebody"], [])
        case "another holdout":
            _held_out_of_another(shop, {held_out[0]})
        case "the note":
            Path(f"{file.path}-reach").write_text("x")
        case "the file":
            Path(file.path).write_text(Path(file.path).read_text().replace(f"{contacted[0]},", "stranger,"))
            sum_of(Path(file.path)).unlink()
        case "no checksums":
            (data_of(shop) / CHECKSUMS).unlink()
            monkeypatch.setattr("encoders.data.events.adopt", lambda _: None)
    if change_of == "the file":
        with pytest.raises(NotThereError, match="may no longer be reached"):
            fetched(shop, file)
    else:
        assert fetched(shop, file) == Path(file.path)
    assert len(looked) == 1
    monkeypatch.undo()
    shop.delete_export(Path(file.path).name)
    assert not list(shop.tenant.workspace.exports.iterdir())


# --- any world ------------------------------------------------------------------------------------

USERS = [f"u{number:02}" for number in range(12)]
MANY = st.sets(st.sampled_from(USERS))
EMAILS = st.sampled_from(
    ["a@example.org", " A@Example.org", "b.c@gmail.com", "bc+x@googlemail.com", "d@example.org", "n/a"]
)
PHONES = st.sampled_from(["0170 2345678", "+49 170 2345678", "0049 170 2345679", "0170 2345679", "1234567", ""])


@rounds(max_examples=50)
@given(
    st.sets(st.sampled_from(USERS), min_size=1), MANY, MANY, MANY, MANY,
    st.lists(EMAILS, min_size=12, max_size=12), st.lists(PHONES, min_size=12, max_size=12), st.booleans(),
    st.sampled_from(["", "google", "meta", "crm"]),
)  # fmt: skip
def test_no_file_reaches_anybody_who_must_not_be(
    tmp_path_factory: pytest.TempPathFactory,
    members: set[str], own: set[str], other: set[str], withdrawn: set[str], erased: set[str],
    emails: list[str], phones: list[str], running: bool, to: str,
) -> None:  # fmt: skip
    workspace = Workspace(tmp_path_factory.mktemp("any"))
    present = [user for user in USERS if user not in withdrawn]
    contact = dict(zip(USERS, zip(emails, phones, strict=True), strict=True))
    columns = {kind: [contact[user][place] for user in present] for place, kind in enumerate(("email", "phone"))}
    prepared(workspace.data, present, {"user_id": present, **columns}, phone_country="DE")
    form = ContactFormat("DE")
    theirs = [one for user in erased for one in _contacts(contact, columns, user)]
    forget(workspace, erased, [(kind, same) for kind, each in theirs if (same := form.same(kind, each))])
    with ExitStack() as stack, Registry(workspace.registry) as registry:
        saved = _saved(registry, "Mine", members, own, 0)
        _saved(registry, "Other", members | other, other, 0 if running else 400)
        sent: list[str] = []
        if to == "crm":
            taking = SimpleNamespace(name="crm", batch_size=3, send=lambda batch: sent.extend(map(str, batch.people)))
            stack.enter_context(pytest.MonkeyPatch.context()).setattr(Destinations, "named", lambda *_: taking)
        file = Exports(workspace, registry, Destinations(registry.database, True), Disclosure(0), NO_CONTROL).export(
            "Mine", "csv", "", to
        )
        text = Path(file.path).read_text() + "".join(sent)
        assert saved.users == len(members)
    barred = (own & members) | withdrawn | erased | (other if running else set())
    for user in barred:
        assert f"{user}\n" not in text
        assert f"{user}," not in text
    known = {user for user in barred if user in present or user in erased}
    never = {(kind, form.same(kind, each)) for user in known for kind, each in _contacts(contact, columns, user)}
    for kind, each in (one for user in USERS for one in _contacts(contact, columns, user)):
        if (kind, form.same(kind, each)) in never and form.same(kind, each):
            ways = [form.hash(kind, each, gmail, plus) for gmail in (True, False) for plus in (True, False)]
            assert not any(way and way in text for way in ways)


def _contacts(contact: dict[str, tuple[str, str]], kinds: Iterable[str], user: str) -> list[tuple[str, str]]:
    return list(zip(kinds, contact[user], strict=True))


def _saved(registry: Registry, name: str, members: set[str], held_out: set[str], days_ago: int) -> SavedAudience:
    """Save an audience with exactly these users held out."""
    return registry.save_version(
        name, spec=None, definition=name, members=members, holdout_share=0.0, as_of=TODAY - timedelta(days=days_ago),
        model_version="m", data_version="d", approved_by="Ada", inherited=held_out,
    )  # fmt: skip
