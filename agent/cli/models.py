"""Language models: models pull, models record."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.console import Json, PlainGroup, open_workspace, progress_bar, show

app = typer.Typer(cls=PlainGroup, help="Language models; none is needed.")


@app.command(epilog="Example: audience models pull qwen2.5-coder-0.5b")
def pull(
    name: Annotated[str, typer.Argument(help="The model's name, qwen2.5-coder-0.5b or qwen2.5-coder-1.5b.")],
    as_json: Json = False,
) -> None:
    """Fetch a model in parts and check its SHA-256 before anything may load it."""
    workspace, _ = open_workspace()
    from agent.models.files import pull as run

    with progress_bar() as progress:
        path = run(name, workspace.path, progress)
    show({"model": path}, as_json, lambda: f"Model: {path}\nNext: AUDIENCE_CHAT_MODEL=local:{name} audience serve")


@app.command(epilog="Example: audience models record --requests requests.jsonl --out recorded.jsonl")
def record(
    requests: Annotated[Path, typer.Option(help='JSONL of {"id", "request"}.')],
    out: Annotated[Path, typer.Option(help="JSONL of what the model called and answered, a line a request.")],
    as_json: Json = False,
) -> None:
    """Record what the language model of the settings makes of a file of requests, nobody answering its questions.

    The file holds the tools it called with what it gave them, the audience that came of it, and the tokens; a test can
    replay it without the model.
    """
    _, settings = open_workspace()
    from agent.recording import read_requests
    from agent.recording import record as run
    from encoders.workspace import SHARED, atomic_file
    from tools.service import AudienceService

    asked = read_requests(requests)
    with progress_bar() as progress, closing(AudienceService.open(settings)) as service:
        recorded = list(run(service, settings, asked, progress))
    with atomic_file(out, SHARED) as part:
        part.write_text("".join(f"{each.model_dump_json()}\n" for each in recorded), "utf-8")
    proposed = sum(each.spec is not None for each in recorded)
    answers = sum(len(each.answers) for each in recorded)
    said = f"{len(recorded)} requests, {answers} answers of the model, {proposed} audiences: {out}"
    show({"requests": len(recorded), "answers": answers, "audiences": proposed, "out": out}, as_json, lambda: said)
