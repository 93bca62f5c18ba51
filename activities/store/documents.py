"""Large documents, content-addressed: written once, never changed, read by reference."""

import hashlib
from typing import TypeVar

from pydantic import BaseModel

from activities.store.database import Database
from canonical.document import DocumentRef
from canonical.failures import Misconfigured

M = TypeVar("M", bound=BaseModel)


class Documents:
    """Put and get. Equal content is stored once."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
        body = await self._database.fetchval("SELECT body FROM document WHERE hash = $1", ref.hash)
        if body is None:
            raise Misconfigured(
                f"the store has no {ref.kind} {ref.hash[:12]}",
                code="document-missing",
                fix="connect the worker to the database that the saga was started with (REVSAGA_DATABASE_URL)",
            )
        return kind.model_validate_json(body)
