"""Lists of users that people bring, so that others like them can be found."""

from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from encoders.errors import RequestError
from tools.bounds import SEEDS

if TYPE_CHECKING:
    from encoders.data.files import CsvLines

COLUMN = "user_id"


def read_seeds(path: Path) -> list[str]:
    """The users named in a file: one id a line, all of them on one line, or the column ``user_id`` of a CSV file.

    Raises:
        RequestError: the file cannot be read, names nobody or too many, has several columns and none of that name, or
            ids that lost digits.
    """
    import polars as pl  # those who only ask for help need not wait for it

    from encoders.data.columns import identity
    from encoders.data.files import csv_lines
    from tools.storage.table_file import check_text

    try:
        check_text(path)
        with closing(csv_lines(path)) as lines:
            ids = pl.Series(COLUMN, _read(path, lines), pl.String)
    except (OSError, UnicodeError) as error:
        raise RequestError(
            f"{path.name} cannot be read ({type(error).__name__}); give a text file of user ids."
        ) from error
    user, lost = identity(COLUMN, ids.dtype)
    read = ids.to_frame().select(user.alias("user"), lost.alias("lost"), pl.col(COLUMN).alias("written"))
    if read["lost"].any():
        example = read.filter("lost")["written"][0]
        raise RequestError(f"Ids in {path.name} lost their last digits, such as '{example}'; write them as text.")
    return list(read["user"].drop_nulls())


def _read(path: Path, lines: "CsvLines") -> list[str]:
    first = lines.heading(None, (COLUMN,))
    if first is None:
        raise RequestError(f"{path.name} names no user; write one id a line.")
    names = [name.strip().lower() for name in first]
    rows = (row.fields for row in lines.rows(len(first)))
    if COLUMN in names:
        place = names.index(COLUMN)
        users = [row[place] for row in islice(rows, SEEDS + 1) if len(row) > place and row[place].strip()]
    else:
        others = [row[0] if len(row) == 1 else None for row in islice(rows, SEEDS + 1)]
        users = [*first, *(each for each in others if each)]
        if None in others or (others and len(first) > 1):
            raise RequestError(
                f"{path.name} has several columns, none of them '{COLUMN}'; name the column of the users so."
            )
    if len(users) > SEEDS:
        raise RequestError(f"{path.name} names over {SEEDS:,} users; bring a part of them.")
    return users
