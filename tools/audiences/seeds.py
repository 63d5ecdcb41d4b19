"""Lists of users that people bring, so that others like them can be found."""

import csv
from pathlib import Path

from encoders.errors import RequestError
from tools.bounds import SEEDS

COLUMN = "user_id"


def read_seeds(path: Path) -> list[str]:
    """The users named in a file: one id a line, or the column ``user_id`` of a CSV file.

    Raises:
        RequestError: the file cannot be read, names nobody or too many, or has several columns and none of that name.
    """
    from tools.storage.table_file import (
        check_text,  # with it comes polars, which those who only ask for help need not wait for
    )

    try:
        check_text(path)
        return _read(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(
            f"{path.name} cannot be read ({type(error).__name__}); give a text file of user ids."
        ) from error


def _read(path: Path) -> list[str]:
    users: list[str] = []
    place: int | None = None
    seen = False
    with path.open(encoding="utf-8-sig", newline="") as file:
        for cells in csv.reader(file):
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if not seen and COLUMN in row:
                seen, place = True, row.index(COLUMN)
                continue
            seen = True
            if place is None and len(row) > 1:
                raise RequestError(
                    f"{path.name} has several columns, none of them '{COLUMN}'; name the column of the users so."
                )
            if len(row) > (place or 0) and row[place or 0]:
                users.append(row[place or 0])
            if len(users) > SEEDS:
                raise RequestError(f"{path.name} names over {SEEDS:,} users; bring a part of them.")
    if not seen:
        raise RequestError(f"{path.name} names no user; write one id a line.")
    return users
