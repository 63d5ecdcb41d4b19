"""A system of one's own as a destination: signed batches to one URL."""

from typing import Any

from pydantic_core import to_json
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_attempt, wait_exponential_jitter

from encoders.errors import DestinationError
from tools.destinations.protocol import Batch
from tools.webhooks.posting import Answer, post

BATCH = 1000
TRIES = 4


class WebhookDestination:
    """Sends each batch as one message by the Standard Webhooks specification, whose id is that of the batch."""

    batch_size = BATCH

    def __init__(self, name: str, url: str, secret: str, private: bool) -> None:
        """Send to a URL.

        Args:
            name: what it was called when it was added.
            url: where to.
            secret: whsec_..., what the batches are signed with.
            private: whether addresses that are not public are allowed.
        """
        self.name = name
        self._to, self._private = (url, secret), private

    def send(self, batch: Batch) -> None:
        """Send one batch; what may work in a moment is tried again with growing waits.

        Raises:
            DestinationError: the receiver did not take it.
        """
        message: dict[str, Any] = {"type": "audience.members", "timestamp": batch.created, "data": batch}
        retrying = Retrying(
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential_jitter(initial=1, max=20),
            retry=retry_if_result(_again),
            retry_error_callback=_last,
        )
        answer: Answer = retrying(post, *self._to, batch.id, to_json(message).decode(), self._private)
        if not answer.taken:
            raise DestinationError(f"{self.name}: {answer.words}")


def _again(answer: Answer) -> bool:
    return answer.worth_repeating


def _last(state: RetryCallState) -> Answer:
    """What came of the last try."""
    assert state.outcome is not None
    answer: Answer = state.outcome.result()
    return answer
