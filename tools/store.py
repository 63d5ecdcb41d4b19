"""Users' vectors and attributes in Chroma; the only file that imports chromadb.

Chroma keeps the vectors and answers "who is nearest". Whoever counts takes ``snapshot`` and scans all of it, because
the nearest neighbours of an index are approximate and limited in number.

One collection holds one state of the world: a data version, a model version and an as-of date. It counts only once
it is complete, so an interrupted indexing run is continued and never mistaken for a small population.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from encoders.errors import RequestError, WorkspaceError
from encoders.workspace import Progress, Workspace, plain_faults, silent
from tools.types import Filter

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

BATCH = 5_000
"""Records per call; Chroma takes at most 5,461."""

_SPACE = {"hnsw": {"space": "cosine", "ef_construction": 400, "ef_search": 400}}
"""The wider search finds all of the true neighbours in small populations; Chroma's defaults find half of them."""

Vectors = NDArray[np.float32]
Attributes = Mapping[str, str | None]


def collection_name(data_version: str, model_version: str, as_of: date) -> str:
    """The collection that holds the users as this model saw them on this date."""
    return f"users-{data_version}-{model_version}-{as_of}"


class VectorStore:
    """The users of one workspace, in its own folder or on a Chroma server; use it as a context manager or close it."""

    def __init__(self, workspace: Workspace, url: str = "") -> None:
        """Open the store.

        Args:
            workspace: the folder to use, and the owner of the collections on a server.
            url: a Chroma server as http://host:port; empty for the folder in the workspace.

        Raises:
            WorkspaceError: another process owns the folder, the folder is damaged, or the server does not answer.
        """
        self._where = url or str(workspace.chroma)
        self._workspace = workspace
        self._remote = bool(url)
        self._owner = str(workspace.path.resolve())
        self._open = ExitStack()
        try:
            self._client = self._connect(url)
        except BaseException:
            self._open.close()
            raise
        client: Any = self._client
        self._open.callback(client.close)
        if self._remote:  # Chroma's own close leaves its connections to the server open
            for each in (client, client._admin_client):
                self._open.callback(each._server._session.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder free for another process."""
        self._open.close()

    def names(self) -> list[str]:
        """Complete collections of this workspace."""
        with self._faults():
            found = self._client.list_collections()
        return sorted(
            each.name
            for each in found
            if (each.metadata or {}).get("owner") == self._owner and each.metadata.get("complete")
        )

    def ready(self, name: str) -> bool:
        """Whether the collection is there and complete."""
        found = self._find(name)
        return found is not None and bool(found.metadata.get("complete"))

    def count(self, name: str) -> int:
        """Users in a complete collection."""
        collection = self._complete(name)
        with self._faults():
            return collection.count()

    def replace(
        self,
        name: str,
        ids: Sequence[str],
        vectors: Vectors,
        attributes: Sequence[Attributes],
        progress: Progress = silent,
    ) -> None:
        """Make ``name`` hold exactly these users; a run that was interrupted is continued where it stopped.

        Args:
            name: from ``collection_name``.
            ids: n different user ids.
            vectors: float32 of shape [n, d], no row of zeros.
            attributes: n mappings of attribute to value; None means unknown and is left out.
            progress: told the share of users written.

        Raises:
            WorkspaceError: the disk is full, or the server went away; calling again continues.
        """
        if not len(ids) == len(set(ids)) == len(vectors) == len(attributes):
            raise ValueError("ids, vectors and attributes must be of one length, and no id may come twice")
        fields: dict[str, set[str]] = {}
        known = [{field: value for field, value in row.items() if value is not None} for row in attributes]
        for row in known:
            for field, value in row.items():
                fields.setdefault(field, set()).add(value)
        marks = {
            "owner": self._owner,
            "digest": _digest(ids, vectors, known),
            "fields": json.dumps({field: sorted(values) for field, values in fields.items()}),
        }
        collection = self._begin(name, marks)
        if collection.metadata.get("complete"):
            return
        with self._faults():
            for start in range(collection.count() // BATCH * BATCH, len(ids), BATCH):
                end = min(start + BATCH, len(ids))
                progress("Indexing users", start / len(ids))
                collection.upsert(
                    ids=list(ids[start:end]),
                    embeddings=np.asarray(vectors[start:end], dtype=np.float32),
                    metadatas=[row or None for row in known[start:end]],  # type: ignore[misc]
                )
            if collection.count() != len(ids):
                self._client.delete_collection(name)
                raise WorkspaceError(f"The index in {self._where} did not take every user; run 'audience index' again.")
            collection.modify(metadata={**marks, "complete": True})
        progress("Indexing users", 1.0)

    def nearest(
        self, name: str, vector: Vectors, k: int, filters: Sequence[Filter] = ()
    ) -> tuple[list[str], NDArray[np.float32]]:
        """The ``k`` users most similar to ``vector`` (shape [d]) among those that pass the filters, best first.

        Returns:
            Their ids and their cosine similarities, fewer than ``k`` where fewer pass.

        Raises:
            RequestError: a filter names an attribute no user has.
        """
        collection = self._complete(name)
        fields = json.loads(str(collection.metadata["fields"]))
        conditions = [_condition(each, fields) for each in filters]
        with self._faults():
            limit = min(k, collection.count())
            if limit < 1 or not all(condition for each in conditions for condition in each.values()):
                return [], np.empty(0, np.float32)
            where: Any = {"$and": conditions} if len(conditions) > 1 else next(iter(conditions), None)
            query = np.asarray(vector, dtype=np.float32)[None]
            found = collection.query(query_embeddings=query, n_results=limit, where=where, include=["distances"])
        distances = found["distances"] or [[]]
        return found["ids"][0], 1 - np.asarray(distances[0], dtype=np.float32)

    def snapshot(self, name: str) -> tuple[list[str], Vectors]:
        """Every user of the collection, for exact scans.

        Returns:
            The ids, sorted, and their vectors as float32 of shape [n, d] in the same order.
        """
        collection = self._complete(name)
        ids: list[str] = []
        pages: list[Vectors] = []
        with self._faults():
            total = collection.count()
            for offset in range(0, total, BATCH):
                page = collection.get(limit=BATCH, offset=offset, include=["embeddings"])
                ids.extend(page["ids"])
                pages.append(np.asarray(page["embeddings"], dtype=np.float32))
        if len(set(ids)) != total:
            raise WorkspaceError(f"The index in {self._where} changed while it was read; try again.")
        order = sorted(range(total), key=ids.__getitem__)
        matrix = np.concatenate(pages)[order] if pages else np.empty((0, 0), np.float32)
        return [ids[place] for place in order], matrix

    def drop_others(self, keep: Sequence[str]) -> list[str]:
        """Delete this workspace's collections that are not in ``keep``, complete or not; returns their names."""
        with self._faults():
            mine = [
                each for each in self._client.list_collections() if (each.metadata or {}).get("owner") == self._owner
            ]
            dropped = sorted(each.name for each in mine if each.name not in keep)
            for name in dropped:
                self._client.delete_collection(name)
        return dropped

    def _connect(self, url: str) -> "ClientAPI":
        if url:
            host, port, ssl = _address(url)
        else:
            remedy = (
                f", or share the index: run 'chroma run --path {self._workspace.chroma}' "
                "in place of that process and set AUDIENCE_CHROMA_URL=http://localhost:8000 for all"
            )
            self._open.enter_context(self._workspace.lock("chroma", remedy))
        import chromadb
        from chromadb.config import Settings as ChromaSettings

        quiet = ChromaSettings(anonymized_telemetry=False)
        with self._faults():
            if url:
                return chromadb.HttpClient(host=host, port=port, ssl=ssl, settings=quiet)
            try:
                return chromadb.PersistentClient(self._workspace.chroma, settings=quiet)
            except AttributeError:  # the ruin of an opening that failed before, which Chroma drops only now
                return chromadb.PersistentClient(self._workspace.chroma, settings=quiet)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Say in one sentence what is wrong with the folder or the server."""
        import httpx
        from chromadb.errors import ChromaError

        try:
            with plain_faults(self._workspace.chroma):
                yield
        except (httpx.HTTPError, ChromaError, ValueError) as error:
            if self._remote:
                remedy = "check that the server named in AUDIENCE_CHROMA_URL is running"
            else:
                remedy = "delete that folder and run 'audience index', which builds it again from the model"
            raise WorkspaceError(
                f"The index in {self._where} cannot be used ({_first_line(error)}); {remedy}."
            ) from error

    def _find(self, name: str) -> "Collection | None":
        from chromadb.errors import NotFoundError

        with self._faults(), suppress(NotFoundError):
            return self._client.get_collection(name, embedding_function=None)
        return None

    def _complete(self, name: str) -> "Collection":
        collection = self._find(name)
        if collection is None or not collection.metadata.get("complete"):
            raise WorkspaceError(f"The users are not indexed yet in {self._where}; run 'audience index'.")
        return collection

    def _begin(self, name: str, marks: dict[str, str]) -> "Collection":
        """The collection as an earlier run with the same content left it, or a new one."""
        collection = self._find(name)
        with self._faults():
            if collection is not None and collection.metadata.get("digest") == marks["digest"]:
                return collection
            if collection is not None:
                self._client.delete_collection(name)
            return self._client.create_collection(
                name,
                metadata=marks,
                configuration=_SPACE,  # type: ignore[arg-type]
                embedding_function=None,
            )


def _condition(wanted: Filter, fields: Mapping[str, list[str]]) -> dict[str, Any]:
    """A filter in Chroma's words; an empty one lets nobody through.

    Chroma's own "not in" would also pass users whose value is unknown, so it is spelled out as "in the others".
    """
    if wanted.field not in fields:
        raise RequestError(f"No user has the attribute '{wanted.field}'; there are: {', '.join(sorted(fields))}.")
    values = [value for value in fields[wanted.field] if (value in wanted.values) == (wanted.op == "is")]
    return {wanted.field: {"$in": values} if values else {}}


def _digest(ids: Sequence[str], vectors: Vectors, known: Sequence[Attributes]) -> str:
    """Equal for equal content, so that a run can tell its own beginnings from somebody else's."""
    digest = sha256(json.dumps([list(ids), list(known)], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(vectors, dtype=np.float32).tobytes())
    return digest.hexdigest()


def _address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether to encrypt."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/"):
            ssl = parts.scheme == "https"
            return parts.hostname, parts.port or (443 if ssl else 8000), ssl
    raise WorkspaceError(f"AUDIENCE_CHROMA_URL is '{url}'; it should look like http://localhost:8000.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
