"""Large documents travel by reference: content-addressed, immutable, kept in the store."""

from pydantic import Field

from canonical.base import Model


class DocumentRef(Model):
    """A stored document. Equal content has an equal reference."""

    kind: str = Field(description="what it is, e.g. `deal`, `plan`, `preview`")
    hash: str = Field(description="SHA-256 (hex) of its canonical JSON")
    size: int = Field(description="bytes of JSON")
