"""Erasing users from TOML that people or the program wrote, such as the glossary: it can be read afterwards as before.

A table that names one of them goes as a whole, like the row of a table, and so does a value outside of tables; texts
with signs in place of names would collide with one another, or be no TOML any more.
"""

import tomllib

from tools.erasure.traces import Traces


def without_named_tables(text: str, traces: Traces) -> tuple[int, str]:
    """The text of a TOML file without what names the users, and how many tables, values and remarks that were.

    Raises:
        ValueError: it is no TOML.
    """
    tomllib.loads(text)
    kept: list[str] = []
    taken = 0
    for is_table, statements in _tables(text):
        last = max((number for number, each in enumerate(statements) if _says(each)), default=-1)
        if is_table and any(_named(each, traces) for each in statements[: last + 1]):
            taken, statements = taken + 1, statements[last + 1 :]  # what follows belongs to the next table
        left = [each for each in statements if not _named(each, traces)]
        taken += len(statements) - len(left)
        kept += left
    return taken, "".join(kept)


def _tables(text: str) -> list[tuple[bool, list[str]]]:
    """The statements of each table, what stands before the first one at the beginning."""
    tables: list[tuple[bool, list[str]]] = [(False, [])]
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a list or text over several lines
        if statement.lstrip().startswith("["):
            tables.append((True, []))
        tables[-1][1].append(statement)
        statement = ""
    return tables


def _says(statement: str) -> bool:
    """Whether a statement is more than a remark or an empty line."""
    return bool(statement.strip()) and not statement.lstrip().startswith("#")


def _named(statement: str, traces: Traces) -> bool:
    return traces.in_text(statement) != statement
