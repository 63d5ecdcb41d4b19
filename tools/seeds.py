"""Lists of users that people bring, so that others like them can be found."""

import csv
from pathlib import Path

from encoders.errors import RequestError

COLUMN = "user_id"


def read_seeds(path: Path) -> list[str]:
    """The users named in a file: one id a line, or the column ``user_id`` of a CSV file.

    Raises:
        RequestError: the file cannot be read, names nobody, or has several columns and none of that name.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(
            f"{path.name} cannot be read ({type(error).__name__}); give a text file of user ids."
        ) from error
    rows = [row for row in rows if any(row)]
    if not rows:
        raise RequestError(f"{path.name} names no user; write one id a line.")
    if COLUMN in rows[0]:
        place = rows[0].index(COLUMN)
        return [row[place] for row in rows[1:] if len(row) > place and row[place]]
    if max(map(len, rows)) > 1:
        raise RequestError(
            f"{path.name} has several columns, none of them '{COLUMN}'; name the column of the users so."
        )
    return [row[0] for row in rows]
