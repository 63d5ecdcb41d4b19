"""The base of every value that is read from a file, stored, or handed to somebody."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A value that cannot be changed and has no fields but its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
