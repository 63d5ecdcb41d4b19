"""LoRA on the text tower: a sentence-transformers encoder that learns to read demands.

FOUND (arXiv 2412.12468) has a frozen encoder with low-rank updates (LoRA, arXiv 2106.09685) on its text side. Here
demands and labels go through the adapted encoder; items, groups and attributes stay with the frozen one, so their
vectors are computed once.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.errors import ModelError
from encoders.model.dual import EncodedParts, encode_parts
from encoders.text.demand import read_demand
from encoders.text.encoders import SentenceEncoder, TextEncoder
from encoders.training.labels import Label, encode_labels

_BATCH = 32
"""Texts of like length that are embedded together with gradient: little is padded."""


class AdaptedEncoder(SentenceEncoder):
    """An encoder with a LoRA adapter in all its linear layers. Without training it is the encoder it was made from.

    The frozen weights are shared with that encoder, which does not change.
    """

    def __init__(self, encoder: TextEncoder, rank: int) -> None:
        """Put a fresh adapter of ``rank`` into a copy of ``encoder``; torch's seed decides where it begins.

        Raises:
            ModelError: the encoder cannot be trained.
        """
        from peft import LoraConfig

        if not isinstance(encoder, SentenceEncoder):
            raise _untrainable(encoder)
        frozen = encoder.model
        shared = {id(weights): weights for weights in frozen.parameters()}
        super().__init__(f"{encoder.name} with LoRA", copy.deepcopy(frozen, shared))
        # A pooler is not part of any sentence vector.
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", exclude_modules=".*pooler.*")
        try:
            self.model.add_adapter(config)
        except ValueError as error:
            raise _untrainable(encoder) from error
        self.model.eval()

    @property
    def weights(self) -> list[nn.Parameter]:
        """The weights of the adapter; all others are frozen."""
        return [weights for weights in self.model.parameters() if weights.requires_grad]

    def embed(self, texts: Sequence[str]) -> Tensor:
        """What ``encode`` gives, with gradient: [len(texts), dimension]."""
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        prompt = self.model.prompts.get(self.model.default_prompt_name)
        found = []
        for start in range(0, len(order), _BATCH):
            batch = [texts[place] for place in order[start : start + _BATCH]]
            found.append(self.model(self.model.preprocess(batch, prompt=prompt))["sentence_embedding"])
        return functional.normalize(torch.cat(found)[torch.tensor(order).argsort()], dim=-1)

    def state_dict(self) -> dict[str, Tensor]:
        """The adapter's weights, under the names that peft gives them."""
        tensors: dict[str, Tensor] = self.model.get_adapter_state_dict()
        return tensors

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Take over the weights of another adapter.

        Raises:
            RuntimeError: they are of another encoder or rank.
        """
        from peft import set_peft_model_state_dict

        if tensors.keys() != self.state_dict().keys():
            raise RuntimeError("The adapter belongs to another text encoder.")
        set_peft_model_state_dict(self.model.transformers_model, tensors)


def _untrainable(encoder: TextEncoder) -> ModelError:
    return ModelError(
        f"The text encoder '{encoder.name}' cannot be trained; set AUDIENCE_TEXT_ENCODER to 'minilm' or to a "
        "sentence-transformers model made of a transformer, or AUDIENCE_LORA_RANK to 0."
    )


@dataclass(frozen=True)
class LiveParts:
    """Labels that are embedded when they are taken, with gradient, by what the adapter is at that moment."""

    encoder: AdaptedEncoder
    labels: list[Label]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: npt.NDArray[np.int64]) -> EncodedParts:
        """Embed some of the labels, in the order of ``chosen``."""
        labels = [self.labels[place] for place in chosen]
        demands = [read_demand(label.sentence) for label in labels]
        parts, _ = encode_parts(_WithGradient(self.encoder), demands, [label.source for label in labels])
        return parts


@dataclass(frozen=True)
class _WithGradient:
    encoder: AdaptedEncoder

    def encode(self, texts: Sequence[str]) -> Tensor:
        return self.encoder.embed(texts)


def parts_to_learn(encoder: TextEncoder, labels: list[Label]) -> tuple[EncodedParts | LiveParts, list[Label]]:
    """Labels for training: embedded here by a frozen encoder, at every step by an adapted one.

    As in ``encode_labels``, a wording that happens to read as two demands at once is dropped.
    """
    if not isinstance(encoder, AdaptedEncoder):
        return encode_labels(encoder, labels)
    single = [label for label in labels if len(read_demand(label.sentence).parts) == 1]
    return LiveParts(encoder, single), single


def trainable(encoder: TextEncoder) -> list[nn.Parameter]:
    """The weights of ``encoder`` that training changes; none of a frozen one."""
    return encoder.weights if isinstance(encoder, AdaptedEncoder) else []
