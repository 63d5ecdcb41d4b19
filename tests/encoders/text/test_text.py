from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.errors import ModelError
from encoders.text.encoders import (
    BATCH,
    JoinedEncoders,
    Matrix,
    RememberingEncoder,
    embed_vocabulary,
    in_batches,
    text_encoder,
)
from encoders.workspace import Workspace


class Counting:
    """An encoder that counts how often it is asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def encode(self, texts: Sequence[str]) -> Matrix:
        self.asked += 1
        return np.array([[len(text), 1.0] for text in texts], np.float32)


@given(st.integers(0, 2 * BATCH + 3))
def test_batches_give_what_single_texts_give(count: int) -> None:
    texts = [f"{'x' * (number % 7)}{number}" for number in range(count)]

    def embed(batch: list[str]) -> Matrix:
        assert 0 < len(batch) <= BATCH
        return np.array([[len(text), int(text.lstrip("x")), 0.0] for text in batch], np.float32)

    together = in_batches(embed, texts, 3)
    assert together.shape == (count, 3)
    for text, vector in zip(texts[-5:], together[-5:], strict=True):
        np.testing.assert_allclose(in_batches(embed, [text], 3)[0], vector)


@pytest.mark.parametrize("name", ["use", "minilm", "use+minilm"])
@pytest.mark.slow
def test_the_encoders_inside_packages_know_what_words_mean(name: str) -> None:
    encoder = text_encoder(name)
    cat, kitten, loan = encoder.encode(["cat food", "kitten treats", "mortgage loan"])
    assert encoder.name == name
    assert cat @ kitten > cat @ loan + 0.2
    np.testing.assert_allclose(np.linalg.norm([cat, kitten, loan], axis=1), 1, rtol=1e-5)
    assert encoder.encode([]).shape == (0, len(cat))
    assert np.isfinite(encoder.encode(["", "\x00", "🎉" * 400, "word " * 10_000])).all()


def test_joined_encoders_say_the_mean_of_what_each_says() -> None:
    texts = ["cat food", "kitten treats", "mortgage loan"]
    each = [text_encoder(name).encode(texts) for name in ("use", "minilm")]
    joined = text_encoder("use+minilm").encode(texts)
    np.testing.assert_allclose(joined @ joined.T, np.mean([one @ one.T for one in each], axis=0), atol=1e-6)


def test_the_first_encoder_alone_understands_other_languages() -> None:
    joined = text_encoder("use+minilm")
    assert isinstance(joined, JoinedEncoders)
    known, foreign = ["baby diapers", "cigars", "beer and ale", "grapes"], ["Windeln", "cerveza"]
    alone = joined.first_alone(torch.from_numpy(joined.encode(foreign))).numpy()
    near = alone @ joined.encode(known).T
    assert near.argmax(1).tolist() == [0, 2]
    first = text_encoder("use")
    np.testing.assert_allclose(near * joined.gain, first.encode(foreign) @ first.encode(known).T, atol=1e-5)


def test_known_texts_are_not_embedded_again() -> None:
    counting = Counting()
    encoder = RememberingEncoder(counting, ["a"], np.array([[7.0, 7.0]], np.float32))
    assert encoder.encode(["bb", "a", "bb"]).tolist() == [[2.0, 1.0], [7.0, 7.0], [2.0, 1.0]]
    assert encoder.encode(["a"]).tolist() == [[7.0, 7.0]]
    assert encoder.name == counting.name


def test_a_vocabulary_is_embedded_once(tmp_path: Path) -> None:
    encoder, workspace = Counting(), Workspace(tmp_path)
    first = embed_vocabulary(workspace, encoder, ["a", "bb"])
    assert np.array_equal(embed_vocabulary(workspace, encoder, ["a", "bb"]), first)
    assert encoder.asked == 1
    embed_vocabulary(workspace, encoder, ["a", "cc"])
    assert encoder.asked == 2


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_broken_cache_is_made_again(tmp_path: Path, damage: bytes | None) -> None:
    encoder, workspace = Counting(), Workspace(tmp_path)
    first = embed_vocabulary(workspace, encoder, ["a", "bb"])
    [cached] = (tmp_path / "cache").iterdir()
    cached.write_bytes(cached.read_bytes()[:-3] if damage is None else damage)
    assert np.array_equal(embed_vocabulary(workspace, encoder, ["a", "bb"]), first)
    assert encoder.asked == 2


def test_a_folder_that_is_no_model_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Set AUDIENCE_TEXT_ENCODER to 'use', 'minilm'") as caught:
        text_encoder(str(tmp_path))
    assert "\n" not in str(caught.value)
