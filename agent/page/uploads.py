"""Files that come in by the page: their kind and size are looked at while they come, and each belongs to a browser."""

from collections import OrderedDict
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from encoders.errors import RequestError
from tools.access.bounds import UPLOAD_BYTES, UPLOAD_FILES
from tools.access.refusals import RefusedError
from tools.uploads import checked_ending

_CHUNK = 1_000_000
_LONGEST_NAME = 100


class Kept(NamedTuple):
    """A file that waits to be used."""

    browser: str
    name: str
    """As the person calls it."""


class Uploads:
    """The files that were brought and not used yet, and the browser that brought each."""

    def __init__(self, folder: Path) -> None:
        """Keep files in a folder, each in one of its own."""
        self._folder = folder
        self._kept: OrderedDict[Path, Kept] = OrderedDict()

    async def take(self, request: Request, browser: str) -> Path:
        """Take in the one file of a request.

        Raises:
            RefusedError: it is no file of a kind that can be read, or too large; nothing of it is kept.
        """
        try:
            form = await _Parser(request.headers, request.stream(), max_files=1, max_fields=0).parse()
        except MultiPartException as error:
            raise RefusedError(400, error.message) from error
        except KeyError:
            raise RefusedError(400, "Send the file as multipart/form-data.") from None
        try:
            found = form.get("files")
            if not isinstance(found, UploadFile):
                raise RefusedError(400, "The request brings no file; choose one.")
            if (found.size or 0) > UPLOAD_BYTES:
                raise RefusedError(413, f"A file may have {UPLOAD_BYTES:,} bytes; bring only the columns needed.")
            path = await self._write(found)
        finally:
            await form.close()
        self._kept[path] = Kept(browser, Path(found.filename or "").name[-_LONGEST_NAME:])
        while len(self._kept) > UPLOAD_FILES:
            self.drop(next(iter(self._kept)))
        return path

    def name(self, path: str, browser: str) -> str | None:
        """What a file is called; None where this browser did not bring it."""
        kept = self._kept.get(Path(path))
        return kept.name if kept and kept.browser == browser else None

    def drop(self, path: Path) -> None:
        """Delete a file that was brought."""
        if self._kept.pop(path, None):
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    def close(self) -> None:
        """Delete what was not used."""
        for path in list(self._kept):
            self.drop(path)

    async def _write(self, file: UploadFile) -> Path:
        ending = Path(file.filename or "").suffix.lower()
        folder = self._folder / sha256(token_hex().encode()).hexdigest()
        folder.mkdir(mode=0o700, parents=True)
        path = folder / f"upload{ending}"
        path.touch(mode=0o600)
        with path.open("wb") as written:
            while chunk := await file.read(_CHUNK):
                written.write(chunk)
        return path


class _Parser(MultiPartParser):
    """Refuses a file by its ending before a byte of it is read."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is not None:
            try:
                checked_ending(Path(self._current_part.file.filename or ""))
            except RequestError as error:
                raise MultiPartException(str(error)) from error
