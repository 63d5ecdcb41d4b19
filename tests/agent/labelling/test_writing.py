"""``write_labels`` from beginning to end on the planted shop: by a server, by the built-in writer, and again."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import SecretStr

from agent.guard.classifier import classifier
from agent.labelling.finishing import label_key
from agent.labelling.job import LabelJob, Paths
from agent.labelling.ledger import LabelLedger, Review
from agent.labelling.prompting import plan
from agent.labelling.report import load
from agent.labelling.sampling import Horizon, Unit
from agent.labelling.writing import Terms, estimate_labels, write_labels
from encoders.errors import DataError, ModelError, RequestError
from encoders.settings import Settings
from encoders.text.encoders import Matrix, SentenceEncoder
from encoders.training.labels import LABEL_SCHEMA
from encoders.workspace import Workspace
from tests.agent.labelling.label_doubles import Answer, LabelServer, completion, draft
from tests.planted import AS_OF, World, world_settings

JOB = LabelJob("spring", units=24, windows=2)


@pytest.fixture
def told(own_workspace: Workspace, server: LabelServer) -> Settings:
    """Settings that name the planted server."""
    chosen = {"chat_model": "server:planted", "chat_url": server.url, "chat_key": SecretStr("k"), "chat_prices": "1/2"}
    return world_settings(own_workspace.path).model_copy(update=chosen)


def test_a_set_is_written_checked_kept_and_written_again_for_nothing(
    own_workspace: Workspace, told: Settings, server: LabelServer
) -> None:
    outcome = write_labels(own_workspace, told, JOB, AS_OF)
    report = outcome.report
    assert (report.planned, report.answered, outcome.stopped) == (24, 24, "")
    assert report.kept + sum(report.dropped.values()) == 24
    assert report.kept > 12
    assert report.calls == 24
    assert report.dollars == pytest.approx(24 * (100 + 2 * 20) / 1e6)
    labels, _ = load(Paths(own_workspace, "spring"))
    assert labels.schema == LABEL_SCHEMA
    assert labels.height == report.kept
    assert (labels["as_of"] + timedelta(days=28) <= AS_OF).all()
    assert set(labels["grounded_by"]) <= {"words", "meaning"}
    again = write_labels(own_workspace, told, JOB, AS_OF)
    assert again.report == report
    assert len(server.asked) == 24
    card = Paths(own_workspace, "spring").card.read_text("utf-8")
    assert "$" not in card.replace("$0.0", "")
    assert "server:planted" in card
    assert str(report.kept) in card


def test_the_set_opens_with_datasets(own_workspace: Workspace) -> None:
    datasets = pytest.importorskip("datasets")
    write_labels(own_workspace, world_settings(own_workspace.path), JOB, AS_OF)
    paths = Paths(own_workspace, "spring")
    opened = datasets.Dataset.from_parquet(str(paths.labels), cache_dir=str(paths.folder / "cache"))
    assert opened["sentence"][:] == load(paths)[0]["sentence"].to_list()


def test_every_label_rests_on_what_its_user_did_in_that_window(own_workspace: Workspace, world: World) -> None:
    job = replace(JOB, styles=("need", "product", "negative"), per_unit=3)
    write_labels(own_workspace, world_settings(own_workspace.path), job, AS_OF)
    labels, report = load(Paths(own_workspace, "spring"))
    assert report.model == "embedded"
    assert report.calls == 0
    items = world.dataset.items.with_columns(group=pl.coalesce("group", "text"))
    seen = set()
    for row in labels.iter_rows(named=True):
        then = world.dataset.outcome(row["as_of"]).filter(pl.col("user_id") == row["user_id"])
        did = then.join(items, on=["item_id", "source"])
        did = did.filter(pl.col("source") == row["source"])
        name = "group" if row["level"] == "group" else "text"
        assert set(row["names"]) <= set(did[name])
        assert set(row["items"]) <= set(did["text"])
        assert not set(row["without"]) & set(did["group"])
        seen.add(row["style"])
    assert seen == {"need", "product", "negative"}


def test_labels_are_judged_by_the_guard_together(own_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second encoder of the guard is asked by nothing else here."""
    asked: list[int] = []
    encode = SentenceEncoder.encode

    def noted(encoder: SentenceEncoder, sentences: Sequence[str]) -> Matrix:
        asked.append(len(sentences))
        return encode(encoder, sentences)

    monkeypatch.setattr(SentenceEncoder, "encode", noted)
    classifier.cache_clear()  # a new one has judged nothing yet
    write_labels(own_workspace, world_settings(own_workspace.path), JOB, AS_OF)
    assert len(asked) == 1
    assert asked[0] > 10


def test_the_self_check_revises_and_drops(own_workspace: Workspace, told: Settings, server: LabelServer) -> None:
    def strict(body: dict[str, Any]) -> Answer:
        last = body["messages"][-1]["content"]
        if "Sentence:" not in last:
            return 200, completion(draft(body)), {}
        if "fond of tea" in last:
            verdict: dict[str, Any] = {"supported": False, "lines": [1], "revised": "people who sip tea"}
        else:
            said = last.split("Sentence: ")[1].strip('"')
            verdict = {"supported": "fond of c" not in last, "lines": [1], "revised": said}
        return 200, completion(json.dumps(verdict)), {}

    server.answer = strict
    report = write_labels(own_workspace, told, replace(JOB, self_check=True), AS_OF).report
    labels, _ = load(Paths(own_workspace, "spring"))
    assert report.revised > 0
    assert report.dropped["not supported by the self-check"] > 0
    assert set(labels.filter(pl.col("names").list.contains("tea") & (pl.col("source") == "purchases"))["sentence"]) == {
        "people who sip tea"
    }
    assert not any("fond of c" in sentence for sentence in labels["sentence"])


def test_the_estimate_sends_nothing_and_counts_only_what_is_left(
    own_workspace: Workspace, told: Settings, server: LabelServer
) -> None:
    before = estimate_labels(own_workspace, told, JOB, AS_OF)
    assert before.calls == 24
    assert before.dollars is not None
    assert before.dollars > 0
    assert server.asked == []
    write_labels(own_workspace, told, JOB, AS_OF)
    assert estimate_labels(own_workspace, told, JOB, AS_OF).calls == 0


def test_a_budget_stops_and_says_so(own_workspace: Workspace, told: Settings) -> None:
    outcome = write_labels(own_workspace, told, JOB, AS_OF, Terms(budget=0.02))
    assert outcome.stopped
    assert 0 < outcome.report.answered < 24
    assert (outcome.report.dollars or 1) <= 0.02
    with pytest.raises(RequestError, match="AUDIENCE_CHAT_PRICES"):
        write_labels(own_workspace, world_settings(own_workspace.path), JOB, AS_OF, Terms(budget=1.0))


def test_units_are_spread_over_topics_activity_and_windows(world: World, world_workspace: Workspace) -> None:
    planned = plan(world_workspace, world_settings(world_workspace.path), replace(JOB, units=60, lines=12), AS_OF)
    units = [task.unit for task in planned.tasks]
    assert len({(unit.user_id, unit.as_of) for unit in units}) == len(units) == 60
    assert len({unit.as_of for unit in units}) == 2
    named = {name for unit in units for source, name in unit.did if source == "purchases"}
    assert set(world.dataset.items.filter(pl.col("source") == "purchases")["group"].drop_nulls()) - named <= {
        "telescope"
    }
    thirds = dict[tuple[str, date], str]()
    for window in world.dataset.before(AS_OF).windows(count=2):
        deeds = Horizon(window, world.dataset.card).deeds
        thirds |= {(user, window.past.as_of): third for user, third in deeds.select("user_id", "activity").iter_rows()}
    counts = pl.Series([thirds[unit.user_id, unit.as_of] for unit in units]).value_counts()["count"]
    assert (counts >= 12).all()


def test_active_sampling_prefers_whom_the_model_foresaw_worst(world: World, world_workspace: Workspace) -> None:
    settings = world_settings(world_workspace.path)
    job = replace(JOB, sampling="active", units=40, windows=1)
    end = AS_OF + timedelta(days=28)
    units = [task.unit for task in plan(world_workspace, settings, job, end).tasks]
    assert {unit.as_of for unit in units} == {AS_OF}

    def whims(chosen: list[Unit]) -> float:
        """Share of what they did that is no habit of theirs."""
        did = [(unit.user_id, name) for unit in chosen for _, name in unit.did if name in world.habits]
        return sum(user not in world.habits[name] for user, name in did) / len(did)

    evenly = [task.unit for task in plan(world_workspace, settings, replace(job, sampling="stratified"), end).tasks]
    assert whims(units) > whims(evenly)
    with pytest.raises(ModelError, match=f"--as-of {AS_OF - timedelta(days=28)}"):
        plan(world_workspace, settings, job, AS_OF)


def test_contrast_names_only_what_is_new(world: World, world_workspace: Workspace) -> None:
    job = replace(JOB, styles=("contrast",), units=40)
    planned = plan(world_workspace, world_settings(world_workspace.path), job, AS_OF)
    assert planned.tasks
    items = world.dataset.items
    for task in planned.tasks:
        before = world.dataset.before(task.unit.as_of).events(91).filter(pl.col("user_id") == task.unit.user_id)
        known = before.collect().join(items, on=["item_id", "source"]).select("source", pl.coalesce("group", "text"))
        assert not {(line.source, line.name) for line in task.unit.lines} & set(known.iter_rows())


def test_what_people_say_is_applied_again_to_every_later_run(own_workspace: Workspace) -> None:
    settings, paths = world_settings(own_workspace.path), Paths(own_workspace, "spring")
    kept = write_labels(own_workspace, settings, JOB, AS_OF).report.kept
    first, second = load(paths)[0].head(2).iter_rows(named=True)
    with LabelLedger.open(paths.ledger) as ledger:
        ledger.review("spring", Review(label_key(first), "ann", "reject", first["sentence"]))
        ledger.review("spring", Review(label_key(first), "bob", "accept", first["sentence"]))
        ledger.review("spring", Review(label_key(second), "ann", "edit", "people with better words"))
    report = write_labels(own_workspace, settings, JOB, AS_OF).report
    labels = load(paths)[0]
    assert report.kept == labels.height == kept - 1
    assert report.dropped["rejected by a person"] == 1
    edited = labels.filter(pl.col("sentence") == "people with better words")
    assert edited["grounded_by"].to_list() == ["a person"]
    assert report.agreement is not None
    assert (report.agreement.twice, report.agreement.agreed) == (1, 0.0)


def test_one_sentence_about_what_cannot_be_done(own_workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There are no labels 'autumn'"):
        load(Paths(own_workspace, "autumn"))
    for wrong in ({"name": "../x"}, {"styles": ("poem",)}, {"languages": ("tlh",)}):
        with pytest.raises(RequestError):
            replace(JOB, **wrong)
