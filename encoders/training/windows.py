"""Windows of the calendar as examples to learn from."""

from dataclasses import dataclass

import scipy.sparse as sp

from encoders.data.events import Past
from encoders.errors import DataError
from encoders.features.histories import done_in
from encoders.model.dual import EncodedParts, encode_parts
from encoders.model.match import ItemVocabulary
from encoders.model.snapshot import FeatureSnapshot, read_snapshot
from encoders.text.demand import read_demand
from encoders.text.encoders import TextEncoder
from encoders.training.labels import Label
from encoders.workspace import Progress, silent


@dataclass(frozen=True)
class TrainingExample:
    """One window: who was there before, and what they did after."""

    snapshot: FeatureSnapshot
    done: sp.csr_matrix
    """[N, V]"""


def read_examples(
    past: Past, vocabulary: ItemVocabulary, encoder: TextEncoder, count: int, progress: Progress = silent
) -> list[TrainingExample]:
    """At most ``count`` windows that had ended by the date of ``past``, latest first.

    Raises:
        DataError: there are fewer than two.
    """
    windows = list(past.windows(count=count))
    if len(windows) < 2:
        raise DataError(
            f"There is too little history before {past.as_of} to learn from: at least 12 weeks are needed after "
            f"{past.dataset.card.first}. Choose a later as-of date."
        )
    examples = []
    for number, window in enumerate(windows):
        progress(f"Reading what was known on {window.past.as_of}", number / len(windows))
        snapshot = read_snapshot(window.past, vocabulary, encoder)
        examples.append(
            TrainingExample(snapshot, done_in(window.future, snapshot.histories.user_ids, len(vocabulary.texts)))
        )
    return examples


def encode_labels(encoder: TextEncoder, labels: list[Label]) -> tuple[EncodedParts, list[Label]]:
    """Embed labels. A wording that happens to read as two demands at once is dropped."""
    read = [(label, read_demand(label.sentence)) for label in labels]
    single = [(label, demand) for label, demand in read if len(demand.parts) == 1]
    parts, _ = encode_parts(encoder, [demand for _, demand in single], [label.source for label, _ in single])
    return parts, [label for label, _ in single]
