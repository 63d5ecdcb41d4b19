"""What all commands share: the workspace, the progress bar, the answer, and one plain line for each failure."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_core import to_json
from typer.core import TyperGroup

from encoders.errors import AudienceError, RequestError, named_extra
from encoders.settings import Settings, settings
from encoders.workspace import Progress, Workspace
from tools.operations.table import BY_NAME

if TYPE_CHECKING:
    from tools.service import AudienceService
    from tools.storage.holdouts import ControlGroup
    from tools.storage.registry import Registry
    from tools.types import AudienceSpec

BAD_INPUT = 2
STOPPED = 130


def says(operation: str, argument: str = "") -> str:
    """What the table of operations says of an operation, or of one of its arguments."""
    return BY_NAME[operation].says(argument) if argument else BY_NAME[operation].summary


def read_day(text: str) -> date:
    """The day a person wrote as 2017-10-01."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no day; write it as 2017-10-01.") from None


AsOf = Annotated[
    date | None,
    typer.Option(
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="The day that counts as now; nothing later is read. Without it, the day the data set names.",
    ),
]
By = Annotated[str, typer.Option(help="Who does it, for the audit trail.")]
Saved = Annotated[str, typer.Argument(help=says("saved", "audience"))]
Tenant = Annotated[str, typer.Option(help="Whose it is; without it, what is the owner's of this workspace.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output, for machines.")]


class PlainGroup(TyperGroup):
    """Commands that fail with one line on standard error: exit 2 for what a person can mend, 130 for Ctrl-C."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and leave the process with its exit code."""
        try:
            with named_extra():
                code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra)
        except (AudienceError, typer.TyperException) as error:
            text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
            typer.echo(f"audience: {' '.join(text.split())}", err=True)
            code = BAD_INPUT
        except (KeyboardInterrupt, typer.Abort):
            code = STOPPED
        if code == STOPPED:
            typer.echo("audience: stopped; what was finished is kept.", err=True)
        sys.exit(code)


def choose_workspace(path: Path) -> None:
    """Use this workspace for the rest of the process, for the app that is started in it as well."""
    os.environ["AUDIENCE_WORKSPACE"] = str(path)
    settings.cache_clear()


def open_workspace() -> tuple[Workspace, Settings]:
    """The workspace and the settings a command works with.

    Raises:
        RequestError: a setting has a value it cannot have.
        WorkspaceError: the workspace is not a folder.
    """
    try:
        chosen = settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(("AUDIENCE", *map(str, first["loc"]))).upper()
        raise RequestError(f"The setting {name} is '{first['input']}': {first['msg']}.") from None
    return Workspace(chosen.workspace), chosen


def permitted(demand: str | None, cut: float | None = None, like: str = "") -> "AudienceSpec":
    """The audience a command is asked about.

    Raises:
        RequestError: there is no sentence, it is too long, or such people may not be targeted.
    """
    from agent.guard.verdict import permit
    from tools.types import AudienceSpec

    if demand is None:
        raise RequestError("Missing argument 'demand': say in one sentence whom to reach, or name a tuned demand.")
    try:
        spec = AudienceSpec(demand=demand, cut=cut, like=like)
    except ValidationError as error:
        raise RequestError(f"The demand cannot be used: {error.errors()[0]['msg']}.") from None
    permit(spec)
    return spec


@contextmanager
def opened_service(told: str, as_of: date | None = None) -> "Iterator[AudienceService]":
    """The service on the workspace, under a progress bar that says what is done."""
    _, chosen = open_workspace()
    from tools.service import AudienceService

    with progress_bar() as progress:
        progress(told)
        with closing(AudienceService.open(chosen, as_of)) as service:
            yield service


def control_group() -> "ControlGroup":
    """Who is never contacted, by the settings and the key of the workspace."""
    workspace, chosen = open_workspace()
    from tools.storage.holdouts import ControlGroup

    return ControlGroup(workspace.mask_key(), chosen.control)


@contextmanager
def opened_registry(tenant: str) -> "Iterator[tuple[Workspace, Registry]]":
    """The part of the workspace that is a tenant's, and its registry; nothing of the model is needed for them."""
    workspace, _ = open_workspace()
    from tools.storage.registry import Registry

    own = workspace.of_tenant(tenant)
    with Registry(own.registry) as registry:
        yield own, registry


def sends_inside() -> bool:
    """Whether addresses that are not public may be sent to: where nobody else can reach the app."""
    _, chosen = open_workspace()
    from tools.access.names import Names

    return not Names(chosen.host, chosen.hosts).public


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on standard error, which disappears when the work is done; nothing where nobody is watching."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1)

        def advance(description: str, fraction: float | None = None, /) -> None:
            bar.update(task, description=description, completed=fraction)

        yield advance


def show(answer: object, as_json: bool, words: Callable[[], str]) -> None:
    """Print the answer: as JSON, or in words."""
    if as_json:
        typer.echo(to_json(answer, indent=2).decode())
    else:
        typer.echo(words())
