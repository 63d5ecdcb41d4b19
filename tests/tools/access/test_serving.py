"""The server on real sockets: who says nothing in time is closed, and so is one connection too many."""

import time
from collections.abc import Iterator
from contextlib import suppress
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection, create_server, socket
from threading import Thread

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from tools.access import http
from tools.access.http import configured
from tools.access.routes import Body, BodyKind, RefusedError
from tools.bounds import HEADER_BYTES

SOON = 0.5
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(params=["auto", "asyncio"])
def port(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(http, "HEADER_SECONDS", SOON)
    monkeypatch.setattr(http, "CONNECTIONS", 4)
    monkeypatch.setattr("tools.access.routes.BODY_SECONDS", SOON)

    async def slow(asked: Request) -> PlainTextResponse:
        headers = f"{asked.client and asked.client.host} {asked.url.scheme}"
        body = Body(asked.receive, BodyKind.JSON, None)
        try:
            await body.read_json()
        except RefusedError as refused:
            return PlainTextResponse(refused.detail, refused.status, {"Connection": "close"})
        return PlainTextResponse(headers)

    def app() -> ASGIApp:
        return Starlette(routes=[Route("/", slow, methods=["GET", "POST"])])

    listening = create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configured(app, loop=request.param))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def connection(port: int) -> Iterator[socket]:
    with create_connection(("127.0.0.1", port), timeout=10) as opened:
        yield opened


def heard(connection: socket) -> bytes:
    """Everything until the other side closes."""
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


def test_headers_that_do_not_end_are_not_waited_for(connection: socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    closed = False
    while not closed and time.monotonic() - began < 8:
        time.sleep(SOON / 5)
        try:
            connection.sendall(b"X-Slow: 1\r\n")
        except OSError:
            closed = True
    assert closed
    assert heard(connection) == b""


def test_a_connection_that_says_nothing_is_closed(connection: socket) -> None:
    began = time.monotonic()
    assert heard(connection) == b""
    assert time.monotonic() - began < 5


def test_the_second_request_of_a_connection_has_its_time_too(connection: socket) -> None:
    for _ in range(2):
        connection.sendall(WHOLE)
        answer = b""
        while not answer.endswith(b"127.0.0.1 http"):
            answer += connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200")
        time.sleep(2 * SOON)  # an idle connection is no slow one
    connection.sendall(WHOLE[:10])
    assert heard(connection) == b""


def of_bytes(size: int) -> bytes:
    """A request whose headers have so many bytes."""
    begin, end = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: ", b"\r\n\r\n"
    return begin + b"x" * (size - len(begin) - len(end)) + end


@pytest.mark.parametrize("piece", [1_000_000, 65_000, 4_000])
@pytest.mark.parametrize("size", [HEADER_BYTES, HEADER_BYTES + 1, 100_000])
def test_headers_are_bounded_however_they_arrive(connection: socket, size: int, piece: int) -> None:
    sent = of_bytes(size)
    connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    with suppress(OSError):  # the other side may close before the end
        for start in range(0, len(sent), piece):
            connection.sendall(sent[start : start + piece])
    fits = size <= HEADER_BYTES
    assert heard(connection)[:12] in ((b"HTTP/1.1 200",) if fits else (b"HTTP/1.1 400", b""))


@pytest.mark.parametrize(("size", "answered"), [(HEADER_BYTES, 2), (100_000, 1)])
def test_so_are_those_of_a_request_that_came_with_another(connection: socket, size: int, answered: int) -> None:
    connection.sendall(WHOLE + of_bytes(size))
    assert heard(connection).count(b"HTTP/1.1 200") == answered


def test_blanks_that_mean_nothing_count_as_well(connection: socket) -> None:
    connection.sendall(of_bytes(100_000).replace(b"x" * 90_000, b" " * 90_000))
    assert heard(connection)[:12] in (b"HTTP/1.1 400", b"")


def test_headers_that_do_not_end_are_bounded(connection: socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * HEADER_BYTES)
    assert heard(connection)[:12] in (b"HTTP/1.1 400", b"")


def test_a_body_that_does_not_end_is_not_waited_for(connection: socket) -> None:
    connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert heard(connection).startswith(b"HTTP/1.1 408")


def test_a_connection_too_many_is_closed_and_others_are_answered(port: int) -> None:
    opened = [create_connection(("127.0.0.1", port), timeout=10) for _ in range(8)]
    answers = []
    for each in opened:
        with each:
            try:
                each.sendall(WHOLE)
                answers.append(each.recv(65536)[:12])
            except OSError:
                answers.append(b"")
    assert answers.count(b"HTTP/1.1 200") >= 4
    assert answers.count(b"") >= 1


def test_nothing_that_a_proxy_says_is_believed(connection: socket) -> None:
    told = b"X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    connection.sendall(WHOLE.removesuffix(b"\r\n") + told)
    answer = heard(connection)
    assert answer.endswith(b"127.0.0.1 http")
    assert b"uvicorn" not in answer
