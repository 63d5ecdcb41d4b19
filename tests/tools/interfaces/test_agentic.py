import json
from base64 import b64encode
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from encoders.errors import NotAllowedError, RequestError, TooSmallError
from tools.access.callers import Caller, Scope
from tools.interfaces.iab import (
    Aa,
    EmbeddingModel,
    Envelope,
    audience_embedding,
    demand_embedding,
    pack,
    similarity,
    space_id,
    unpack,
    user_data,
)
from tools.service import AudienceService
from tools.types import AudienceSpec

DEMANDS = {
    group: f"Households that will buy {group} in the next 28 days"
    for group in ("dog food", "cat food", "wine", "diapers")
}
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(floats, min_size=1, max_size=300))
def test_numbers_come_back_as_they_went(numbers: list[float]) -> None:
    assert unpack(pack(numbers)).tolist() == numbers


def test_the_published_example_reads_and_writes() -> None:
    """The vector of the OpenRTB extension's own page."""
    text = "UQaePwAAIMAAAAAA2w9JQLbmQEZbcgG5FK4pQvD/ecS9N4Y1ZCBxSQ=="
    numbers = [1.2345678, -2.5, 0.0, 3.1415927, 12345.678, -0.00012345, 42.42, -999.999, 0.000001, 987654.25]
    assert pack(numbers) == text
    assert unpack(text).tolist() == np.array(numbers, np.float32).tolist()


@pytest.mark.parametrize("vector", ["AAAA", "no base64!", b64encode(bytes(8)).decode()])
def test_a_segment_that_lies_about_its_vector_is_turned_down(vector: str) -> None:
    with pytest.raises(ValidationError):
        Aa(vector=vector, dimension=1, model="m", type=(1,))


def test_a_message_says_how_to_compare_it(service: AudienceService) -> None:
    message = demand_embedding(service, DEMANDS["dog food"])
    read = json.loads(message.model_dump_json())
    version = service.describe_data().model_version
    width = service.forecaster.model.config.dimension
    assert read["model"] == {
        "id": "audience-targeting",
        "version": version,
        "type": "encoder",
        "dimension": width,
        "metric": "cosine",
        "normalization": "l2_unit",
        "embedding_space_id": f"ucp://spaces/audience-targeting/{version}",
    }
    [embedding] = read["embeddings"]
    assert (embedding["type"], embedding["dtype"], embedding["dimension"]) == ("query", "float32", width)
    assert len(embedding["vector"]) == width
    assert np.linalg.norm(embedding["vector"]) == pytest.approx(1, abs=1e-5)
    back = Envelope.model_validate_json(message.model_dump_json())
    assert np.array_equal(back.vector, message.vector)
    assert similarity(back, message) == pytest.approx(1, abs=1e-5)


def test_a_demand_is_nearest_to_its_own_audience(service: AudienceService) -> None:
    demands = {group: demand_embedding(service, demand) for group, demand in DEMANDS.items()}
    audiences = {group: audience_embedding(service, AudienceSpec(demand=each)) for group, each in DEMANDS.items()}
    for asked, other in product(DEMANDS, DEMANDS):
        if asked != other:
            own = similarity(demands[asked], audiences[asked])
            assert own > similarity(demands[asked], audiences[other]), (asked, other)


def test_what_is_not_wanted_does_not_draw_the_demand_nearer(service: AudienceService) -> None:
    both = demand_embedding(service, "Households that will buy wine and dog food in the next 28 days")
    without = demand_embedding(service, "Households that will buy wine but not dog food in the next 28 days")
    dogs = demand_embedding(service, DEMANDS["dog food"])
    assert similarity(without, dogs) < similarity(both, dogs)


def test_too_small_an_audience_has_no_vector(service: AudienceService) -> None:
    with pytest.raises(TooSmallError, match="fewer than 20 households"):
        audience_embedding(service, AudienceSpec(demand=DEMANDS["wine"], cut=0.01))


def test_only_the_owner_and_admins_get_the_vector_of_an_audience(service: AudienceService) -> None:
    agent = service.of(Caller(name="agent", scopes=frozenset(set(Scope) - {Scope.ADMIN})))
    with pytest.raises(NotAllowedError, match="needs a token with the scope 'admin'"):
        audience_embedding(agent, AudienceSpec(demand=DEMANDS["wine"]))
    assert demand_embedding(agent, DEMANDS["wine"]) == demand_embedding(service, DEMANDS["wine"])


def test_everyone_has_nothing_in_particular(service: AudienceService) -> None:
    with pytest.raises(RequestError, match="narrower"):
        audience_embedding(service, AudienceSpec(demand="people who will buy bread", cut=1.0))


@pytest.mark.parametrize("demand", ["", " \n"])
def test_what_is_no_demand_has_no_vector(service: AudienceService, demand: str) -> None:
    with pytest.raises(RequestError):
        demand_embedding(service, demand)


def test_vectors_of_two_models_never_compare(service: AudienceService) -> None:
    ours = demand_embedding(service, DEMANDS["wine"])
    other = "another-version"
    renamed = EmbeddingModel(version=other, dimension=ours.model.dimension, embedding_space_id=space_id(other))
    theirs = ours.model_copy(update={"model": renamed})
    assert space_id(other) != ours.model.embedding_space_id
    with pytest.raises(RequestError, match="cannot be compared"):
        similarity(ours, theirs)
    name = (user_data(each, "Wine").segment[0].ext.aa.model for each in (ours, theirs))
    assert len(set(name)) == 2


def test_an_audience_in_a_bid_request(service: AudienceService) -> None:
    message = audience_embedding(service, AudienceSpec(demand=DEMANDS["wine"]))
    data = json.loads(user_data(message, "Wine").model_dump_json())
    [segment] = data["segment"]
    aa = segment["ext"]["aa"]
    assert (segment["name"], aa["ver"], aa["type"]) == ("Wine", "1.0.0", [1])
    assert aa["model"] == message.model.embedding_space_id
    assert np.array_equal(unpack(aa["vector"]), message.vector)
    assert aa["dimension"] == len(message.vector)
