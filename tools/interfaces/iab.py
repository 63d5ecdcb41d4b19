"""Demands and audiences as vectors other parties can compare: IAB Agentic Audiences, draft 0.1 (formerly UCP).

One message is an envelope of the media type ``MEDIA_TYPE``; in OpenRTB the same vector travels as a segment of
``user.data``. Every model has a space of its own, named after its version, because vectors of two models have nothing
to do with each other.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat, model_validator

from encoders.errors import RequestError
from encoders.records import Record
from tools.service import AudienceService
from tools.types import AudienceSpec

MEDIA_TYPE = "application/vnd.ucp.embedding+json; v=1"
SPEC_VERSION = "1.0.0"
PROVIDER = "audience-targeting"

Vector = npt.NDArray[np.float32]


# --- the envelope -------------------------------------------------------------------------------


class EmbeddingModel(Record):
    """What made a vector, and how such vectors are compared."""

    id: str = PROVIDER
    version: str
    type: Literal["encoder"] = "encoder"
    dimension: int = Field(ge=1)
    metric: Literal["cosine"] = "cosine"
    normalization: Literal["l2_unit"] = "l2_unit"
    embedding_space_id: str


class Embedding(Record):
    """One vector, of length one."""

    id: str = Field(description="SHA-256 of the vector as float32, so equal vectors have equal ids")
    type: Literal["query", "user_intent"] = Field(description="'query': a demand; 'user_intent': an audience")
    dimension: int = Field(ge=1)
    dtype: Literal["float32"] = "float32"
    vector: tuple[FiniteFloat, ...]

    @model_validator(mode="after")
    def _as_long_as_it_says(self) -> "Embedding":
        if len(self.vector) != self.dimension:
            raise ValueError(f"the vector has {len(self.vector)} numbers and claims {self.dimension}")
        return self


class Envelope(Record):
    """A message of ``MEDIA_TYPE``. It names no permissible uses, which the draft reads as scoring for activation."""

    spec_version: str = SPEC_VERSION
    model: EmbeddingModel
    embeddings: tuple[Embedding, ...] = Field(min_length=1, max_length=1)

    @property
    def vector(self) -> Vector:
        """The vector it carries, [dimension]."""
        return np.asarray(self.embeddings[0].vector, np.float32)


def space_id(model_version: str) -> str:
    """The name of the space that the vectors of one model live in."""
    return f"ucp://spaces/{PROVIDER}/{model_version}"


def demand_embedding(service: AudienceService, demand: str) -> Envelope:
    """What a sentence wants.

    Raises:
        RequestError: it is empty.
    """
    return _envelope(service, "query", service.demand_vector(demand))


def audience_embedding(service: AudienceService, spec: AudienceSpec) -> Envelope:
    """What the users of an audience do more than everyone; no single user can be read from it.

    Raises:
        TooSmallError: the audience is below the minimum size.
        RequestError: a filter or behaviour names something the data does not have, or it is everyone.
    """
    return _envelope(service, "user_intent", service.common_vector(spec))


def similarity(a: Envelope, b: Envelope) -> float:
    """Cosine of the vectors of two messages, -1..1.

    Raises:
        RequestError: they are of different spaces, so that a cosine would mean nothing.
    """
    if a.model != b.model:
        raise RequestError(
            f"Vectors of {a.model.embedding_space_id} and {b.model.embedding_space_id} cannot be compared; "
            "make both with the same model."
        )
    return float(a.vector @ b.vector)


def _envelope(service: AudienceService, kind: Literal["query", "user_intent"], vector: Vector) -> Envelope:
    version = service.describe_data().model_version
    model = EmbeddingModel(version=version, dimension=len(vector), embedding_space_id=space_id(version))
    name = sha256(_packed(vector)).hexdigest()
    embedding = Embedding(id=name, type=kind, dimension=len(vector), vector=tuple(vector.tolist()))
    return Envelope(model=model, embeddings=(embedding,))


# --- in a bid request ---------------------------------------------------------------------------


class Aa(Record):
    """``OpenRtbSegment.ext.aa`` of OpenRTB."""

    ver: str = SPEC_VERSION
    vector: str = Field(description="base64 of float32 values, little-endian")
    dimension: int = Field(ge=1)
    model: str = Field(description="the embedding space: only equal ones compare")
    type: tuple[Literal[1, 2, 3], ...] = Field(description="1 identity, 2 contextual, 3 reinforcement")

    @model_validator(mode="after")
    def _as_long_as_it_says(self) -> "Aa":
        if len(unpack(self.vector)) != self.dimension:
            raise ValueError(f"the vector has {len(unpack(self.vector))} numbers and claims {self.dimension}")
        return self


class SegmentExt(Record):
    """``OpenRtbSegment.ext`` of OpenRTB, with our part of it."""

    aa: Aa


class OpenRtbSegment(Record):
    """A segment of ``user.data`` in OpenRTB."""

    id: str
    name: str
    ext: SegmentExt


class UserData(Record):
    """One element of ``user.data`` in OpenRTB."""

    name: str = PROVIDER
    segment: tuple[OpenRtbSegment, ...]


def user_data(audience: Envelope, name: str) -> UserData:
    """An audience as a bid request carries it for one of its users; what users did is of the type 'identity'."""
    model, [embedding] = audience.model, audience.embeddings
    aa = Aa(vector=pack(embedding.vector), dimension=embedding.dimension, model=model.embedding_space_id, type=(1,))
    return UserData(segment=(OpenRtbSegment(id=embedding.id, name=name, ext=SegmentExt(aa=aa)),))


def pack(vector: Sequence[float] | Vector) -> str:
    """Numbers as OpenRTB writes them: base64 of little-endian float32."""
    return b64encode(_packed(vector)).decode("ascii")


def unpack(text: str) -> Vector:
    """The numbers that ``pack`` wrote.

    Raises:
        ValueError: it is no base64, or no whole number of values.
    """
    return np.frombuffer(b64decode(text, validate=True), "<f4").astype(np.float32)


def _packed(vector: Sequence[float] | Vector) -> bytes:
    return np.asarray(vector, "<f4").tobytes()
