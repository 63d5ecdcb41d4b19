"""Calibrating a trained model on the latest window, which its towers and its match have not seen.

Half of the labels are blurred: people do not use the words of the data, and both the grounding and the interval must
know how that feels (see ``encoders.training.blur``).
"""

import numpy as np
import numpy.typing as npt
import torch

from encoders.calibration.calibrate import Calibration, fit_calibration, standardise
from encoders.calibration.grounding import Grounding
from encoders.errors import DataError
from encoders.history.events import HORIZON_DAYS
from encoders.history.histories import did_any, done_in, level
from encoders.language.text import TextEncoder
from encoders.model.dual import DualEncoder, EncodedParts
from encoders.training.blur import blurred, joined
from encoders.training.labels import Label, LabelWriter, came_true
from encoders.training.windows import Example, encode_labels

_RANDOM_LABELS = 300
_BATCH = 64


@torch.no_grad()
def calibrate_model(
    model: DualEncoder, encoder: TextEncoder, example: Example, writer: LabelWriter, rng: np.random.Generator
) -> tuple[Grounding, Calibration, dict[str, float]]:
    """Fit the grounding and the calibration on one window: plain labels of every group, blurred ones, random ones."""
    scene, histories = example.scene, example.scene.histories
    if not example.done[histories.in_population].nnz:
        raise DataError(
            f"Nothing happened in the {HORIZON_DAYS} days from {histories.past.as_of} on, so a forecast cannot be "
            "checked against them; choose another as-of date."
        )
    groups = [label for label in writer.groups() if histories.seen[label.items].any()]
    parts, labels, sure = _with_blurred(encoder, groups, writer.write(example.done, _RANDOM_LABELS, rng), rng)
    near = model.nearness(scene.vocabulary, parts)
    belongs = scene.of_source(parts.source)
    grounding = Grounding.fit(near.text.numpy(), near.group.numpy(), belongs, labels)

    users = model.user_vectors(scene)
    here = histories.in_population
    standard = []
    for start in range(0, len(parts), _BATCH):
        chosen = np.arange(start, min(start + _BATCH, len(parts)))
        few = parts.take(chosen)
        scores = model.score(scene, few, model.nearness(scene.vocabulary, few), users).numpy()
        standard += [standardise(column, here)[here] for column in scores.T]
    recently = done_in(histories.past.events(HORIZON_DAYS).collect(), histories.user_ids, len(scene.vocabulary.texts))
    meant = map(grounding.meant, near.text.numpy(), near.group.numpy(), belongs)
    levels = np.array([level(did_any(recently[here], items)) for items in meant])
    truth = came_true(labels, example.done)[here]
    calibration, figures = fit_calibration(np.stack(standard, axis=1), levels, truth, sure, rng)
    return grounding, calibration, figures


def _with_blurred(
    encoder: TextEncoder, groups: list[Label], others: list[Label], rng: np.random.Generator
) -> tuple[EncodedParts, list[Label], npt.NDArray[np.bool_]]:
    """Encode all labels, and the labels of groups a second time, blurred; says which are sure.

    Only the plain labels of the main source are: what other sources do comes in bursts, as campaigns do.
    """
    parts, labels = encode_labels(encoder, [*groups, *others])
    again, repeated = encode_labels(encoder, groups)
    everything = joined(parts, blurred(again, rng))
    sure = (np.arange(len(everything)) < len(groups)) & (everything.source == 0)
    return everything, [*labels, *repeated], sure
