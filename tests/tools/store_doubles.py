"""Users, vectors and attributes to write into an index."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.storage.vector_attributes import Attributes
from tools.storage.vectors import UserRecords, Vectors

AGES = ("18-24", "25-34", None)


def users(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


def unit_vectors(count: int, width: int = 16, seed: int = 0) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)


def attributes(count: int) -> list[dict[str, str | None]]:
    return [{"age": AGES[number % 3], "income": "high" if number % 2 else "low"} for number in range(count)]


def records(
    ids: Sequence[str],
    vectors: Vectors,
    rows: Sequence[Attributes],
    model: str = "m1",
    encoded: list[str] | None = None,
) -> UserRecords:
    """Records whose fingerprints come from what they hold; whoever is encoded is noted in ``encoded``."""

    def encode(places: NDArray[np.int64]) -> Vectors:
        if encoded is not None:
            encoded.extend(ids[place] for place in places)
        return vectors[places]

    made_from = [repr((vector.tolist(), row)).encode() for vector, row in zip(vectors, rows, strict=True)]
    return UserRecords(model, ids, np.array([zlib.crc32(each) for each in made_from], np.int64), rows, encode)
