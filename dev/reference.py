"""The pages of reference that are made from the code: docs/cli.md and docs/settings.md.

python dev/reference.py     write them again
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer.main

from agent.cli.main import app
from encoders.settings import Settings

DOCS = Path(__file__).resolve().parents[1] / "docs"


def cli() -> str:
    """Every command of ``audience`` with its arguments and an example."""
    lines = [
        "# The command line",
        "",
        "Made from the commands by `python dev/reference.py`. Every command has `--help`; `--json` answers for",
        "machines. Bad input ends with exit code 2 and one sentence on standard error.",
    ]
    for command, path in _commands(typer.main.get_command(app), "audience"):
        lines += ["", f"## {path}", "", _flowing(command.help)]
        if example := (command.epilog or "").removeprefix("Example: "):
            lines += ["", "```", example, "```"]
        shown = [each for each in command.params if not getattr(each, "hidden", False)]
        if shown:
            lines += ["", "| argument | what it is |", "|---|---|"]
            lines += [f"| {_name(each)} | {_meaning(each)} |" for each in shown]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[Any, str]]:
    if isinstance(command, click.Group) or hasattr(command, "commands"):
        for name, each in command.commands.items():
            yield from _commands(each, f"{path} {name}")
    else:
        yield command, path


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{each}`" for each in parameter.opts)


def _meaning(parameter: Any) -> str:
    words = _flowing(getattr(parameter, "help", "") or "").replace("|", "\\|")
    needed = " Needed." if parameter.required else ""
    return f"{words}{needed}"


def _flowing(text: str | None) -> str:
    """Text without the line breaks of its source, paragraph by paragraph."""
    return "\n\n".join(" ".join(each.split()) for each in (text or "").split("\n\n"))


def settings_page() -> str:
    """Every setting with its default."""
    lines = [
        "# Settings",
        "",
        "Made from `encoders/settings.py` by `python dev/reference.py`. Each is an environment variable, or a line of "
        "a `.env` file in the folder where the program starts.",
        "",
        "| variable | default | what it is |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        plain = field.default.get_secret_value() if hasattr(field.default, "get_secret_value") else field.default
        default = "" if plain in (None, "") else f"`{plain}`"
        lines.append(f"| `AUDIENCE_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


PAGES = {"cli.md": cli, "settings.md": settings_page}
"""Each page that is made, and what makes it."""

if __name__ == "__main__":
    for page, made in PAGES.items():
        (DOCS / page).write_text(made(), "utf-8")
