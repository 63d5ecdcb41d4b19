"""Faults that a disk or a person makes, for tests and for ``benchmarks/faults.py``."""

from pathlib import Path


def flip(path: Path, share: float = 0.6) -> None:
    """Turn one byte of a file over, so far from its beginning."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x20
    path.write_bytes(content)


def truncate(path: Path, share: float = 0.5) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
