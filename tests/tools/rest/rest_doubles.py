"""What stands in for the parts beside the resources."""

from contextlib import AbstractContextManager, nullcontext


class OpenGate:
    """Lets everybody in, and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def admitted(self, operation: str, /) -> AbstractContextManager[object]:
        """Let in a call."""
        self.asked.append(operation)
        return nullcontext()
