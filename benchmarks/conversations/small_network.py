"""The network of one hidden layer that the classifiers of the conversation are: several seeds side by side."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from agent.reading.intents import Matrix

_SEEDS = (0, 1, 2)
_HIDDEN = 96
_EPOCHS = 14
_BATCH = 256


def trained(features: Matrix, labels: list[int], classes: int) -> dict[str, Matrix]:
    """Weights as ``agent.reading.intents.forward`` takes them: hidden layers side by side, outputs averaged.

    Args:
        features: [N, D].
        labels: [N], each below ``classes``; rare ones weigh more.
        classes: how many there are.
    """
    inputs, truth = torch.from_numpy(features), torch.tensor(labels)
    counts = torch.bincount(truth, minlength=classes).float()
    weights = (counts.mean() / counts) ** 0.5
    states = [_network(inputs, truth, weights, seed).state_dict() for seed in _SEEDS]
    joined = {
        "hidden.weight": torch.cat([each["1.weight"] for each in states]),
        "hidden.bias": torch.cat([each["1.bias"] for each in states]),
        "output.weight": torch.cat([each["4.weight"] for each in states], dim=1) / len(states),
        "output.bias": torch.stack([each["4.bias"] for each in states]).mean(dim=0),
    }
    return {name: tensor.numpy().astype(np.float32) for name, tensor in joined.items()}


def _network(inputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    net = nn.Sequential(
        nn.Dropout(0.15),
        nn.Linear(inputs.shape[1], _HIDDEN),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(_HIDDEN, len(weights)),
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = _EPOCHS * -(-len(inputs) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(_EPOCHS):
        for batch in torch.randperm(len(inputs)).split(_BATCH):  # type: ignore[no-untyped-call]
            loss = functional.cross_entropy(net(inputs[batch]), labels[batch], weights, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()
