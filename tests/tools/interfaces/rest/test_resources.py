"""The resources beside the service behind them, and what becomes of what cannot be answered."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic_core import to_jsonable_python
from starlette.testclient import TestClient

import encoders.errors
from encoders.errors import BROKEN, AudienceError, RequestError, TooManyCallsError, WorkspaceError
from tests.tools.interfaces.rest.rest_doubles import SAVE, SPEC, Nowhere, key, problem
from tools.access.gate import Gate
from tools.interfaces.rest.api import make_api
from tools.operations.operation import Interface
from tools.operations.table import offered
from tools.problems import KINDS, problem_of
from tools.service import AudienceService
from tools.types import AudienceSpec


def anything_goes(spec: AudienceSpec) -> None:
    """No audience is declined here."""


def asking(opened: Callable[[], AudienceService]) -> TestClient:
    return TestClient(make_api(opened, anything_goes, Gate(Nowhere)), raise_server_exceptions=False)


def described() -> dict[str, Any]:
    def closed() -> AudienceService:
        raise AssertionError("describing the resources opens nothing")

    app: FastAPI = make_api(closed, anything_goes, Gate(Nowhere))
    return app.openapi()


def test_every_operation_is_a_resource() -> None:
    operations = {each["operationId"] for path in described()["paths"].values() for each in path.values()}
    assert operations == {"health", "problems", *(each.name for each in offered(Interface.REST))}


def test_the_description_says_what_each_answers_and_takes() -> None:
    document = described()
    for path in document["paths"].values():
        for method, each in path.items():
            assert each["summary"]
            assert each["description"].rstrip().endswith(".")
            assert [told["name"] for told in each.get("parameters", ()) if "description" not in told] == []
            assert {"401", "403", "404", "409", "422", "429", "500", "503"} <= each["responses"].keys()
            assert ("415" in each["responses"]) == ("requestBody" in each), f"{method} {each['operationId']}"
            assert {"bearer": []} in each["security"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_a_sentence_is_enough_for_a_spec(web: TestClient) -> None:
    whole = web.post("/sizes", json={"demand": SPEC["demand"]})
    assert whole.status_code == 200
    assert web.post("/sizes", json=SPEC["demand"]).json() == whole.json()


def test_the_web_says_what_answers_here(web: TestClient, own: AudienceService) -> None:
    assert web.get("/health").json() == {"ready": True}
    assert web.get("/capabilities").json()["model_version"] == own.describe_data().model_version


def test_a_campaign_from_saving_to_the_outcome(web: TestClient, own: AudienceService) -> None:
    saved = web.post("/audiences", json=SAVE, headers=key("a"))
    assert saved.status_code == 201
    assert web.get(saved.headers["Location"]).json() == saved.json()
    assert web.get("/audiences/Coffee").headers["ETag"] == saved.headers["ETag"]
    wider = SAVE | {"spec": SPEC | {"cut": 0.6}, "name": "Wide", "holdout": 0.5}
    assert web.post("/audiences", json=wider, headers=key("b")).json()["holdout"] > 100
    rest = {"operation": "not", "audiences": ["Wide", "Coffee"]}
    there = web.post("/combinations/sizes", json=rest).json()["users"]
    joined = web.post("/combinations", json=rest | {"name": "Rest", "approved_by": "Ada"}, headers=key("c"))
    assert joined.json()["users"] == there > 0
    again = web.post("/audiences", json=SAVE | {"approved_by": "Bo"}, headers=key("d")).json()
    assert (again["id"], again["version"]) == (saved.json()["id"], 2)
    assert web.get(f"/audiences/{again['id']}/versions/1").json() == saved.json()
    file = web.post("/audiences/Coffee/exports", json={}, headers=key("e"))
    content = web.get(file.headers["Location"])
    assert file.json()["rows"] == len(content.text.splitlines()) - 1
    [elsewhere] = file.json()["left_out"]
    assert elsewhere["reason"] == "held out elsewhere"
    assert file.json()["rows"] + elsewhere["users"] == again["users"] - again["holdout"]
    assert str(own.settings.workspace) not in file.text
    assert "no outcome" in problem(web.get("/audiences/Coffee/outcome"), 404).lower()
    users = "user_id\n" + "\n".join(f"h{number:03}" for number in range(0, 400, 4))
    brought = web.post(
        "/audiences/Coffee/outcome", json={"approved_by": "Ada", "responders_csv": users}, headers=key("f")
    )
    assert brought.status_code == 201
    assert brought.json()["source"] == "file"
    assert web.get("/audiences/Coffee/outcome").json() == brought.json()
    counted = web.post("/audiences/Coffee/outcome", json={"approved_by": "Ada"}, headers=key("g"))
    assert counted.json()["source"] == "data"


def test_who_is_told_and_what_drifted(web: TestClient, own: AudienceService) -> None:
    hook = {"url": "https://example.com/hook", "events": ["audience.ready"]}
    made = web.post("/webhooks", json=hook)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    shown = {name: value for name, value in made.json().items() if name != "secret"}
    assert web.get("/webhooks").json() == [shown]
    assert "told already" in problem(web.post("/webhooks", json=hook), 422)
    assert "no address to send to" in problem(web.post("/webhooks", json={"url": "ftp://x"}), 422)
    web.post("/audiences", json=SAVE, headers=key("a"))
    [message] = web.get("/deliveries").json()
    assert (message["event"], message["state"]) == ("audience.ready", "waiting")
    drift = web.get("/audiences/Coffee/drift").json()
    assert (drift["reasons"], drift["came"], drift["left"]) == ([], None, None)
    assert web.delete(f"/webhooks/{shown['id']}").json() == shown
    assert web.get("/deliveries").json()[0]["state"] == "given up"
    assert "There is no webhook" in problem(web.delete(f"/webhooks/{shown['id']}"), 404)
    assert web.get("/destinations").json() == to_jsonable_python(own.destinations.list())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "/sizes", {}, 422, "body.demand: Field required."),
        ("POST", "/sizes", SPEC | {"cut": 3}, 422, "body.cut: Input should be less than or equal to 1."),
        ("POST", "/sizes", SPEC | {"cuts": 0.1}, 422, "body.cuts: Extra inputs are not permitted."),
        ("POST", "/sizes", {"demand": "pregnant women"}, 422, ""),
        ("POST", "/sizes", SPEC | {"like": "nobody"}, 404, "There is no tuned demand 'nobody'"),
        ("POST", "/previews", SPEC | {"cut": 0.001}, 422, "This audience has"),
        ("POST", "/previews?count=0", SPEC, 422, "query.count: Input should be greater than or equal to 1."),
        ("POST", "/explanations", {"user_id": "x", "spec": SPEC}, 422, "There is no household 'x'"),
        ("POST", "/audiences", SAVE, 400, "Give the header Idempotency-Key"),
        ("GET", "/audiences/Tea", None, 404, "There is no saved audience 'Tea'; none is saved yet."),
        ("GET", "/audiences?cursor=x", None, 422, "There is no such page"),
        ("GET", "/exports/registry.db", None, 404, "There is no exported file"),
        ("GET", "/exports/..%2Fregistry.db", None, 404, "Nothing matches"),
        ("GET", "/jobs/job-0", None, 404, "There is no job 'job-0'."),
        ("GET", "/demands/regulars", None, 404, "There is no tuned demand 'regulars'"),
        ("GET", "/nothing", None, 404, "Nothing matches"),
        ("DELETE", "/audiences", None, 405, "Specified method is invalid"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(
    web: TestClient, method: str, path: str, body: Any, status: int, words: str
) -> None:
    assert problem(web.request(method, path, json=body), status).startswith(words)


def test_a_body_that_is_no_json_is_turned_away(web: TestClient) -> None:
    as_json = {"Content-Type": "application/json"}
    assert problem(web.post("/sizes", content="{", headers=as_json), 400).startswith("body.1: JSON decode error")
    assert "application/json" in problem(web.post("/sizes", content="demand=x"), 415)
    assert web.delete("/audiences").headers["Allow"] == "GET, POST"


def test_every_error_of_the_house_is_a_kind_of_problem(web: TestClient) -> None:
    tree = [each for each in vars(encoders.errors).values() if isinstance(each, type)]
    errors = [
        each("Why.", 7) if issubclass(each, TooManyCallsError) else each("Why.")
        for each in tree
        if issubclass(each, AudienceError)
    ]
    listed = {each["type"]: each["status"] for each in web.get("/problems").json()}
    for error in errors:
        told = problem_of(error, "/sizes", "")
        assert (told.detail, told.instance) == ("Why.", "/sizes")
        assert listed[told.type] == told.status
        assert told.title == KINDS[type(error)].title


def test_waiting_helps_where_it_is_said() -> None:
    def busy() -> AudienceService:
        raise TooManyCallsError("Too often.", 7)

    def opening() -> AudienceService:
        raise WorkspaceError("Try again in a few seconds.")

    late = asking(busy).get("/data")
    assert (problem(late, 429), late.headers["Retry-After"]) == ("Too often.", "7")
    early = asking(opening).get("/health")
    assert (problem(early, 503), early.headers["Retry-After"]) == ("Try again in a few seconds.", "5")


def test_a_bug_shows_nothing_of_itself() -> None:
    def broken() -> AudienceService:
        raise KeyError("secret")

    found = asking(broken).get("/data")
    assert problem(found, 500) == BROKEN
    assert "secret" not in found.text


def test_nothing_gets_past_the_check(own: AudienceService) -> None:
    def declines(spec: AudienceSpec) -> None:
        raise RequestError(f"Not {spec.demand}.")

    asked = TestClient(make_api(lambda: own, declines, Gate(Nowhere)))
    bodies: dict[str, Any] = dict.fromkeys(("/sizes", "/previews", "/profiles", "/skews"), SPEC)
    bodies |= {"/goals": {"spec": SPEC, "goal": {}}, "/explanations": {"user_id": "h001", "spec": SPEC}}
    bodies |= {"/comparisons": {"audiences": ["Coffee", SPEC]}, "/audiences": SAVE}
    for path, body in bodies.items():
        assert problem(asked.post(path, json=body, headers=key("k")), 422) == f"Not {SPEC['demand']}."
    tuned = asked.put("/demands/x", json={"seeds": ["h001"], "demand": SPEC["demand"]}, headers=key("k"))
    assert problem(tuned, 422) == f"Not {SPEC['demand']}."
    assert own.list_audiences() == ()


def test_names_pass_the_check_as_demands_do(own: AudienceService) -> None:
    """Platforms and other agents read them, and so does whoever is reached by one."""

    def declines(spec: AudienceSpec) -> None:
        if spec.demand == "People with cancer":
            raise RequestError("Not by that name.")

    asked, name = TestClient(make_api(lambda: own, declines, Gate(Nowhere))), "People with cancer"
    combined = {"operation": "or", "audiences": ["a", "b"], "name": name, "approved_by": "Robin"}
    answers = [asked.post("/audiences", json=SAVE | {"name": name}, headers=key("k"))]
    answers.append(asked.post("/combinations", json=combined, headers=key("l")))
    answers.append(asked.put(f"/demands/{name}", json={"seeds": ["h001"]}, headers=key("m")))
    assert {problem(each, 422) for each in answers} == {"Not by that name."}
    assert own.list_audiences() == ()
