"""What is done every night: prepare, train where it pays, index, refresh all, ledger; what fails is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli import data, ledger
from agent.cli.console import (
    By,
    Json,
    open_workspace,
    opened_registry,
    opened_service,
    progress_bar,
    sends_inside,
    show,
)
from agent.cli.model import in_words
from agent.cli.saved import refresh_all
from encoders.errors import AudienceError, RequestError


def nightly(
    spec: Annotated[str, typer.Argument(help="The TOML file that 'audience prepare' takes.")],
    by: By = "nightly",
    as_json: Json = False,
) -> None:
    """Prepare, train where it pays (AUDIENCE_RETRAIN), index, refresh every audience and count the forecasts.

    For cron or systemd, beside an app that runs. What fails ends the run with exit code 2 and is told to webhooks that
    asked for 'nightly.failed'; what was done before stays.
    """
    done: dict[str, Any] = {}
    words: list[str] = []
    for name, step in _steps(spec, by).items():
        with _telling(name):
            done[name], said = step()
        words.append(f"{name}: {said}")
    show(done, as_json, lambda: "\n".join(words))


def _steps(spec: str, by: str) -> dict[str, Callable[[], tuple[Any, str]]]:
    return {
        "prepare": lambda: _prepare(spec),
        "model": _model,
        "index": _index,
        "refresh": lambda: _refresh(by),
        "ledger": _ledger,
    }


def _prepare(spec: str) -> tuple[Any, str]:
    if not Path(spec).is_file():
        raise RequestError(f"There is no spec '{spec}'.")
    with progress_bar() as progress:
        done = data.prepared(open_workspace()[0], spec, progress)
    told = "".join(f"; since the version before: {each}" for each in done.changes)
    return done, f"{done.summary.events:,} events to {done.card.last}, as of {done.card.default_as_of}{told}"


def _model() -> tuple[Any, str]:
    workspace, settings = open_workspace()
    from encoders.worth import check_model

    with progress_bar() as progress:
        found = check_model(workspace, settings, progress)
    if found.verdict == "train" and settings.retrain == "train":
        with progress_bar() as progress:
            model = data.trained(workspace, settings, progress)
        return found.model_dump(mode="json") | {"trained": model}, f"{in_words(found)}\n  trained {model.name}"
    return found, in_words(found)


def _index() -> tuple[Any, str]:
    workspace, settings = open_workspace()
    from tools.audiences.catalogue import learn_to_read
    from tools.storage.indexing import build_index

    with progress_bar() as progress:
        done = build_index(workspace, settings, None, progress)
        learn_to_read(workspace, settings, progress)
    return done, f"{done.users:,} users, {done.encoded:,} encoded anew"


def _refresh(by: str) -> tuple[Any, str]:
    """Refresh what can be: combinations are made from others, and what is of this day is what it would become."""
    with opened_service("Counting again") as service:
        today = service.describe_data().as_of
        found, kept = refresh_all(service, by)
        due = {each.name for each in service.list_audiences() if each.spec is not None and each.as_of < today}
    if failed := {name: why for name, why in kept.items() if name in due}:
        raise NotRefreshedError(failed)
    return found, f"{len(found):,} audiences refreshed, {len(kept):,} are as they were"


def _ledger() -> tuple[Any, str]:
    page = ledger.counted("", 1)
    overall = page.overall
    return overall, f"{overall.counted:,} forecasts are counted, {overall.kept:,} held"


class NotRefreshedError(AudienceError):
    """Some audiences were not refreshed."""

    def __init__(self, kept: dict[str, str]) -> None:
        """Say which, and why each."""
        self.audiences = tuple(kept)
        told = "; ".join(f"{name}: {why}" for name, why in kept.items())
        super().__init__(f"{len(kept)} audiences were not refreshed: {told}")


@contextmanager
def _telling(step: str) -> Iterator[None]:
    """Tell whoever asked for it that a step failed, and raise what it raised."""
    try:
        yield
    except Exception as error:
        why = str(error) if isinstance(error, AudienceError) else f"an unexpected {type(error).__name__}"
        typer.echo(f"audience: the nightly run failed in the step '{step}'.", err=True)
        _tell(step, why, error.audiences if isinstance(error, NotRefreshedError) else ())
        raise


def _tell(step: str, why: str, audiences: tuple[str, ...]) -> None:
    from tools.delivery.outbox import Outbox, announce_failure
    from tools.workers import deliver_due

    with opened_registry("") as (_, registry):
        announce_failure(registry.database, step, why, audiences)
        deliver_due(Outbox(registry.database, sends_inside()))
