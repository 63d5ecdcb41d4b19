"""Forgetting a user who is called by a word of the product: the user goes, and every file is read as before."""

import json
import shutil
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import ormsgpack
import polars as pl
import pytest
from typer.testing import CliRunner

from agent.cli.main import app
from agent.conversation import Conversation
from encoders.checksums import write_checksums
from encoders.data.contacts import ContactFormat
from encoders.data.erasing import Forgotten
from encoders.data.folders import version_of_tables
from encoders.settings import Settings, settings
from encoders.workspace import Workspace
from tests.planted import AS_OF, World, copied, world_settings
from tests.present import present
from tools.access.callers import Scope, Tokens
from tools.erasure.erasure import erase
from tools.erasure.own_words import own_words
from tools.erasure.traces import traces_of, words_of_address
from tools.jobs import Ledger
from tools.operation_types import Receipt
from tools.service import AudienceService
from tools.storage.registry import Registry
from tools.types import AudienceSpec, Filter

DAY = date(2024, 6, 21)
DEMAND = "Households that will buy coffee in the next 28 days"
SPEC = AudienceSpec(demand=DEMAND, filters=(Filter(field="region", values=("north",)),), cut=0.5)
CONFIG = '{"text_encoder": "use", "calibration": {"usual": 0.5}, "data_name": "planted", "as_of": "2024-06-21"}'
REPORT = '{"held_out_items": 0, "recipe": {"stage_one_steps": 0}, "held_out": 4}'
WORDS = [
    *("2024-06-21", "purchases", "activate", "robot-seven", "held_out", "calibration", "data_version", "text_encoder"),
    *("planted", "recipe", "main_source", "null", "admin", "household", "demand", "filters", "waiting", "interrupted"),
    *(
        "user_id",
        "audience",
        "version",
        "details",
        "north",
        "region",
        "created",
        "model-v1",
        "memberships",
        "destinations",
    ),
]


@pytest.fixture
def workspace(world: World, tmp_path: Path) -> Workspace:
    """A workspace with an audience, a token, a job, a model and an upload."""
    made = copied(world, tmp_path / "workspace")
    model = made.models_folder / "model-v1"
    model.mkdir(parents=True)
    (model / "config.json").write_text(CONFIG)
    (model / "report.json").write_text(REPORT)
    with Tokens(made.tokens) as tokens:
        tokens.create("robot-seven", frozenset({Scope.ACTIVATE, Scope.ADMIN}))
    jobs = Ledger(made.path / "jobs.db")
    job = jobs.add("", "robot-seven", "refresh", "refresh Coffee")
    jobs.answers.keep("robot-seven", "k", "content", job.model_dump_json())
    jobs.close()
    made.uploads.mkdir()
    return made


def save(workspace: Workspace, members: list[str], note: str = "none") -> str:
    with Registry(workspace.registry) as registry:
        saved = registry.save_version(
            "Coffee", spec=SPEC, definition=DEMAND, members=members, holdout_share=0.0, as_of=DAY,
            model_version="model-v1", data_version="d", approved_by="Ada", notes=(note,),
        )  # fmt: skip
        registry.record("robot-seven", "activate", saved.id, 1, {"destinations": ["shop"], "users": len(members)})
    return saved.id


def forget(workspace: Workspace, *users: str) -> Receipt:
    return erase(workspace, Settings(workspace=workspace.path), users, "Ada")


def all_is_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything but the members is as it was, and the commands say it."""
    with Registry(workspace.registry) as registry:
        saved = registry.get("Coffee")
        assert saved.spec is not None
        assert (saved.as_of, saved.model_version) == (DAY, "model-v1")
        assert (saved.spec.filters, saved.spec.cut) == (SPEC.filters, SPEC.cut)
        lines = registry.audit()
        assert {"save", "activate", "forget"} <= {line.action for line in lines}
        assert any(line.details.get("destinations") == ["shop"] for line in lines)
    with Tokens(workspace.tokens) as tokens:
        [card] = tokens.list()
        assert (card.caller.name, card.caller.scopes) == ("robot-seven", frozenset({Scope.ACTIVATE, Scope.ADMIN}))
    model = workspace.models_folder / "model-v1"
    assert ((model / "config.json").read_text(), (model / "report.json").read_text()) == (CONFIG, REPORT)
    jobs = Ledger(workspace.path / "jobs.db")
    answer = jobs.answers.find("robot-seven", "k", "content")
    jobs.close()
    assert answer
    assert {"kind": "refresh", "state": "waiting"}.items() <= json.loads(answer).items()
    monkeypatch.setenv("AUDIENCE_WORKSPACE", str(workspace.path))
    settings.cache_clear()
    for command in (["list"], ["token", "list"], ["audit"]):
        done = CliRunner().invoke(app, command, prog_name="audience")
        assert done.exit_code == 0, (command, done.output)
    settings.cache_clear()


def test_ids_that_are_nobodys_and_words_of_the_product_change_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience = save(workspace, ["h101", "h102"], "purchases of the people in north")
    done = forget(workspace, *WORDS, audience, "people")
    assert done.places == ()
    assert done.kept == ()
    assert set(done.unknown) == {*WORDS, audience, "people"}
    assert Forgotten(workspace).has_user("held_out")
    all_is_read(workspace, monkeypatch)
    with Registry(workspace.registry) as registry:
        assert registry.get("Coffee").notes == ("purchases of the people in north",)


@pytest.mark.parametrize("word", WORDS)
def test_a_user_who_is_called_by_a_word_of_the_product_goes_and_all_is_read_as_before(
    workspace: Workspace, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workspace.data / "users.parquet"
    users = pl.read_parquet(path)
    users.with_columns(pl.col("user_id").replace("h101", word)).sort("user_id").write_parquet(path)
    (workspace.data / "checksums.json").unlink(missing_ok=True)
    save(workspace, [word, "h102"], f"user {word} called")
    table, prose = workspace.uploads / "0123456789ab.csv", workspace.path / "serve.log"
    table.write_text(f"user_id,source,user\nh102,purchases,{word}\n{word},purchases,x\nh103,views,x\n")
    prose.write_text(f"one\nabout user {word}\n")
    done = forget(workspace, word)
    assert done.unknown == ()
    assert word not in set(pl.read_parquet(path)["user_id"])
    with Registry(workspace.registry) as registry:
        assert registry.members("Coffee")[0] == ("h102",)
        assert registry.get("Coffee").notes == ("[erased]",)
    assert table.read_text() == "user_id,source,user\nh103,views,x\n"
    assert prose.read_text() == "one\n[erased]\n"
    all_is_read(workspace, monkeypatch)
    assert forget(workspace, word).places == ()


def test_the_receipt_says_what_keeps_a_word_of_the_product(workspace: Workspace) -> None:
    save(workspace, ["held_out", "h102"])
    done = forget(workspace, "held_out")
    assert "models/model-v1/report.json" in done.kept
    assert "registry.db: versions.as_of" not in done.kept
    save(workspace, ["2024-06-21", "h102"])
    assert "registry.db: versions.as_of" in forget(workspace, "2024-06-21").kept


def test_how_many_users_there_are_is_no_user(workspace: Workspace) -> None:
    audience = save(workspace, ["459", *(f"h{number:03}" for number in range(100, 558))])
    forget(workspace, "459")
    with Registry(workspace.registry) as registry:
        [line] = [line for line in registry.audit() if line.action == "activate"]
    assert (line.audience, line.details["users"]) == (audience, 459)


def test_words_of_the_product_are_told_from_ids(workspace: Workspace) -> None:
    save(workspace, ["h101"])
    is_own = own_words(workspace, WORDS)
    assert [word for word in WORDS if not is_own(word)] == []
    assert [word for word in ("cust-7f3a9", "h101", "100234", "1001", "jane@example.org", "") if is_own(word)] == []


def test_a_service_works_as_before_without_users_who_were_called_by_words_of_the_product(
    world_workspace: Workspace, tmp_path: Path
) -> None:
    leftovers = shutil.ignore_patterns("locks", "registry.db*", "vectors", "chroma")
    shutil.copytree(world_workspace.path, tmp_path / "workspace", ignore=leftovers)
    workspace = Workspace(tmp_path / "workspace")
    names = ["purchases", "held_out", "2024-06-21", "coffee", "Memory", "filters"]
    rename(workspace.data, {f"h{number}": name for number, name in enumerate(names, 101)})
    give_address(workspace.data, "coffee", "north@example.org")
    own = world_settings(workspace.path)
    spec = AudienceSpec(demand="Households that will buy tea in the next 28 days", cut=1.0)
    with closing(AudienceService.open(own)) as service:
        service.save(spec, "Tea", "Ada", holdout=0.1)
        service.export("Tea")
        with closing(Conversation(service, own)) as talk:
            talk.say("thread", "households that will buy tea for the first time in the next 28 days")
            talk.say("thread", "only those in the north")
            talk.say("thread", "why is north@example.org in?")
            talk.say("thread", f"why is household {names[0]} in?")
            drafted = talk.current("thread").draft
    done = erase(workspace, own, names, "Ada")
    assert done.unknown == ()
    with closing(AudienceService.open(own)) as service:
        assert not set(names) & set(service.population.user_ids)
        assert service.saved("Tea").version == 1
        assert not set(names) & set(service.tenant.registry.members("Tea")[0])
        assert service.size(spec).eligible
        assert service.refresh("Tea", "Ada", AS_OF + timedelta(days=7)).saved.version == 2
        rows = pl.read_csv(service.export("Tea").path, infer_schema=False)
        assert not set(names) & set(rows["user_id"])
        with closing(Conversation(service, own)) as talk:
            assert drafted
            assert [each.values for each in drafted.spec.filters] == [("north",)]
            assert present(talk.current("thread").draft).spec == drafted.spec
            assert talk.say("thread", "only those in the south").text
    models = list(world_workspace.models_folder.rglob("*.json"))
    assert models
    for path in models:
        assert (
            workspace.models_folder / path.relative_to(world_workspace.models_folder)
        ).read_bytes() == path.read_bytes()


def test_a_value_that_a_conversation_may_have_stays_whatever_address_has_its_words(workspace: Workspace) -> None:
    state = {"newness": "first time", "op": "is unknown", "state": "given up", "values": ["north"], "kind": "refine"}
    for word in ("time", "unknown", "given", "north", "refine"):
        address = f"{word}@shop.org"
        is_own = own_words(workspace, words_of_address(address))
        traces = traces_of(["h101"], {"email": [(address, address)]}, ContactFormat(), [], [], is_own=is_own)
        left = ormsgpack.unpackb(traces.in_bytes(ormsgpack.packb({**state, "text": f"the {word} of {address}"})))
        assert left == {**state, "text": "the [erased] of [erased]"}, word


def give_address(data: Path, user: str, address: str) -> None:
    path = data / "contacts.parquet"
    table = pl.read_parquet(path).filter(pl.col("user_id") != user)
    pl.concat([table, pl.DataFrame({"user_id": [user], "email": [address]})], how="diagonal").write_parquet(path)
    write_checksums(data)


def rename(data: Path, names: dict[str, str]) -> None:
    """Give users of a prepared folder other ids."""
    for path in data.glob("*.parquet"):
        table = pl.read_parquet(path)
        if "user_id" in table.columns:
            table = table.with_columns(pl.col("user_id").replace(names))
            (table.sort("user_id") if path.name != "events.parquet" else table).write_parquet(path)
    card = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(card | {"version": version_of_tables(data)}))
    write_checksums(data)
