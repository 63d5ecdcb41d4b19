"""Small files that would become huge tables, and what it takes to find that out."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tools.bounds import TABLE_COLUMNS, TABLE_ROWS

_MEMORY = """
import sys
from pathlib import Path
from encoders.errors import RequestError
from tools.storage.table_file import read_columns
def most():  # of this process alone: ru_maxrss begins with what its parent took
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
before = most()
for path in map(Path, sys.argv[1:]):
    try:
        read_columns(path, ("user_id", "date", "value"))
        print("read")
    except RequestError as error:
        print(error)
print(most() - before)
"""


def repeated(path: Path, value: str, rows: int) -> Path:
    """A Parquet file in which one value stands in every row, and takes next to no space."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), pa.array([value]))
    pq.write_table(pa.table({"user_id": column}), path, compression="zstd")
    return path


def bombs(folder: Path) -> list[Path]:
    """Five of them: long values, many of them, too many rows, too many columns, long values without a dictionary."""
    wide = pa.table({f"c{number}": [1] for number in range(TABLE_COLUMNS + 1)})
    pq.write_table(wide, folder / "columns.parquet")
    zeros = pa.table({"user_id": pa.array([b"\0" * 900_000] * 700)})
    pq.write_table(zeros, folder / "zeros.parquet", compression="zstd", use_dictionary=False)
    return [
        repeated(folder / "long.parquet", "x" * 50_000, 200_000),
        repeated(folder / "many.parquet", "x" * 900, 1_000_000),
        repeated(folder / "high.parquet", "x", TABLE_ROWS + 1),
        folder / "columns.parquet",
        folder / "zeros.parquet",
    ]


def read_apart(*paths: Path) -> tuple[list[str], float]:
    """What reading says about each file, in a process of its own, and the megabytes that it took beside the program."""
    command = [sys.executable, "-c", _MEMORY, *map(str, paths)]
    *told, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return told, int(kilobytes) / 1000
