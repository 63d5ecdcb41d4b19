"""Language models that run here: models pull."""

from typing import Annotated

import typer

from agent.cli.console import Json, PlainGroup, open_workspace, progress_bar, show

app = typer.Typer(cls=PlainGroup, help="Language models that run on this machine; none is needed.")


@app.command(epilog="Example: audience models pull qwen2.5-coder-0.5b")
def pull(
    name: Annotated[str, typer.Argument(help="The model's name, qwen2.5-coder-0.5b or qwen2.5-coder-1.5b.")],
    as_json: Json = False,
) -> None:
    """Fetch a model in parts and check its SHA-256 before anything may load it."""
    workspace, _ = open_workspace()
    from agent.model_files import pull as run

    with progress_bar() as progress:
        path = run(name, workspace.path, progress)
    show({"model": path}, as_json, lambda: f"Model: {path}\nNext: AUDIENCE_CHAT_MODEL=local:{name} audience serve")
