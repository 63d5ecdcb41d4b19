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
