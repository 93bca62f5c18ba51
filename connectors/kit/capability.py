"""What an adapter can and cannot do, as data that the code obeys."""

from typing import Literal

from pydantic import Field

from canonical.base import Model


class Capability(Model):
    """The capability sheet of one vendor in one role. Sources are cited in the adapter's README."""

    vendor: str
    role: str
    idempotency: Literal["header", "external-id", "natural-key", "none"]
    idempotency_window_hours: int | None = Field(
        default=None, description="None: for ever, or not applicable"
    )
    stores_failures: bool = Field(default=False, description="whether a refusal is replayed to the same key")
    concurrency: int | None = Field(
        default=None, description="calls in flight over all clients of the account"
    )
    rate_per_second: float | None = None
    batch_sizes: dict[str, int] = Field(
        default_factory=dict, description="most records per call, by operation"
    )
    upsert_key: str | None = Field(default=None, description="the field that makes writing twice harmless")
    id_lengths: dict[str, int] = Field(default_factory=dict, description="longest number or key, by document")
    ordering: str = Field(default="none", description="what is promised about the order of events")
    event_retention_hours: int | None = None
    asynchronous: bool = Field(default=False, description="whether some answers come later, by polling")
    contract_document: str = Field(
        default="", description="what stands for the signed contract in this system"
    )
    recognises: str = Field(default="", description="what makes this system recognise revenue, if it does")
