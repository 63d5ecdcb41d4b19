"""Users' vectors and attributes in Chroma; the only file that imports chromadb.

Chroma keeps the vectors and answers "who is nearest". Whoever counts takes ``snapshot`` and scans all of it, because
the nearest neighbours of an index are approximate and limited in number.

One collection holds one state of the world: a data version, a model version and an as-of date. It counts only once
it is complete, so an interrupted indexing run is continued and never mistaken for a small population. There is one
per model: when the world moves on, the collection takes the new name and only the users are written who are no longer
what they were. Every record carries the fingerprint of what it was made from, so that this is seen record by record,
whatever run left it there.
"""

import json
import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from encoders.errors import BrokenIndexError, WorkspaceError
from encoders.workspace import Progress, Workspace, plain_faults, silent
from tools.storage.vector_attributes import Attributes, condition, fields, known
from tools.types import Filter

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection as Chromas

log = logging.getLogger(__name__)

BATCH = 5_000
"""Records per call; Chroma takes at most 5,461."""

_SPACE = {"hnsw": {"space": "cosine", "ef_construction": 400, "ef_search": 400}}
"""The wider search finds all of the true neighbours in small populations; Chroma's defaults find half of them."""

FINGERPRINT = "audience:fingerprint"
"""Where a record keeps its fingerprint, among the attributes."""

_DIGEST = "digest"
"""Where a complete collection keeps the digest of its ids and vectors."""

ROOM, GROWTH, PER_RECORD = 16 * 2**20, 8, 1024
"""A folder is built again when it takes more bytes than ROOM + GROWTH * n * (4 * d + PER_RECORD); usual is a growth of
1 to 2, measured on 400 to 20,000 users of d = 64."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class UserRecords:
    """The n users that a collection shall hold."""

    model: str
    """The version of the model that makes their vectors."""
    ids: Sequence[str]
    """All different."""
    fingerprints: NDArray[np.int64]
    """[n]: a record is written again when its fingerprint is another; it covers the vector and the attributes."""
    attributes: Sequence[Attributes]
    """Attribute to value, [n]; None means unknown and is left out."""
    encode: Callable[[NDArray[np.int64]], Vectors]
    """Makes the vectors of some of the n, by their places: float32 of shape [len(places), d], no row of zeros."""


@dataclass(frozen=True)
class CollectionCopy:
    """Everything in one collection."""

    called: str
    """Chroma's name for it."""
    metadata: dict[str, Any]
    ids: list[str]
    vectors: Vectors
    attributes: list[Any]

    def without(self, users: Collection[str]) -> "CollectionCopy":
        """The same without some users."""
        kept = [row for row, user in enumerate(self.ids) if user not in users]
        rows = [self.attributes[row] for row in kept]
        return CollectionCopy(self.called, self.metadata, [self.ids[row] for row in kept], self.vectors[kept], rows)


def collection_name(data_version: str, model_version: str, as_of: date) -> str:
    """The collection that holds the users as this model saw them on this date."""
    return f"users-{data_version}-{model_version}-{as_of}"


class VectorStore:
    """The users of one workspace, in its own folder or on a Chroma server; use it as a context manager or close it."""

    def __init__(self, workspace: Workspace, url: str = "", patience: float = 0.0) -> None:
        """Open the store.

        Args:
            workspace: the folder to use, and the owner of the collections on a server.
            url: a Chroma server as http://host:port; empty for the folder in the workspace.
            patience: seconds to wait for another process that owns the folder.

        Raises:
            BrokenIndexError: the folder is damaged, or the server does not answer.
            WorkspaceError: another process owns the folder.
        """
        self._where = url or str(workspace.chroma)
        self._workspace = workspace
        self._remote = bool(url)
        self._owner = str(workspace.path.resolve())
        self._tag = f"-{sha256(self._owner.encode()).hexdigest()[:8]}"
        self._held, self._open = ExitStack(), ExitStack()
        try:
            if not url:
                remedy = (
                    f", or share the index: run 'chroma run --path {workspace.chroma}' "
                    "in place of that process and set AUDIENCE_CHROMA_URL=http://localhost:8000 for all"
                )
                self._held.enter_context(workspace.lock("chroma", remedy, patience))
            self._client = self._connect(url)
        except BaseException:
            self._held.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder free for another process."""
        with self._held:
            self._open.close()

    def names(self) -> list[str]:
        """Complete collections of this workspace."""
        with self._faults():
            found = self._mine()
        return sorted(each.name.removesuffix(self._tag) for each in found if each.metadata.get("complete"))

    def ready(self, name: str) -> bool:
        """Whether the collection is there and complete."""
        found = self._find(name)
        return found is not None and bool(found.metadata.get("complete"))

    def count(self, name: str) -> int:
        """Users in a complete collection."""
        collection = self._complete(name)
        with self._faults():
            return collection.count()

    def write(self, name: str, users: UserRecords, progress: Progress = silent) -> int:
        """Make ``name`` hold exactly these users; only those are encoded and written whose record is not there yet.

        Records are taken over from the collection of the same model, which takes the new name. An interrupted run is
        continued where it stopped.

        Args:
            name: from ``collection_name``.
            users: whom it shall hold.
            progress: told the share of the records that were to be written.

        Returns:
            How many users were encoded.

        Raises:
            WorkspaceError: the disk is full, the server went away or another process wrote to the same collection;
                calling again continues.
        """
        if not len(users.ids) == len(set(users.ids)) == len(users.fingerprints) == len(users.attributes):
            raise ValueError("ids, fingerprints and attributes must be of one length, and no id may come twice")
        wanted = dict(zip(users.ids, users.fingerprints.tolist(), strict=True))
        marks = {"owner": self._owner, "model": users.model, "fields": fields(users.attributes)}
        with self._faults():
            collection, kept = self._begin(name, wanted, marks)
        missing = np.array([row for row, user in enumerate(users.ids) if user not in kept], np.int64)
        for start in range(0, len(missing), BATCH):
            progress("Indexing users", start / len(missing))
            rows = missing[start : start + BATCH]
            vectors = users.encode(rows)
            with self._faults():
                collection.upsert(
                    ids=[users.ids[row] for row in rows],
                    embeddings=vectors,
                    metadatas=[
                        known(users.attributes[row]) | {FINGERPRINT: int(users.fingerprints[row])} for row in rows
                    ],
                )
        if not collection.metadata.get("complete"):
            self._finish(collection, wanted)
        if not self._remote and self._overgrown():
            log.warning("The index in %s has outgrown its users and is built again from what it holds.", self._where)
            self._rebuild(name)
        progress("Indexing users", 1.0)
        return len(missing)

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
        conditions = [condition(each, fields) for each in filters]
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

        Raises:
            BrokenIndexError: they are not what was written.
        """
        collection = self._complete(name)
        ids, matrix = self._read(collection)
        if collection.metadata.get(_DIGEST, "") not in ("", _digest(ids, matrix)):
            raise BrokenIndexError(f"The index in {self._where} is damaged: its vectors are not what was written.")
        return ids, matrix

    def _read(self, collection: "Chromas") -> tuple[list[str], Vectors]:
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
            kept = {self._called(name) for name in keep}
            dropped = sorted(each.name for each in self._mine() if each.name not in kept)
            for name in dropped:
                self._client.delete_collection(name)
        return [name.removesuffix(self._tag) for name in dropped]

    # --- for erasing users ------------------------------------------------------------------------

    def contents(self) -> Iterator[CollectionCopy]:
        """Every collection of the folder, complete or not.

        Those of a workspace that was elsewhere before are among them.
        """
        with self._faults():
            for each in self._client.list_collections():
                collection = self._client.get_collection(each.name, embedding_function=None)
                ids, vectors, rows = list[str](), list[Vectors](), list[Any]()
                for offset in range(0, collection.count(), BATCH):
                    page = collection.get(limit=BATCH, offset=offset, include=["embeddings", "metadatas"])
                    ids.extend(page["ids"])
                    vectors.append(np.asarray(page["embeddings"], dtype=np.float32))
                    rows.extend(page["metadatas"] or [])
                matrix = np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)
                yield CollectionCopy(each.name, dict(each.metadata or {}), ids, matrix, rows)

    def put_collection(self, copy: CollectionCopy) -> None:
        """Write a collection as ``contents`` gave it."""
        with self._faults():
            collection = self._create(copy.called, {**copy.metadata, _DIGEST: ""})
            for start in range(0, len(copy.ids), BATCH):
                part = slice(start, start + BATCH)
                collection.upsert(copy.ids[part], copy.vectors[part], copy.attributes[part])
            if copy.metadata.get("complete"):
                collection.modify(metadata={**collection.metadata, _DIGEST: _digest(*self._read(collection))})

    def delete_users(self, users: Sequence[str]) -> int:
        """Delete users from every collection of this workspace; how many records there were."""
        with self._faults():
            found = 0
            for each in self._mine():
                collection = self._client.get_collection(each.name, embedding_function=None)
                there = collection.get(list(users), include=[])["ids"]
                if there:
                    collection.delete(there)
                found += len(there)
        return found

    def _connect(self, url: str) -> "ClientAPI":
        made: Any = self._make_client(url)
        self._open.callback(made.close)
        if self._remote:  # Chroma's own close leaves its connections to the server open
            for each in (made, made._admin_client):
                self._open.callback(each._server._session.close)
        return cast("ClientAPI", made)

    def _make_client(self, url: str) -> "ClientAPI":
        if url:
            host, port, ssl = _address(url)
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
            raise BrokenIndexError(
                f"The index in {self._where} cannot be used ({_first_line(error)}); {remedy}."
            ) from error

    def _find(self, name: str) -> "Chromas | None":
        from chromadb.errors import NotFoundError

        with self._faults(), suppress(NotFoundError):
            return self._client.get_collection(self._called(name), embedding_function=None)
        return None

    def _complete(self, name: str) -> "Chromas":
        collection = self._find(name)
        if collection is None or not collection.metadata.get("complete"):
            raise WorkspaceError(f"The users are not indexed yet in {self._where}; run 'audience index'.")
        return collection

    def _begin(self, name: str, wanted: Mapping[str, int], marks: dict[str, str]) -> "tuple[Chromas, set[str]]":
        """The collection to write to, with no record that is not wanted, and the users whose record it has already.

        What is no longer wanted is deleted and never overwritten: for Chroma that is less than half the work. Deleted
        records stay in its graph as dead ends. When they would be more than half as many as the users, writing
        everybody into a new collection is faster; the earlier one is then left as it is until that is complete.
        """
        called, found = self._called(name), self._earlier(name, marks["model"])
        held = self._fingerprints(found) if found else {}
        if found and found.name == called and found.metadata.get("complete") and held == wanted:
            return found, set(held)
        kept = [user for user, fingerprint in held.items() if wanted.get(user) == fingerprint]
        stale = [user for user, fingerprint in held.items() if wanted.get(user) != fingerprint]
        worn = len(stale) + int(found.metadata.get("worn", 0)) if found else 0
        if found is None or not kept:
            if found and found.name == called:
                self._client.delete_collection(called)
            return self._create(called, marks), set()
        if 2 * worn > len(wanted) and found.name != called:
            fresh = self._create(called, marks)
            for start in range(0, len(kept), BATCH):
                page = found.get(kept[start : start + BATCH], include=["embeddings", "metadatas"])
                fresh.upsert(page["ids"], page["embeddings"], page["metadatas"])
            return fresh, set(kept)
        found.modify(called, {**marks, "worn": worn})
        for start in range(0, len(stale), BATCH):
            found.delete(stale[start : start + BATCH])
        return found, set(kept)

    def _create(self, called: str, marks: dict[str, str]) -> "Chromas":
        return self._client.create_collection(
            called,
            metadata=marks,
            configuration=_SPACE,  # type: ignore[arg-type]
            embedding_function=None,
        )

    def _earlier(self, name: str, model: str) -> "Chromas | None":
        """The collection of that name, or else of that model; a complete one rather than another."""
        called = self._called(name)
        fitting = [each for each in self._mine() if each.name == called or each.metadata.get("model") == model]
        if not fitting:
            return None
        best = max(fitting, key=lambda each: (each.name == called, bool(each.metadata.get("complete")), each.name))
        return self._client.get_collection(best.name, embedding_function=None)

    def _finish(self, collection: "Chromas", wanted: Mapping[str, int]) -> None:
        """Declare a collection complete, once it really holds what it shall, and drop others of its model."""
        with self._faults():
            if self._fingerprints(collection) != wanted:
                raise WorkspaceError(
                    f"The index in {self._where} is not what was written, as if another process wrote it at the same "
                    "time; run 'audience index' again."
                )
            written = _digest(*self._read(collection))
            collection.modify(metadata={**collection.metadata, "complete": True, _DIGEST: written})
            for other in self._mine():
                if other.metadata.get("model") == collection.metadata["model"] and other.name != collection.name:
                    self._client.delete_collection(other.name)

    def _overgrown(self) -> bool:
        """Whether the folder takes more of the disk than its records can explain (chroma#7510)."""
        with self._faults():
            sizes = [(each.count(), each) for each in self._client.list_collections()]
            records = sum(count for count, _ in sizes)
            page = next((each.get(limit=1, include=["embeddings"]) for count, each in sizes if count), None)
        width = len(page["embeddings"][0]) if page and page["embeddings"] is not None else 0
        # Holes count as well: a copy or a backup of the folder would fill them.
        used = sum(path.stat().st_size for path in self._workspace.chroma.rglob("*") if path.is_file())
        return used > ROOM + GROWTH * records * (4 * width + PER_RECORD)

    def _rebuild(self, name: str) -> None:
        """Write the records of a complete collection into a new folder; the vectors are not computed again."""
        with self._faults():
            old = self._complete(name)
            pages = [
                old.get(limit=BATCH, offset=offset, include=["embeddings", "metadatas"])
                for offset in range(0, old.count(), BATCH)
            ]
            marks = dict(old.metadata)
            self._open.close()
            shutil.rmtree(self._workspace.chroma)
            self._client = self._connect("")
            fresh = self._create(self._called(name), {key: marks[key] for key in ("owner", "model", "fields")})
            for page in pages:
                fresh.upsert(page["ids"], page["embeddings"], page["metadatas"])
            fresh.modify(metadata={**fresh.metadata, "complete": True, _DIGEST: _digest(*self._read(fresh))})

    def _fingerprints(self, collection: "Chromas") -> dict[str, object]:
        """What every record of a collection was made from, by user; None where it does not say."""
        held: dict[str, object] = {}
        for offset in range(0, collection.count(), BATCH):
            page = collection.get(limit=BATCH, offset=offset, include=["metadatas"])
            for user, row in zip(page["ids"], page["metadatas"] or [], strict=True):
                held[user] = (row or {}).get(FINGERPRINT)
        return held

    def _mine(self) -> "list[Chromas]":
        """The collections of this workspace, complete or not."""
        return [each for each in self._client.list_collections() if (each.metadata or {}).get("owner") == self._owner]

    def _called(self, name: str) -> str:
        """What Chroma calls a collection: a copy of this workspace on the same server has its own."""
        return f"{name}{self._tag}"


def _address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether to encrypt."""
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/"):
            ssl = parts.scheme == "https"
            return parts.hostname, parts.port or (443 if ssl else 8000), ssl
    raise WorkspaceError(f"AUDIENCE_CHROMA_URL is '{url}'; it should look like http://localhost:8000.")


def _digest(ids: Sequence[str], vectors: Vectors) -> str:
    digest = sha256("\n".join(ids).encode())
    digest.update(np.ascontiguousarray(vectors).tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
