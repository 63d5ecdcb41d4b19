"""One number per user that changes when what the user's vector is computed from changes, and at no other time.

An index keeps it beside every vector, so that new events of a day cost the encoding of the users concerned. Items
and attributes enter as texts: their row numbers move when the data gets another item. Each entry of a history is
hashed by itself and the hashes are added up (modulo 2^64), so that the order of the entries does not matter.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from encoders.model.snapshot import FeatureSnapshot
from encoders.model.user import TIMES, UserInputs, attribute_texts
from encoders.model_folder import TrainedModel

Hashes = npt.NDArray[np.uint64]

BLOCK = 100_000
"""Users at a time: bounds the memory, not the result."""


def fingerprints(model: TrainedModel, snapshot: FeatureSnapshot) -> npt.NDArray[np.int64]:
    """Fingerprints of the snapshot's users as the tower of ``model`` sees them, [N].

    Of two different users the chance of equal fingerprints is 2^-64; that of any two among a million, 3e-8.
    """
    vocabulary, histories = snapshot.vocabulary, snapshot.histories
    sources = [vocabulary.sources[source] for source in vocabulary.source_of]
    items = [str(pair) for pair in zip(sources, vocabulary.texts, strict=True)]
    attributes, _ = attribute_texts(histories.past.dataset.users, histories.user_ids)
    hashes = hash_inputs(snapshot.inputs, items, attributes)
    if model.encoder.users.with_activity:
        hashes += pl.DataFrame(snapshot.inputs.activity).hash_rows().to_numpy()
    return _hash(hashes ^ _hash_tower(model)).view(np.int64)


def hash_inputs(inputs: UserInputs, items: Sequence[str], attributes: Sequence[str]) -> Hashes:
    """Hash the histories and attributes of N users, [N].

    Args:
        inputs: of the users.
        items: V texts that also name the source.
        attributes: K texts, one per row of ``inputs.attribute_vectors``.
    """
    main, other = (_hash([f"{role} {item}" for item in items]) for role in ("main", "other"))
    times = _hash(np.arange(TIMES))
    known = np.append(_hash(attributes), np.uint64(0))  # -1 stands for unknown and adds nothing
    hashes: Hashes = known[inputs.attributes].sum(axis=1, dtype=np.uint64)
    for start in range(0, len(inputs), BLOCK):
        end = min(start + BLOCK, len(inputs))
        for number, slots in enumerate(inputs.slots):
            places = slots.indptr[start * TIMES : end * TIMES + 1]
            entries = slice(places[0], places[-1])
            time = np.repeat(np.arange(len(places) - 1) % TIMES, np.diff(places))
            amount = slots.data[entries].view(np.uint32).astype(np.uint64)
            item = (other if number else main)[slots.indices[entries]]
            hashed = np.where(amount, _hash((item + times[time]) ^ amount), np.uint64(0))
            sums = np.append(np.uint64(0), np.cumsum(hashed, dtype=np.uint64))[places[::TIMES] - places[0]]
            hashes[start:end] += np.diff(sums)
    return hashes


def _hash(values: Sequence[str] | npt.NDArray[Any]) -> Hashes:
    """Hash each value; a new version of polars may do it in another way, after which everybody is encoded once."""
    return np.asarray(pl.Series(values).hash(), np.uint64)


def _hash_tower(model: TrainedModel) -> np.uint64:
    """Hash what is the same for all users: the weights, and the encoder that the texts go through."""
    digest = hashlib.sha256(model.config.text_encoder.encode())
    for name, weights in model.encoder.users.state_dict().items():
        digest.update(name.encode())
        digest.update(weights.numpy().tobytes())
    return np.uint64(int.from_bytes(digest.digest()[:8], "little"))
