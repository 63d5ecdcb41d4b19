"""What files mean, and what the workspace's data has: inspect."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.console import Json, open_workspace, show
from encoders.errors import DataError
from encoders.workspace import SHARED, atomic_file

if TYPE_CHECKING:
    from encoders.data.events import DatasetCard
    from encoders.data.inspecting.proposal import Proposal
    from encoders.data.summary import Summary


def inspect(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="CSV or Parquet files, packed or not; those with one heading are one table."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the spec; without it, it is printed.")] = None,
    as_json: Json = False,
) -> None:
    """Propose a spec for your files, which 'audience prepare' reads; without files, say what the prepared data has.

    A sample of each table is read. What cannot be told from it stands in the spec as CHOOSE.
    """
    if not files:
        _current(as_json)
        return
    from encoders.data.inspecting.proposal import propose
    from encoders.data.inspecting.samples import sample_files
    from encoders.data.inspecting.writing import spec_text, told

    if out is not None and out.exists():
        raise DataError(f"{out} is there already; name another file, or move it away.")
    if out is not None and not out.absolute().parent.is_dir():
        raise DataError(f"There is no folder {out.parent} to write {out.name} into.")
    base = out.absolute().parent if out else Path.cwd()
    proposal = propose(sample_files(files))
    if out is not None:
        with atomic_file(out, SHARED) as writing:
            writing.write_text(spec_text(proposal, base), "utf-8")
    show(
        told(proposal, base) | {"written": out},
        as_json,
        lambda: "\n".join(_proposed(proposal, out)) if out else spec_text(proposal, base).rstrip(),
    )


def _proposed(proposal: "Proposal", out: Path) -> Iterator[str]:
    """What is proposed, in lines."""
    from encoders.data.inspecting.writing import choices

    for table in proposal.tables:
        files = [path.name for path in table.sample.files]
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        kind = "users" if table.role == "users" else f"events, '{table.name}'"
        known = f" of {table.sample.rows:,}" if table.sample.rows is not None else ""
        yield f"{files[0]}{more}: {kind}; {table.sample.frame.height:,}{known} rows were looked at"
        yield from (f"  {note}" for note in (*table.remarks, *table.sample.notes))
        for guess in table.guesses:
            value = ", ".join(f'"{each}"' for each in ([guess.value] if isinstance(guess.value, str) else guess.value))
            fit = guess.told()
            yield f"  {guess.entry}: {'to be chosen' if guess.undecided else value}{f'; {fit}' if fit else ''}"
            yield from (f"    {remark}" for remark in guess.remarks)
            if guess.undecided:
                yield f"    {choices(guess)}"
    for table in proposal.left_out:
        yield f"{table.sample.files[0].name}: not in the spec; its rows are no events, and no users of their own"
    yield f"Wrote {out}."
    if count := len(proposal.open):
        named = ", ".join(guess.entry for _, guess in proposal.open)
        yield f"{count} of its entries {'is' if count == 1 else 'are'} to be chosen by you first: {named}."
    yield f"Next: read it, then 'audience prepare {out}'."


def _current(as_json: bool) -> None:
    workspace, _ = open_workspace()
    from encoders.data.events import Dataset
    from encoders.data.summary import summarise_prepared

    dataset = Dataset.current(workspace)
    found = summarise_prepared(dataset.folder, dataset.card)
    show(
        {"card": dataset.card, "summary": found, "folder": dataset.folder},
        as_json,
        lambda: "\n".join(summary_lines(dataset.card, found, dataset.folder)),
    )


def summary_lines(card: "DatasetCard", found: "Summary", folder: Path) -> Iterator[str]:
    """What prepared data has, in lines."""
    yield f"{card.title}: {card.first} to {card.last} ({found.days:,} days), in {folder}"
    yield f"  {found.rows:,} rows read: {found.events:,} events, {found.left_out:,} rows left out"
    yield from (f"  {count:,} rows left out: {key}" for key, count in card.rejected.items())
    yield from source_lines(card, found)
    yield population_line(card, found)


def source_lines(card: "DatasetCard", found: "Summary") -> Iterator[str]:
    """What each source has, in lines."""
    for each in found.sources:
        whose = f"{each.users:,} {card.unit_plural}"
        yield f"  {each.source}: {each.events:,} events of {whose}, {each.first} to {each.last}"


def population_line(card: "DatasetCard", found: "Summary") -> str:
    """Who counts as active, in a line."""
    from encoders.data.events import ACTIVE_DAYS

    return f"  as of {found.as_of}, {found.population:,} of {found.users:,} {card.unit_plural} are the population: " + (
        f"they have an event of '{card.main_source}' in the {ACTIVE_DAYS} days before"
    )
