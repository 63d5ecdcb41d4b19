"""A proposed spec as a TOML file with remarks, for people to read and change, and for ``audience prepare``."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from encoders.data.inspecting.guesses import Guess
from encoders.data.inspecting.proposal import Proposal, TableGuess, pattern_of
from encoders.data.spec import CHOOSE

_WIDTH = 116
_NO_SIGN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def spec_text(proposal: Proposal, base: Path) -> str:
    """The spec as TOML.

    Args:
        proposal: what is proposed.
        base: the folder of the spec, from which its files are seen.
    """
    return "\n".join(_lines(proposal, base)) + "\n"


def _lines(proposal: Proposal, base: Path) -> Iterator[str]:
    yield from _remark("Proposed by 'audience inspect' from samples of the files. Each entry says how many rows of the "
                       "sample fit it, with examples. Read it before you prepare.")  # fmt: skip
    if count := len(proposal.open):
        yield from _remark(
            f"{count} {'entry is' if count == 1 else 'entries are'} still to be chosen: see CHOOSE below."
        )
    main = proposal.sources[0]
    yield ""
    yield _entry("name", proposal.name)
    yield _entry("title", _title(proposal.name))
    yield _entry("unit", proposal.unit)
    yield _entry("unit_plural", proposal.unit_plural)
    yield _entry("main_source", main.name)
    yield from _remark('Times that name no zone are on these clocks; write yours, such as "Europe/Berlin".')
    yield _entry("time_zone", "UTC")
    for table in proposal.left_out:
        yield ""
        yield from _remark(f"{_names(table)} is not in this spec: {_why_out(table)}")
    if proposal.users:
        yield from ["", "[users]", *_table(proposal.users, base)]
    for source in proposal.sources:
        yield from ["", "[[sources]]", _entry("name", source.name), _entry("action", source.action)]
        yield _entry("wording", source.wording)
        yield from _table(source, base)


def _table(table: TableGuess, base: Path) -> Iterator[str]:
    sample = table.sample
    known = f" of {sample.rows:,}" if sample.rows is not None else ""
    yield from _remark(f"{_names(table)}: {sample.frame.height:,}{known} rows were looked at.")
    yield from (line for note in (*table.remarks, *sample.notes) for line in _remark(f"{note}."))
    yield _entry("files", pattern_of(sample.files, base))
    if sample.separator is not None:
        yield _entry("separator", sample.separator)
    if sample.encoding is not None:
        yield _entry("encoding", sample.encoding)
    groups: dict[str, list[Guess]] = {"": [], "attributes": [], "contacts": []}
    for guess in table.guesses:
        group, dot, _ = guess.entry.partition(".")
        groups[group if dot else ""].append(guess)
    for group, guesses in groups.items():
        if group and guesses:
            yield from ["", f"[users.{group}]"]
        for guess in guesses:
            yield from _guess(guess, guess.entry.removeprefix(f"{group}.") if group else guess.entry)


def _guess(guess: Guess, name: str) -> Iterator[str]:
    if told := guess.told():
        yield from _remark(told)
    yield from (line for remark in guess.remarks for line in _remark(remark))
    if guess.undecided:
        yield from _remark(f"CHOOSE: {name}: {choices(guess)}")
    yield _entry(name, [CHOOSE] if name == "consent_values" and guess.undecided else guess.value)


def choices(guess: Guess) -> str:
    """What an entry can be, in words."""
    return f"{'; or '.join(guess.choices)}." if guess.choices else "Nothing in the file looks like it."


def _names(table: TableGuess) -> str:
    files = [path.name for path in table.sample.files] or [table.sample.name]
    return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"


def _why_out(table: TableGuess) -> str:
    if table.role == "users":
        return "another table holds the users already; join the two if both are needed."
    return "its rows are neither events nor users; where it says what codes mean, join it to the events."


def _remark(text: str) -> Iterator[str]:
    """A remark in lines that are not too long."""
    line = "#"
    for word in _NO_SIGN.sub(" ", text).split(" "):
        if len(line) + len(word) >= _WIDTH and line != "#":
            yield line
            line = "#  "
        line = f"{line} {word}"
    yield line


def _entry(name: str, value: Any) -> str:
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
    return f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A text or a list of texts as TOML, which writes them as JSON does."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(map(_toml, value))}]"


def _title(name: str) -> str:
    return name.replace("-", " ").replace("_", " ").capitalize()


def told(proposal: Proposal, base: Path) -> dict[str, Any]:
    """The proposal for machines."""
    tables = [
        {
            "files": pattern_of(table.sample.files, base), "role": table.role, "source": table.name or None,
            "rows": table.sample.rows, "looked_at": table.sample.frame.height, "separator": table.sample.separator,
            "encoding": table.sample.encoding, "remarks": [*table.remarks, *table.sample.notes],
            "entries": [_as_told(guess) for guess in table.guesses],
        }
        for table in proposal.tables
    ]  # fmt: skip
    return {
        "tables": tables,
        "left_out": [[str(path) for path in table.sample.files] for table in proposal.left_out],
        "to_choose": _open(proposal.open),
        "spec": spec_text(proposal, base),
    }


def _open(entries: Iterable[tuple[TableGuess, Guess]]) -> list[dict[str, Any]]:
    return [
        {"table": table.name or table.role, "entry": guess.entry, "choices": guess.choices} for table, guess in entries
    ]


def _as_told(guess: Guess) -> dict[str, Any]:
    return {
        "entry": guess.entry, "value": guess.value, "fits": guess.fits, "rows": guess.rows, "examples": guess.examples,
        "misfits": [{"value": value, "line": line} for value, line in guess.misfits], "remarks": guess.remarks,
        "choices": guess.choices,
    }  # fmt: skip
