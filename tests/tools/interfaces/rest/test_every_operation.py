"""Every operation over every interface: asked the same it answers the same, and it takes the same arguments."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from pydantic_core import to_jsonable_python

import audience_targeting
from agent.guard.verdict import permit
from encoders.errors import AudienceError
from encoders.workspace import Workspace
from tests import apart
from tests.planted import AS_OF, world_settings
from tests.tools.interfaces.rest.rest_doubles import SEEDS, served
from tools.access.callers import Tokens
from tools.access.gate import Gate
from tools.interfaces.langchain import targeting_tools
from tools.interfaces.mcp.answers import INCLUDE, parts, plain
from tools.interfaces.mcp.server import make_server
from tools.interfaces.rest.api import make_api
from tools.operations.operation import Effect, Interface, Operation
from tools.operations.table import BY_NAME, OPERATIONS
from tools.service import AudienceService
from tools.types import AudienceSpec

pytestmark = pytest.mark.slow

NEW = {"id", "created", "time", "warnings"}
DONE_ANEW: dict[str, set[str]] = {
    "tune": NEW,
    "refresh": NEW | {"holdout", "detects"},
    "delete_audience": NEW,
    "delete_export": NEW,
    **dict.fromkeys(("rename", "archive", "take_back", "restore"), NEW | {"name", "holdout", "archived"}),
    "deleted_audiences": {"audiences"},
    "add_webhook": NEW | {"url", "secret"},
    "remove_webhook": NEW | {"url"},
    "forget": NEW | {"users", "places"},
}
"""What every call does anew, and what differs then; the rest has a key or is recorded once, and answers the same."""
WORDS = {"title", "description", "examples", "$defs"}
UNSAID = {"maxLength", "minLength", "maxItems", "additionalProperties"}
BY_PROGRAMS = [name for name in BY_NAME if hasattr(audience_targeting.Client, name)]
NOT_THERE = {"delete_conversation", "reopen"}
"""What the example asks for is not there, or nobody serves: every interface says so in the same words."""


def spec(thing: str, cut: float = 0.3) -> AudienceSpec:
    return AudienceSpec(demand=f"Households that will buy {thing} in the next 28 days", cut=cut)


@dataclass
class Shop:
    """A workspace with something under the names of the examples, and every interface to it."""

    service: AudienceService
    address: str
    calls: int = 0

    def prepared(self, operation: Operation) -> dict[str, Any]:
        """The example of a row, with what is there in this world, also where an earlier call has deleted it."""
        given = dict(operation.example)
        self.calls += 1
        day = str(AS_OF + timedelta(days=7))
        there = {
            "user_id": "h100",
            "seeds": SEEDS,
            "users": [f"h{self.calls:03}"],
            "as_of": day,
            "conversation": "none",
        }
        there |= {"responders_csv": "user_id\nh100\nh104\n", "url": f"https://example.com/{self.calls}"}
        given |= {name: value for name, value in there.items() if name in given}
        match operation.name:
            case "similar":
                best = self.service.preview(AudienceSpec.model_validate(given["spec"]), 1)
                given["user_id"] = best[0].masked_id
            case "save" | "combine" | "tune":
                given["name"] = f"{operation.name} anew"
            case "delete_audience" | "refresh":
                if "Gone" in {each.name for each in self.service.list_audiences()}:
                    self.service.delete("Gone")
                given["audience"] = self.service.save(spec("tea"), "Gone", "Ada", f"gone {self.calls}").name
                given |= {"key": f"key {self.calls}"} if "key" in given else {}
            case "rename" | "archive" | "take_back" | "restore":
                given["audience"] = self.service.save(spec("tea"), f"Put away {self.calls}", "Ada", holdout=0.0).id
                given |= {"name": f"renamed {self.calls}"} if operation.name == "rename" else {}
                if operation.name == "restore":
                    self.service.delete(given["audience"])
            case "delete_export" | "exported":
                given["name"] = Path(self.service.export("Coffee", key=f"file {self.calls}").path).name
            case "remove_webhook":
                given["webhook"] = self.service.webhooks.add(f"https://example.com/{self.calls}").id
            case "job" | "cancel":
                given["job"] = httpx2.get(f"{self.address}/jobs").json()["jobs"][0]["id"]
        return given

    # --- the interfaces ---------------------------------------------------------------------------

    def direct(self, operation: Operation, given: dict[str, Any]) -> Any:
        asked = operation.input.model_validate(given)
        try:
            found = operation.answer(operation.allowed(asked, permit, lambda: self.service), asked)
        except AudienceError as error:
            return str(error)
        if isinstance(found, Path):
            return found.read_text()
        return to_jsonable_python(found)

    def mcp(self, operation: Operation, given: dict[str, Any]) -> Any:
        async def call() -> Any:
            async with Client(make_server(lambda: self.service, permit, Gate(lambda: self.service))) as client:
                every = {"include": list(more)} if (more := parts(operation.output)) else {}
                return await client.call_tool(operation.name, given | every)

        found = apart.run(call())
        if found.is_error:
            return found.content[0].text
        content = found.structured_content
        return content["result"] if content.keys() == {"result"} else content

    def langchain(self, operation: Operation, given: dict[str, Any]) -> Any:
        [tool] = [each for each in targeting_tools(self.service, permit) if each.name == operation.name]
        message = tool.invoke({"name": operation.name, "args": given, "id": "1", "type": "tool_call"})
        return json.loads(message.content) if message.status == "success" else message.content

    def rest(self, operation: Operation, given: dict[str, Any]) -> Any:
        """As the row says: what the path names, then what the query takes, and the rest is sent."""
        http, rest = operation.http, dict(given)
        headers = {"Idempotency-Key": rest.pop("key", f"key {self.calls}")}
        headers |= {"If-Match": "*"} if http.replaces else {}
        path = http.path.format_map(rest)
        rest = {name: value for name, value in rest.items() if f"{{{name}}}" not in http.path}
        bare = http.method in ("GET", "DELETE")
        query = {name: rest.pop(name) for name in list(rest) if bare or name in http.query}
        body = None if bare else (rest[http.body] if http.body else rest)
        found = httpx2.request(
            http.method, f"{self.address}{path}", params=query, headers=headers, json=body, timeout=60.0
        )
        if found.status_code >= 400:
            return found.json()["detail"]
        assert found.status_code == http.status
        if http.job:
            return self._ended(found.headers["Location"])
        return found.text if http.file else found.json() if found.content else None

    def program(self, operation: Operation, given: dict[str, Any]) -> Any:
        """By the client for programs, which takes and gives the types of the service."""
        asked = operation.input.model_validate(given)
        with audience_targeting.Client(self.address.removesuffix("/api")) as client:
            method = getattr(client, operation.name)
            key = {"key": f"key {self.calls}"} if "key" in signature(method).parameters else {}
            found = method(**key | {name: getattr(asked, name) for name in given})
        return found.decode() if isinstance(found, bytes) else to_jsonable_python(found)

    def _ended(self, place: str) -> Any:
        while not (job := httpx2.get(f"{self.address.removesuffix('/api')}{place}").json())["ended"]:
            pass
        return job["result"] or job["problem"]["detail"]


@pytest.fixture(scope="module")
def shop(world_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("asked") / "workspace"
    shutil.copytree(world_workspace.path, folder, ignore=shutil.ignore_patterns("locks", "registry.db"))
    service = AudienceService.open(world_settings(folder))
    for thing in ("coffee", "tea"):
        service.save(spec(thing), thing.capitalize(), "Ada", thing)
    service.tune("regulars", None, SEEDS)
    service.outcomes.from_data("Coffee", "Ada")
    with Tokens(Workspace(folder).tokens) as tokens, served(service, tokens) as address:
        yield Shop(service, address)
    service.close()


@pytest.mark.parametrize("name", BY_NAME)
def test_an_operation_answers_the_same_over_every_interface(shop: Shop, name: str) -> None:
    operation = BY_NAME[name]
    required = {each for each, about in operation.input.model_fields.items() if about.is_required()}
    assert required <= operation.example.keys(), f"the row of '{name}' needs an example that can be asked"
    if operation.watches_jobs:  # there is one interface to them
        assert operation.not_over.keys() == {Interface.MCP, Interface.LANGCHAIN}
        assert isinstance(shop.rest(operation, shop.prepared(operation)), dict)
        return
    expected = shop.direct(operation, shop.prepared(operation))
    assert isinstance(expected, str) == (name in NOT_THERE or operation.http.file), expected
    for interface, ask in (
        (Interface.MCP, shop.mcp),
        (Interface.REST, shop.rest),
        (Interface.LANGCHAIN, shop.langchain),
    ):
        if interface in operation.not_over:
            continue
        found, same = ask(operation, shop.prepared(operation)), expected
        if interface is Interface.MCP:
            same = plain(expected)
        if interface is Interface.REST and operation.http.shown:
            same = to_jsonable_python(operation.http.shown(operation.output.model_validate(expected), "/api"))
        new = DONE_ANEW.get(name, set())
        assert without(found, new) == without(same, new), interface


@pytest.mark.parametrize("name", BY_PROGRAMS)
def test_the_client_for_programs_gets_what_http_answers(shop: Shop, name: str) -> None:
    operation = BY_NAME[name]
    method = signature(getattr(audience_targeting.Client, name)).parameters
    assert set(method) - {"self", "key"} <= set(operation.input.model_fields)
    if operation.http.job or operation.watches_jobs:
        return
    given = shop.prepared(operation)
    given |= {"key": f"by a program: {name}"} if "key" in given else {}
    assert shop.program(operation, given) == shop.rest(operation, given)


def test_what_a_server_turns_down_is_an_error_with_its_problem(shop: Shop) -> None:
    with audience_targeting.Client(shop.address.removesuffix("/api")) as client:
        with pytest.raises(audience_targeting.ClientError, match="no saved audience") as raised:
            client.saved("nobody")
        assert raised.value.status == 404
        assert raised.value.problem["status"] == 404


def without(answer: Any, names: set[str]) -> Any:
    """An answer without some of its fields, wherever they are in it."""
    if isinstance(answer, dict):
        return {name: without(value, names) for name, value in answer.items() if name not in names}
    return [without(each, names) for each in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("name", BY_NAME)
def test_an_operation_takes_the_same_over_every_interface(name: str) -> None:
    operation = BY_NAME[name]
    expected = taken(operation.input.model_json_schema())
    document = make_api(closed, permit, Gate(closed)).openapi()
    assert over_rest(operation, document) == expected
    for interface, schemas in ((Interface.MCP, mcp_schemas()), (Interface.LANGCHAIN, langchain_schemas())):
        assert (name in schemas) == (interface not in operation.not_over)
        if name in schemas:
            fields, required = taken(schemas[name])
            if interface is Interface.MCP:
                fields.pop(INCLUDE, None)
                assert (fields, required) == (unsaid(expected[0]), expected[1])
                continue
            if interface is Interface.LANGCHAIN and "key" in fields:  # inside one program no answer is lost on the way
                required |= {"key"}
                fields["key"] = fields["key"] | {"minLength": 1}
                del fields["key"]["default"]
            assert (fields, required) == expected, interface


def taken(schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The arguments of a schema with their types, limits and defaults, and which have to be there."""
    return bare(schema, schema)["properties"] if "properties" in schema else {}, set(schema.get("required", ()))


def unsaid(schema: Any) -> Any:
    """A schema without what the list of tools leaves out to stay short; the limits hold all the same."""
    if isinstance(schema, list):
        return [unsaid(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: each for name, each in schema.items() if name not in UNSAID and (name != "default" or each)}
    return {name: unsaid(each) for name, each in kept.items()}


def bare(schema: Any, document: dict[str, Any]) -> Any:
    """A schema without words, and with what it refers to in its place."""
    if isinstance(schema, list):
        return [bare(each, document) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return bare(found, document)
    kept = {name: each for name, each in schema.items() if name not in WORDS and (name, each) != ("default", None)}
    fields = {name: bare(each, document) for name, each in schema.get("properties", {}).items()}
    return {name: fields if name == "properties" else bare(each, document) for name, each in kept.items()}


def over_rest(operation: Operation, document: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The arguments of a route, wherever they stand."""
    http = operation.http
    route = document["paths"][http.path][http.method.lower()]
    fields = {each["name"]: each for each in route.get("parameters", ()) if each["in"] != "header"}
    required = {name for name, each in fields.items() if each["required"]}
    found = {name: bare(each["schema"], document) for name, each in fields.items()}
    if "requestBody" in route:
        sent = bare(route["requestBody"]["content"]["application/json"]["schema"], document)
        found |= {http.body: sent} if http.body else sent["properties"]
        required |= {http.body} if http.body else set(sent.get("required", ()))
    headers = {each["name"]: bare(each["schema"], document) for each in route.get("parameters", ())}
    if "key" in operation.input.model_fields:
        found["key"] = {name: value for name, value in headers["Idempotency-Key"].items() if name != "pattern"}
        required.add("key")
    return found, required


def closed() -> AudienceService:
    raise AssertionError("listing opens nothing")


@cache
def mcp_schemas() -> dict[str, Any]:
    tools = apart.run(make_server(closed, permit, Gate(closed)).list_tools())
    return {tool.name: tool.input_schema for tool in tools}


@cache
def langchain_schemas() -> dict[str, Any]:
    nobody: Any = None
    return {tool.name: tool.args_schema.model_json_schema() for tool in targeting_tools(nobody, permit)}  # type: ignore[union-attr]


def test_what_only_looks_is_no_write_over_http() -> None:
    for operation in OPERATIONS:
        if operation.effect is Effect.READ:
            assert operation.http.method in ("GET", "POST")
            assert operation.http.status == 200
        if operation.http.method in ("PUT", "DELETE"):
            assert operation.effect.destructive
