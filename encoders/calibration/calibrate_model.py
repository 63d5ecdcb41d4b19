"""Calibrating a trained model on the latest window, which its towers and its match have not seen.

Half of the labels are blurred: people do not use the words of the data, and both the grounding and the interval must
know how that feels (see ``encoders.training.labels``).
"""

import numpy as np
import numpy.typing as npt
import torch

from encoders.calibration.calibrate import Calibration, Observed, fit_calibration, standardise
from encoders.calibration.grounding import ItemGrounding
from encoders.data.events import HORIZON_DAYS
from encoders.errors import DataError
from encoders.features.histories import did_any, done_in
from encoders.model.dual import DualEncoder, EncodedParts
from encoders.model.snapshot import FeatureSnapshot
from encoders.text.encoders import TextEncoder
from encoders.training.labels import Label, LabelWriter, blurred, came_true, joined
from encoders.training.windows import TrainingExample, encode_labels

RANDOM_LABELS = 300
_BATCH = 64
_STRENGTH = 1.5
"""Blurred more than in training: what is misread there costs nothing, here it is what has to be known."""


@torch.no_grad()
def calibrate_model(
    model: DualEncoder, encoder: TextEncoder, example: TrainingExample, writer: LabelWriter, rng: np.random.Generator
) -> tuple[ItemGrounding, Calibration, dict[str, float]]:
    """Fit the grounding and the calibration on one window: plain labels of every group, blurred ones, random ones."""
    snapshot, histories = example.snapshot, example.snapshot.histories
    if not example.done[histories.in_population].nnz:
        raise DataError(
            f"Nothing happened in the {HORIZON_DAYS} days from {histories.past.as_of} on, so a forecast cannot be "
            "checked against them; choose another as-of date."
        )
    groups = [label for label in writer.groups() if histories.seen[label.items].any()]
    parts, labels, plain = _with_blurred(encoder, groups, writer.write(example.done, RANDOM_LABELS, rng), rng)
    belongs, owner = snapshot.of_source(parts.source), parts.owner.numpy()
    near = model.nearness(model.match.place(snapshot.vocabulary), parts.apart())
    text, group = near.text.numpy(), near.group.numpy()
    alone = np.flatnonzero(np.bincount(owner)[owner] == 1)
    of_one = [labels[number] for number in owner[alone]]
    grounding = ItemGrounding.fit(text[alone], group[alone], belongs[owner[alone]], of_one)

    of_phrases = list(map(grounding.meant, text, group, belongs[owner]))
    meant = [
        np.unique(np.concatenate([of_phrases[row] for row in np.flatnonzero(owner == k)])) for k in range(len(parts))
    ]
    recently = done_in(
        histories.past.events(HORIZON_DAYS).collect(), histories.user_ids, len(snapshot.vocabulary.texts)
    )
    here = histories.in_population
    observed = Observed(
        standard=_standard_scores(model, snapshot, parts),
        doers=np.stack([did_any(recently[here], items) for items in meant], axis=1),
        known=np.array([len(items) > 0 for items in meant]),
        nearness=np.bincount(owner, near.best.numpy()) / np.bincount(owner),
        truth=came_true(labels, example.done)[here],
        main=parts.source == 0,
        plain=plain,
    )
    return grounding, *fit_calibration(observed, rng)


def _standard_scores(model: DualEncoder, snapshot: FeatureSnapshot, parts: EncodedParts) -> npt.NDArray[np.float64]:
    """Standardised scores of the population, [N, B]."""
    users, here, standard = model.user_vectors(snapshot), snapshot.histories.in_population, []
    for start in range(0, len(parts), _BATCH):
        few = parts.take(np.arange(start, min(start + _BATCH, len(parts))))
        scores = model.score(snapshot, few, model.nearness(model.match.place(snapshot.vocabulary), few), users).numpy()
        standard += [standardise(column, here)[here] for column in scores.T]
    return np.stack(standard, axis=1)


def _with_blurred(
    encoder: TextEncoder, groups: list[Label], others: list[Label], rng: np.random.Generator
) -> tuple[EncodedParts, list[Label], npt.NDArray[np.bool_]]:
    """Encode all labels, and the labels of groups a second time, blurred; says which are of groups and plain."""
    parts, labels = encode_labels(encoder, [*groups, *others])
    again, repeated = encode_labels(encoder, groups)
    everything = joined(parts, blurred(again, rng, strength=_STRENGTH))
    return everything, [*labels, *repeated], np.arange(len(everything)) < len(groups)
