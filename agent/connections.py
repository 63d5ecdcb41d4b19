"""Connections to servers of chat models, which give up on an answer that never ends."""

import atexit
from collections.abc import Iterator
from functools import cache
from time import monotonic
from typing import cast

import httpx2
from openai import DefaultHttpxClient


@cache
def connections(seconds: float) -> httpx2.Client:
    """The connections of this process that wait ``seconds`` for an answer to begin, and as long for it to end.

    A timeout alone begins anew with every byte, and some proxies send blanks to keep a connection open.
    """

    def limit(response: httpx2.Response) -> None:
        response.stream = _Ending(cast(httpx2.SyncByteStream, response.stream), monotonic() + seconds)

    client = DefaultHttpxClient(timeout=seconds, event_hooks={"response": [limit]})
    atexit.register(client.close)
    return client


class _Ending(httpx2.SyncByteStream):
    """The body of an answer, until a moment of the monotonic clock."""

    def __init__(self, body: httpx2.SyncByteStream, end: float) -> None:
        self._body, self._end = body, end

    def __iter__(self) -> Iterator[bytes]:
        for block in self._body:
            if monotonic() > self._end:
                raise httpx2.ReadTimeout("the answer did not end in time")
            yield block

    def close(self) -> None:
        """Let the connection go."""
        self._body.close()
