"""From tables to an index: demo, prepare, train, index."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import AsOf, Json, open_workspace, progress_bar, show
from agent.cli.inspecting import population_line, source_lines
from encoders.data.built_in import BUILT_IN, publish_built_in
from encoders.data.versions import damaged_data, publish
from encoders.errors import BrokenIndexError, DataError
from encoders.settings import Settings
from encoders.workspace import Progress, Workspace

if TYPE_CHECKING:
    from datetime import date

    from encoders.data.events import DatasetCard
    from encoders.data.tables import Prepared
    from encoders.training.fit import Recipe

DEMO = "completejourney"
_NAMES = " or ".join([", ".join(BUILT_IN[:-1]), BUILT_IN[-1]])


def demo(as_json: Json = False) -> None:
    """Prepare, train and index the built-in shopping data; what is there and current is left as it is."""
    workspace, settings = open_workspace()
    with progress_bar() as progress:
        card = _demo_data(workspace, progress)
        model = _demo_model(workspace, settings, progress)
        _demo_index(workspace, settings, card, model, progress)
    answer = {"workspace": workspace.path, "data": workspace.data_folder, "model": model, "as_of": card.default_as_of}
    show(
        answer,
        as_json,
        lambda: (
            f"Ready: {card.title}, as of {card.default_as_of}.\n  data   {workspace.data_folder}\n  model  {model}\n"
            "Next: 'audience serve' opens the app, 'audience ask \"...\"' asks from here."
        ),
    )


def prepare(
    spec: Annotated[
        str, typer.Argument(help=f"A TOML file that says which table and column is what; or built-in data: {_NAMES}.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first row that cannot be used.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Read unchanged files again, which gives the same.")] = False,
    accept_drift: Annotated[
        bool, typer.Option("--accept-drift", help="Take data that is far from the version before.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read your own Parquet or CSV tables, or a data set that comes with a package, into the workspace."""
    workspace, _ = open_workspace()
    with progress_bar() as progress:
        done = prepared(workspace, spec, progress, strict, full, accept_drift)
    show(done, as_json, lambda: "\n".join(_prepared(done, workspace.data_folder)))


def prepared(
    workspace: Workspace,
    spec: str,
    progress: Progress,
    strict: bool = False,
    full: bool = False,
    accept_drift: bool = False,
) -> "Prepared":
    """Prepare a spec, or built-in data, as the current data of a workspace.

    Raises:
        DataError: it cannot be, or it is far from the version before; everything stays as it was.
        WorkspaceError: the disk is full or may not be written, or another process prepares data.
    """
    from encoders.data import tables
    from encoders.data.drift import compare
    from encoders.data.erasing import Forgotten
    from encoders.data.events import Dataset
    from encoders.data.kept_files import FOLDER as DELIVERIES
    from encoders.data.kept_files import KeptFiles
    from encoders.data.summary import summarise

    if spec in BUILT_IN:
        card = publish_built_in(workspace, spec, progress)
        return tables.Prepared(card, (), summarise(workspace.data, card))
    if not Path(spec).suffix and not Path(spec).exists():
        raise DataError(f"There is no file '{spec}', and built-in data is called {_NAMES}.")
    kept = None if full else KeptFiles(workspace.path / DELIVERIES, workspace.mask_key)

    def write(folder: Path) -> tables.Prepared:
        before = Dataset.current(workspace) if workspace.data_versions() else None
        found = tables.prepare(Path(spec), folder, strict, progress, Forgotten(workspace), kept)
        return replace(found, changes=compare(before, folder, accept_drift))

    return publish(workspace, spec, write)


def _prepared(done: "Prepared", folder: Path) -> Iterator[str]:
    """What was prepared, in lines."""
    card, found = done.card, done.summary
    yield f"{card.title}: {card.first} to {card.last} ({found.days:,} days), in {folder}"
    yield f"  {found.rows:,} rows read: {found.events:,} events, {found.left_out:,} rows left out"
    for key, count in card.rejected.items():
        source, _, reason = key.rpartition(": ")
        shown = [each for each in done.examples if (each.source, each.reason) == (source, reason)]
        remedy = next((f" ({each.remedy})" for each in shown if each.remedy), "")
        yield f"  {count:,} rows left out: {key}{remedy}"
        yield from (f"    {each}" for each in shown)
    if found.users_listed:
        yield (
            f"  {found.users_listed_with_events:,} of {found.users_listed:,} users have events, "
            f"{found.events_not_listed:,} events have no user in the users table"
        )
    yield from source_lines(card, found)
    yield population_line(card, found)
    yield from (f"  {note}." for note in done.notes)
    yield from (f"  Since the version before: {each}." for each in done.changes)


def train(
    as_of: AsOf = None,
    labels: Annotated[
        Path | None, typer.Option(help="Sentences of 'audience label' to learn from, beside the built-in templates.")
    ] = None,
    labels_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of them among the sentences; at 1 there are no templates.")
    ] = 0.5,
    if_worth_it: Annotated[
        bool, typer.Option("--if-worth-it", help="Only where the model no longer keeps what its report promised.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Learn from the past of the prepared data what users will do next; an interrupted run goes on."""
    workspace, settings = open_workspace()
    from encoders.training.fit import Recipe

    recipe = Recipe(labels=str(labels), labels_share=labels_share) if labels else None
    if if_worth_it and not _is_worth_it(workspace, settings, as_json):
        return
    with progress_bar() as progress:
        model = trained(workspace, settings, progress, as_of, recipe)
    show({"model": model}, as_json, lambda: f"Model: {model}\nIts quality, in figures: {model / 'report.json'}")


def trained(
    workspace: Workspace,
    settings: Settings,
    progress: Progress,
    as_of: "date | None" = None,
    recipe: "Recipe | None" = None,
) -> Path:
    """Train a model, which is used from now on; those before stay. Raises like ``encoders.train.train``."""
    from encoders.model_folder import choose_model
    from encoders.train import train as run

    model = run(workspace, settings, as_of, progress, recipe)
    choose_model(workspace, "")
    return model


def _is_worth_it(workspace: Workspace, settings: Settings, as_json: bool) -> bool:
    from agent.cli.model import in_words
    from encoders.worth import check_model

    with progress_bar() as progress:
        found = check_model(workspace, settings, progress)
    if found.verdict == "keep":
        show(found, as_json, lambda: in_words(found))
        return False
    typer.echo(in_words(found), err=True)
    return True


def index(as_of: AsOf = None, as_json: Json = False) -> None:
    """Bring the store that audiences are found in up to date; only users with something new are encoded again."""
    workspace, settings = open_workspace()
    from tools.audiences.catalogue import learn_to_read
    from tools.storage.indexing import build_index

    with progress_bar() as progress:
        done = build_index(workspace, settings, as_of, progress)
        learn_to_read(workspace, settings, progress)
    where = settings.chroma_url or str(workspace.chroma)
    answer = {"index": where, "users": done.users, "encoded": done.encoded}
    show(answer, as_json, lambda: f"Index: {where}\n{done.users:,} users, {done.encoded:,} encoded anew")


def _demo_data(workspace: Workspace, progress: Progress) -> "DatasetCard":
    from encoders.data import completejourney
    from encoders.data.events import Dataset

    if not workspace.data_versions():
        return publish_built_in(workspace, DEMO, progress)
    dataset = Dataset.current(workspace)
    card = dataset.card
    if card.name != DEMO:
        raise DataError(
            f"{workspace.path} holds your data '{card.title}', which the demo would replace; "
            "name another folder: audience --workspace FOLDER demo."
        )
    current = card.recipe == completejourney.recipe() and not damaged_data(dataset.folder)
    return card if current else publish_built_in(workspace, DEMO, progress)


def _demo_model(workspace: Workspace, settings: Settings, progress: Progress) -> Path:
    from encoders.data.events import Dataset
    from encoders.model_folder import damaged_model
    from encoders.train import train, version_of
    from encoders.training.fit import Recipe

    dataset = Dataset.current(workspace)
    version = version_of(settings, dataset.before(dataset.card.default_as_of), Recipe())
    there = [model for model in workspace.models() if model.name == version]
    return there[0] if there and not damaged_model(there[0]) else train(workspace, settings, None, progress)


def _demo_index(workspace: Workspace, settings: Settings, card: "DatasetCard", model: Path, progress: Progress) -> None:
    from tools.audiences.catalogue import learn_to_read
    from tools.storage.indexing import build_index
    from tools.storage.vectors import VectorStore, collection_name

    ready = False
    with suppress(BrokenIndexError), VectorStore(workspace, settings.chroma_url) as store:
        ready = store.ready(collection_name(card.version, model.name, card.default_as_of))
    if not ready:
        build_index(workspace, settings, None, progress)
    learn_to_read(workspace, settings, progress)
