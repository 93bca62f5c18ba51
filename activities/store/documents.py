"""Large documents, content-addressed: written once, never changed, read by reference."""

import hashlib
from collections import OrderedDict
from typing import TypeVar

from pydantic import BaseModel

from activities.store.database import Database
from canonical.document import DocumentRef
from canonical.failures import Misconfigured

M = TypeVar("M", bound=BaseModel)

_KEPT = 16 * 1024 * 1024  # bytes of documents, as JSON, that a process keeps at hand


class Documents:
    """Put and get. Equal content is stored once.

    Each step of a saga asks for the same few documents, and they are frozen and never change: the latest ones are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: OrderedDict[tuple[str, type[BaseModel]], tuple[int, BaseModel]] = OrderedDict()
        self._size = 0

    async def put(self, kind: str, document: BaseModel) -> DocumentRef:
        """Store a document and return its reference. Safe to repeat."""
        body = document.model_dump_json()
        raw = body.encode()
        ref = DocumentRef(kind=kind, hash=hashlib.sha256(raw).hexdigest(), size=len(raw))
        await self._database.execute(
            "INSERT INTO document (hash, kind, body) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
            ref.hash,
            kind,
            body,
        )
        return ref

    async def get(self, ref: DocumentRef, kind: type[M]) -> M:
        """The document as its type. Misconfigured `document-missing` when the store does not have it."""
        known = self._kept.get((ref.hash, kind))
        if known is not None and isinstance(known[1], kind):
            self._kept.move_to_end((ref.hash, kind))
            return known[1]
        body = await self._database.fetchval("SELECT body FROM document WHERE hash = $1", ref.hash)
        if body is None:
            raise Misconfigured(
                f"the store has no {ref.kind} {ref.hash[:12]}",
                code="document-missing",
                fix="connect the worker to the database that the saga was started with (REVSAGA_DATABASE_URL)",
            )
        document = kind.model_validate_json(body)
        self._keep(ref, document)
        return document

    def _keep(self, ref: DocumentRef, document: BaseModel) -> None:
        if (ref.hash, type(document)) in self._kept:
            return
        self._kept[ref.hash, type(document)] = (ref.size, document)
        self._size += ref.size
        while self._size > _KEPT:
            _, (size, _) = self._kept.popitem(last=False)
            self._size -= size
