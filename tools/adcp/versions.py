"""Which release of the protocol an answer is written in: the one the caller asks for, or both forms at once."""

from pydantic import BaseModel

from tools.adcp.errors import TaskError

RELEASES = ("3.0", "3.1", "3.2")
MAJOR = 3


class Form(BaseModel):
    """What differs between the releases."""

    release: str
    """The release the answer is in; empty where the caller named none."""

    @property
    def named(self) -> bool:
        """Whether the answer says which release it is in, which came with 3.1."""
        return self.release not in ("", "3.0")

    @property
    def legacy(self) -> bool:
        """Whether signals carry ``signal_id``, which 3.0 asks for."""
        return self.release in ("", "3.0")

    @property
    def current(self) -> bool:
        """Whether they carry ``signal_ref``, the definition fields and the forecast, which came with 3.1."""
        return self.release != "3.0"


def form(version: str | None, major: int | None) -> Form:
    """The form of the answer for a release such as '3.1' (a later one of this major gets our latest).

    Raises:
        TaskError: it is of another major version.
    """
    asked = version.split("-")[0].split(".") if version else []
    if (asked and asked[0] != str(MAJOR)) or (major is not None and major != MAJOR):
        wanted = version or str(major)
        raise TaskError(
            "VERSION_UNSUPPORTED",
            f"AdCP {wanted} is not spoken here; {', '.join(RELEASES)} are.",
            field="adcp_version" if version else "adcp_major_version",
            suggestion="ask again in one of the supported versions",
            details={"supported_versions": list(RELEASES), "supported_majors": [MAJOR]},
        )
    if not asked:
        return Form(release="")
    minor = int(asked[1]) if len(asked) > 1 and asked[1].isdigit() else 0
    return Form(release=RELEASES[min(minor, len(RELEASES) - 1)])
