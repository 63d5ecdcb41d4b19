"""Erasing a user who was put everywhere first: afterwards no byte of the workspace names them."""

import json
import pickle
import platform
import shutil
import sqlite3
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl
import pytest

from agent.conversation import Conversation
from agent.labelling.ledger import LabelLedger, Review
from encoders.checksums import write_checksums
from encoders.data.erasing import Forgotten
from encoders.data.folders import version_of_tables
from encoders.errors import RequestError
from encoders.reader.knowledge import GLOSSARY, GROUNDED
from encoders.workspace import Workspace
from tests.naming import files_that_name
from tests.planted import USERS, world_settings
from tests.present import present
from tests.tools.selecting import selected
from tools.access.callers import Caller, Scope
from tools.audiences.population import masks_of
from tools.erasure import databases, erasure
from tools.erasure.databases import erase_from_index
from tools.erasure.erasure import erase
from tools.jobs import Ledger
from tools.operation_types import Receipt
from tools.service import AudienceService
from tools.storage import vectors_process
from tools.storage.indexing import build_index
from tools.storage.vectors import VectorStore
from tools.types import AudienceSpec

USER, EMAIL, PHONE = "cust-7f3a9", "Erase.Me+shop@gmail.com", "+49 170 2345678"
SPELLINGS = (USER, EMAIL, "eraseme@gmail.com", PHONE, "+491702345678")
OTHER_ENTRY = '[[entry]]\nname = "b"\nsays = ["brunch"]\nthings = ["eggs"]\n'
COFFEE = AudienceSpec(demand="Households that will buy coffee in the next 28 days", cut=0.5)
SHOP = Caller(name="agent", tenant="shop", scopes=frozenset(Scope))


def rename(data: Path, user: str) -> None:
    """Give a household of the world a name, an e-mail and a phone number of its own."""
    for path in data.glob("*.parquet"):
        table = pl.read_parquet(path)
        if "user_id" in table.columns:
            table = table.with_columns(pl.col("user_id").replace(user, USER))
        if path.name == "contacts.parquet":
            mine = pl.col("user_id") == USER
            email = pl.when(mine).then(pl.lit(EMAIL)).otherwise("email").alias("email")
            table = table.with_columns(email, pl.when(mine).then(pl.lit(PHONE)).alias("phone"))
        if path.name == "users.parquet":
            table = table.sort("user_id")
        table.write_parquet(path)
    card = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(card | {"version": version_of_tables(data)}))
    write_checksums(data)


@pytest.fixture
def everywhere(prepared_once: Workspace, tmp_path: Path) -> Workspace:
    """A workspace where the user is in every place that may hold one."""
    shutil.copytree(prepared_once.path, tmp_path / "workspace", ignore=shutil.ignore_patterns("locks"))
    return Workspace(tmp_path / "workspace")


@pytest.fixture(scope="module")
def prepared_once(world_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    own_workspace = Workspace(tmp_path_factory.mktemp("everywhere") / "workspace")
    leftovers = shutil.ignore_patterns("locks", "registry.db*")
    shutil.copytree(world_workspace.path, own_workspace.path, ignore=leftovers)
    settings = world_settings(own_workspace.path)
    with closing(AudienceService.open(settings)) as service:
        best = selected(service, COFFEE)
        contacts = set(pl.read_parquet(own_workspace.data / "contacts.parquet")["user_id"])
        top = next(user for row in best.ranked if (user := service.population.user_ids[row]) in contacts)
    rename(own_workspace.data, top)
    with closing(AudienceService.open(settings)) as service:
        for mine in (service, service.of(SHOP)):
            saved = mine.save(COFFEE, "Coffee", "Ada", holdout=0.0)
            assert USER in mine.tenant.registry.members(saved.id)[0]
            for format, platform in (("csv", ""), ("parquet", ""), ("csv", "google")):
                mine.export("Coffee", format, platform=platform)  # type: ignore[arg-type]
            put_uploads(mine)
            mine.tenant.registry.record("Ada", "note", details={"said": f"{USER} called", "to": [EMAIL]})
        talk_about(service)
        tune(service)
        assert service.ledger.page().overall.counted
    jobs_and_labels(own_workspace)
    build_index(own_workspace, settings)
    return own_workspace


def put_uploads(service: AudienceService) -> None:
    folder = service.tenant.workspace.path / "brought"
    folder.mkdir(exist_ok=True)
    (folder / "responders.csv").write_text(f"user_id,date\nh001,2024-07-01\n{USER},2024-07-02\n")
    (folder / "mail.csv").write_text("name;mail\nA;eraseme@gmail.com\nB;b@example.org\n")
    (folder / "seeds.txt").write_text(f"h001\n{USER}\nh003\n")
    (folder / "lines.jsonl").write_text(f'{{"user_id": "{USER}", "value": 2}}\n{{"user_id": "h001", "value": 1}}\n')
    pl.DataFrame({"user_id": [USER, "h001"], "value": [1.0, 2.0]}).write_parquet(folder / "table.parquet")
    for path in list(folder.iterdir()):
        service.keep_upload(path)
        path.unlink()
    folder.rmdir()


def talk_about(service: AudienceService) -> None:
    with closing(Conversation(service, service.settings.model_copy(update={"chat_model": "embedded"}))) as talk:
        talk.say("thread", "people who will buy coffee next month")
        talk.say("thread", f"why is household {USER} in?")
        talk.say("thread", f"people like these: h001, {USER}, h003, h004, h005, h006")
        talk.say("other", "people who will buy tea next month")


SEEDS = [USER, *(f"h{number:03}" for number in range(100, 140, 4))]
LIKE_THEM = f"like {USER}"


def tune(service: AudienceService) -> None:
    service.tune("regulars", None, SEEDS)
    service.tune(LIKE_THEM, f"people who will buy coffee like {USER}", SEEDS)
    spec = AudienceSpec(demand=service.tuned(LIKE_THEM).demand, like=LIKE_THEM, cut=0.5)
    for number in (1, 2):
        service.save(spec, f"{number} like household {USER}", "Ada", holdout=0.0)


def jobs_and_labels(workspace: Workspace) -> None:
    with closing(Ledger(workspace.path / "jobs.db")) as jobs:
        job = jobs.add("shop", "agent", "tune", f"tune {USER}")
        jobs.add("shop", "agent", "tune", f"tune like-{USER}")
        told = job.model_copy(update={"id": f"about {USER}"})
        jobs.answers.keep("shop", "k", "content", told.model_dump_json())
    labels = workspace.path / "labels" / "spring"
    labels.mkdir(parents=True)
    pl.DataFrame({"user_id": [USER, "h002"], "lines": [["milk"], [f"{USER} again"]]}).write_parquet(
        labels / "labels.parquet"
    )
    (labels / "card.md").write_text(f"| Household {USER} bought milk |\n")
    with LabelLedger.open(workspace.path / "labels" / "ledger.db") as ledger:
        ledger.review("spring", Review(f"{USER} 2024-05-01 need en", "Ada", "keep", ""))
    for folder, name in (("checkpoints", "half.safetensors"), ("gradio/ab12", "seeds.txt"), ("cache", "x.bin")):
        (workspace.path / folder).mkdir(parents=True, exist_ok=True)
        (workspace.path / folder / name).write_bytes(b"\x00\x01" + USER.encode() + b"\x00")
    named = f'# as {USER} said\n[[entry]]\nname = "a"\nsays = ["what {USER} buys"]\nthings = ["tea"]\n'
    for name in (GLOSSARY, GROUNDED):
        (workspace.path / name).write_text(named + OTHER_ENTRY)
    (workspace.path / "serve.log").write_text(f"2024-07-01 could not send to {EMAIL}\n")


def naming(workspace: Workspace) -> list[str]:
    """Files that name the user in any spelling."""
    return files_that_name(workspace, SPELLINGS)


def erase_user(workspace: Workspace) -> Receipt:
    return erase(workspace, world_settings(workspace.path), [USER], "Ada")


def test_the_index_is_written_again_by_a_process_that_never_knew_the_user(
    everywhere: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bytes] = []
    send = Connection.send

    def noted_send(pipe: Connection, what: object) -> None:
        told.append(pickle.dumps(what))
        send(pipe, what)

    monkeypatch.setattr(Connection, "send", noted_send)
    monkeypatch.setattr(databases, "VectorStore", None)  # nor does this process, which knows them, open the index
    before = vectors_process.helper.process
    assert erase_from_index(everywhere, world_settings(everywhere.path), [USER]) == 1
    asked, *written = told
    assert len(asked) < 500  # only where the index is
    assert any(b"h001" in each for each in written)
    assert not any(USER.encode() in each for each in told)
    assert vectors_process.helper.process is None
    assert before is None or before.poll() is not None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to fill memory")
def test_memory_that_chroma_never_filled_says_nothing(everywhere: Workspace) -> None:
    erase_user(everywhere)
    written = [path.read_bytes() for path in everywhere.chroma.glob("*/data_level0.bin")]
    assert written
    assert all(set(each) == {0xAA} for each in written)  # so few users fill none of it


def test_no_byte_of_the_workspace_names_a_user_who_was_erased(everywhere: Workspace) -> None:
    before = naming(everywhere)
    for place in (
        *("chroma/chroma.sqlite3", "registry.db", "tenants/shop/registry.db", "checkpoints.db", "jobs.db"),
        *("data/events.parquet", "data/users.parquet", "data/contacts.parquet", "labels/spring/labels.parquet"),
        *(
            "labels/ledger.db",
            "serve.log",
            GLOSSARY,
            GROUNDED,
            "cache/x.bin",
            "gradio/ab12/seeds.txt",
            "checkpoints/half.safetensors",
        ),
    ):
        assert any(each.startswith(place) for each in before), (place, before)
    assert sum("exports/" in each for each in before) == 4
    assert sum("uploads/" in each for each in before) == 10
    models = [(path, path.read_bytes()) for path in everywhere.models_folder.rglob("*.*")]
    receipt = erase_user(everywhere)
    assert naming(everywhere) == []
    assert [(path, path.read_bytes()) for path in everywhere.models_folder.rglob("*.*")] == models
    assert USER not in receipt.model_dump_json()
    assert Forgotten(everywhere).has_user(USER)
    assert {"chroma", "data", "registry.db", "tenants/shop/registry.db", "checkpoints.db"} <= {
        place.path for place in receipt.places
    }
    assert erase_user(everywhere).places == ()
    assert naming(everywhere) == []
    goes_on(everywhere)


def goes_on(workspace: Workspace) -> None:
    """What was there beside the user still is, and is read as before."""
    settings = world_settings(workspace.path)
    with closing(AudienceService.open(settings)) as service:
        assert USER not in service.population.row_of
        for mine in (service, service.of(SHOP)):
            saved = mine.saved("Coffee")
            assert saved.users == len(mine.tenant.registry.members(saved.id)[0]) > 100
            assert [line.action for line in mine.tenant.registry.audit()][-1] == "forget"
            left = [path.read_text() for path in sorted(mine.tenant.workspace.uploads.glob("*.csv"))]
            assert sorted(left) == ["name;mail\nB;b@example.org\n", "user_id,date\nh001,2024-07-01\n"]
        with closing(Conversation(service, settings)) as talk:
            reply = talk.current("thread")
            assert reply.draft
            assert "buy coffee" in talk.say("other", "people who will buy coffee next month").text
    still_tuned(workspace)
    assert (workspace.path / GLOSSARY).read_text() == OTHER_ENTRY
    unchanged = pytest.raises(sqlite3.IntegrityError, match="never changed")
    with closing(sqlite3.connect(workspace.registry)) as rows, unchanged:
        rows.execute("UPDATE audit SET actor = 'x'")
    [label] = pl.read_parquet(workspace.path / "labels/spring/labels.parquet").to_dicts()
    assert label == {"user_id": "h002", "lines": ["[erased] again"]}


def still_tuned(workspace: Workspace) -> None:
    """Demands that were tuned are read as before, and so are audiences that name them."""
    with closing(AudienceService.open(world_settings(workspace.path))) as service:
        assert service.tuned("regulars").seeds == 11
        assert {"like-erased", "regulars"} <= {path.stem for path in workspace.tuned.iterdir()}
        alike = [each for each in service.list_audiences() if each.spec and each.spec.like]
        assert {each.name for each in alike} == {"[erased]", "[erased] 2"}
        for each in alike:
            assert each.spec
            assert service.size(each.spec).users == each.users
            assert service.saved(each.name).id == each.id


def test_the_ledger_counts_again_without_whom_was_erased(everywhere: Workspace) -> None:
    settings = world_settings(everywhere.path)
    with closing(AudienceService.open(settings)) as service:
        before = {each.name: each for each in service.ledger.page().forecasts}
    erase(everywhere, settings, [USER], "Ada")
    with closing(AudienceService.open(settings)) as service:
        after = {each.name: each for each in service.ledger.page().forecasts}
        told = service.outcomes.from_data("Coffee", "Ada")
    assert after["Coffee"].users == present(before["Coffee"].users) - 1
    assert after["Coffee"].responders == told.responders
    assert 0 <= present(before["Coffee"].responders) - present(after["Coffee"].responders) <= 1


def test_files_that_are_brought_after_an_erasure_are_kept_without_the_user(everywhere: Workspace) -> None:
    erase_user(everywhere)
    with closing(AudienceService.open(world_settings(everywhere.path))) as service:
        before = sorted(path.name for path in service.tenant.workspace.uploads.iterdir())
        put_uploads(service)
        (everywhere.path / "more.txt").write_text("household h001\nmine: Erase.Me@googlemail.com\nuser h003\n")
        said = service.keep_upload(everywhere.path / "more.txt")
        assert service.uploaded(said).read_text() == "household h001\nmine: [erased]\nuser h003\n"
        mask, bare, _ = masks_of(everywhere.mask_key(), USER)
        (everywhere.path / "more.txt").write_text(f"user_id,value\n{mask},1\nhousehold {bare.lower()},2\nh001,3\n")
        masked = service.keep_upload(everywhere.path / "more.txt")
        assert service.uploaded(masked).read_text() == "user_id,value\n[erased],1\n[erased]\nh001,3\n"
        (everywhere.path / "more.txt").unlink()
    after = {path.name: path.read_bytes() for path in everywhere.uploads.iterdir()}
    assert set(after) == {*before, *(f"{name}{end}" for name in (said, masked) for end in ("", "-sum"))}
    assert naming(everywhere) == []
    goes_on(everywhere)


def test_what_was_set_aside_names_nobody_either(everywhere: Workspace) -> None:
    """Also by an id that may be any number: in bytes that nobody can read, only the file as a whole can go."""
    aside, user = everywhere.path / "damaged", "1207"
    index = aside / "chroma-20260101T000000-ab12"
    index.mkdir(parents=True)
    with closing(sqlite3.connect(index / "chroma.sqlite3")) as db:
        db.execute("CREATE TABLE embeddings (embedding_id TEXT)")
        db.execute("INSERT INTO embeddings VALUES (?)", (user,))
        db.commit()
    torn = aside / "jobs.db-20260101T000000-cd34"
    torn.write_bytes(b"SQLite format 3\x00" + b"\xff" * 4000 + user.encode())
    (aside / "jobs.db-20260101T000000-ef56").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4000)
    erase(everywhere, world_settings(everywhere.path), [user], "Ada")
    left = {path.name: path.read_bytes() for path in aside.rglob("*") if path.is_file()}
    assert set(left) == {"jobs.db-20260101T000000-ef56"}


def test_a_file_in_utf_16_is_read_as_well(everywhere: Workspace) -> None:
    path = everywhere.uploads / "0123456789ab.csv"
    path.write_bytes(f"user_id;value\n{USER};1\nh001;2\n".encode("utf-16"))
    erase_user(everywhere)
    assert path.read_text() == "user_id;value\nh001;2\n"


def test_a_contact_that_somebody_shares_with_an_erased_user_is_used_no_more(everywhere: Workspace) -> None:
    path = everywhere.data / "contacts.parquet"
    table = pl.read_parquet(path)
    housemate = next(user for user in table["user_id"] if user != USER and user > "h030")
    same = pl.when(pl.col("user_id") == housemate).then(pl.lit(PHONE)).otherwise("phone").alias("phone")
    table.with_columns(same).write_parquet(path)
    write_checksums(everywhere.data)
    erase_user(everywhere)
    with closing(AudienceService.open(world_settings(everywhere.path))) as service:
        saved = service.save(COFFEE.model_copy(update={"cut": 1.0}), "All", "Ada", holdout=0.0)
        assert housemate in service.tenant.registry.members(saved.id)[0]
        file = pl.read_csv(service.export("All").path, infer_schema=False)
    assert file.filter(pl.col("user_id") == housemate)["phone_sha256"].to_list() in ([], [None])


def test_a_service_that_runs_leaves_out_whom_another_process_erased(everywhere: Workspace) -> None:
    with closing(AudienceService.open(world_settings(everywhere.path))) as service:
        row = service.population.row_of[USER]
        mask, size = service.population.people.masked(row), service.size(COFFEE)
        assert service.explain(mask, COFFEE).user_id == mask
        erase_user(everywhere)
        for named in (mask, USER):
            with pytest.raises(RequestError, match="There is no"):
                service.explain(named, COFFEE)
        assert size.eligible
        assert service.size(COFFEE).eligible == size.eligible - 1
        assert mask not in {each.masked_id.split()[-1] for each in service.preview(COFFEE, 20)}


def test_the_index_is_not_computed_anew(everywhere: Workspace) -> None:
    build_index(everywhere, world_settings(everywhere.path))
    erase_user(everywhere)
    done = build_index(everywhere, world_settings(everywhere.path))
    assert (done.encoded, done.users) == (0, USERS - 1 - 10)


def test_a_server_is_told_to_delete_its_records(everywhere: Workspace) -> None:
    build_index(everywhere, world_settings(everywhere.path))
    with VectorStore(everywhere) as store:
        [name] = store.names()
        before = store.count(name)
        assert store.delete_users([USER, "nobody"]) == 1
        assert store.delete_users([USER]) == 0
        assert store.count(name) == before - 1


@pytest.mark.parametrize(
    "place", ["destinations_sent_to", "erase_from_index", "erase_from_file", "erase_from_folder", "Receipt"]
)
def test_an_erasure_that_was_killed_is_gone_on_with(
    everywhere: Workspace, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(5))

    def killed(*arguments: object, **more: object) -> object:
        if place == "erase_from_file" and next(calls) < 4:
            return real(*arguments, **more)
        raise KeyboardInterrupt

    real = getattr(erasure, place)
    monkeypatch.setattr(erasure, place, killed)
    with pytest.raises(KeyboardInterrupt):
        erase_user(everywhere)
    monkeypatch.undo()
    assert Forgotten(everywhere).has_user(USER)
    erase_user(everywhere)
    assert naming(everywhere) == []
