"""Models that were trained: model list, card, check, use."""

from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, PlainGroup, open_workspace, progress_bar, show
from encoders.errors import NotThereError

if TYPE_CHECKING:
    from encoders.worth import ModelCheck

app = typer.Typer(
    cls=PlainGroup, help="Models that were trained: their cards, whether they keep their word, going back."
)
NEWEST = "newest"


@app.command("list", epilog="Example: audience model list --json")
def list_(as_json: Json = False) -> None:
    """List the models, the newest first, and say which one somebody went back to."""
    workspace, _ = open_workspace()
    from encoders.model_folder import chosen_model

    found, chosen = [folder.name for folder in workspace.models()], chosen_model(workspace)
    words = [f"{name}{' (chosen)' if name == chosen else ''}" for name in found]
    show({"models": found, "chosen": chosen or None}, as_json, lambda: "\n".join(words) or "There is no model yet.")


@app.command(epilog="Example: audience model card 2017-10-01-af846952e1")
def card(
    version: Annotated[str, typer.Argument(help="Which model; without it, the newest.")] = "", as_json: Json = False
) -> None:
    """Show what a model was made from and what was measured when it was, in Markdown."""
    workspace, _ = open_workspace()
    from tools.audiences.quality import model_card

    folders = {folder.name: folder for folder in workspace.models()}
    chosen = version or next(iter(folders), "")
    if chosen not in folders:
        raise NotThereError(f"There is no model '{chosen[:60]}'; there are {', '.join(folders) or 'none'}.")
    text = model_card(folders[chosen])
    show({"model": chosen, "card": text}, as_json, lambda: text)


@app.command(epilog="Example: audience model check")
def check(as_json: Json = False) -> None:
    """Hold the model against the newest window that is over: does it keep what its report promised?"""
    workspace, settings = open_workspace()
    from encoders.worth import check_model

    with progress_bar() as progress:
        found = check_model(workspace, settings, progress)
    show(found, as_json, lambda: in_words(found))


@app.command(epilog="Example: audience model use 2017-10-01-af846952e1")
def use(
    version: Annotated[str, typer.Argument(help=f"Which model; '{NEWEST}' for the newest that fits again.")],
    as_json: Json = False,
) -> None:
    """Go back to an earlier model; an app that runs goes on with it. 'audience train' takes the new one again."""
    workspace, _ = open_workspace()
    from encoders.model_folder import choose_model

    choose_model(workspace, "" if version == NEWEST else version)
    show({"model": version}, as_json, lambda: f"Answers come from model {version} where it fits the data and the day.")


def in_words(found: "ModelCheck") -> str:
    """What a check found."""
    about = f" on the window from {found.window}" if found.window else ""
    lines = [f"{found.verdict}: model {found.model_version}{about}: {found.why}."]
    for name, value in found.found.items():
        promised = f"{found.promised[name]:.3f} promised" if name in found.promised else "nothing promised"
        lines.append(f"  {name.replace('_', ' ')}: {value:.3f}, {promised}")
    return "\n".join(lines)
