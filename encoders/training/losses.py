"""Losses. Each is a small class with a fixed argument order that returns a dict of named terms."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedInfoNCE(nn.Module):
    """InfoNCE in both directions with a learnable temperature, where every true pair is known.

    Two users with the same future are common, so an in-batch "negative" may in truth be a positive. Here all pairs are
    labelled: each positive competes with the true negatives of its row (or column) only, and never with another
    positive.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def forward(self, scores: Tensor, done: Tensor) -> dict[str, Tensor]:
        """Contrast the pairs that came true with those that did not.

        Args:
            scores: [N, B] logits of N users and B sentences.
            done: [N, B] booleans, whether the user did what the sentence says.

        Returns:
            ``text_to_user_loss`` and ``user_to_text_loss``, scalars.
        """
        logits = scores * self.log_temperature.exp()
        return {
            "text_to_user_loss": _contrast(logits.T, done.T),
            "user_to_text_loss": _contrast(logits, done),
        }


def _contrast(logits: Tensor, positive: Tensor) -> Tensor:
    """Mean over rows of the mean over their positives of -log p(positive against the row's negatives)."""
    negatives = logits.masked_fill(positive, -torch.inf).logsumexp(1, keepdim=True)
    terms = functional.softplus(negatives - logits)
    count = positive.sum(1)
    usable = (count > 0) & (count < positive.shape[1])
    if not usable.any():
        return logits.sum() * 0.0
    per_row = torch.where(positive, terms, 0.0).sum(1)[usable] / count[usable]
    return per_row.mean()


class WindowContrast(nn.Module):
    """Stage I: time windows of one user are near each other, and look alike from everybody else's place.

    InfoNCE between each window and the next, and a cyclic KL term that keeps what the windows say about the other
    users of the batch the same all the way round (FOUND, arXiv 2412.12468).
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())

    def forward(self, windows: list[Tensor]) -> dict[str, Tensor]:
        """Compare the windows of N users, each [N, width] of unit vectors, in the order of time.

        Returns:
            ``window_loss`` and ``cyclic_loss``, scalars.
        """
        same = torch.arange(len(windows[0]))
        nexts = [*windows[1:], windows[0]]
        views = [self.log_scale.exp() * one @ other.T for one, other in zip(windows, nexts, strict=True)]
        contrast = [functional.cross_entropy(view, same) for view in views]
        beliefs = [view.log_softmax(1) for view in views]
        turns = zip(beliefs, [*beliefs[1:], beliefs[0]], strict=True)
        cyclic = [functional.kl_div(one, other, log_target=True, reduction="batchmean") for one, other in turns]
        return {"window_loss": torch.stack(contrast).mean(), "cyclic_loss": torch.stack(cyclic).mean()}
