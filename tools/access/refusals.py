"""Requests that are turned away before they reach the app, and how they are answered."""

from http import HTTPStatus

from starlette.responses import JSONResponse, PlainTextResponse, Response

BEARER = {"WWW-Authenticate": 'Bearer realm="audience"'}
BASIC = {"WWW-Authenticate": 'Basic realm="audience", charset="UTF-8"'}
"""Has a browser ask for the token in its own window."""


class RefusedError(Exception):
    """A request is not answered; whatever is behind the gate may raise it as long as no answer has begun."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        """Say why, in one sentence with the remedy."""
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}

    def response(self, as_problem: bool) -> Response:
        """The answer: problem details (RFC 9457) for programs, plain text for a browser window."""
        headers = self.headers | {"Cache-Control": "no-store"}
        if not as_problem:
            return PlainTextResponse(self.detail, self.status, headers)
        title = HTTPStatus(self.status).phrase
        problem = {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail}
        return JSONResponse(problem, self.status, headers, media_type="application/problem+json")
