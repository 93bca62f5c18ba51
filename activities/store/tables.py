"""Every table, as SQLModel classes. The migrations build them; a test compares the two.

Hot paths speak SQL to the driver (see `database.py`); these classes are the shape. JSON documents are kept as text,
exactly as they were written (numbers and escapes included); cast them to jsonb to query inside.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import BigInteger, Field, SQLModel


def _moment(*, null: bool = False, default: str | None = None) -> Any:
    return Column(
        DateTime(timezone=True), nullable=null, server_default=None if default is None else text(default)
    )


def _words(*, null: bool = False, default: str | None = "''") -> Any:
    return Column(Text, nullable=null, server_default=None if default is None or null else text(default))


class XrefRow(SQLModel, table=True):
    """One record of ours and the same record in one system; unique both ways."""

    __tablename__ = "xref"
    __table_args__ = (
        UniqueConstraint("system", "external_type", "external_id", name="xref_external"),
        Index("xref_by_id", "canonical_id"),
        Index("xref_by_external_id", "external_id"),
    )

    canonical_type: str = Field(primary_key=True, sa_type=Text)
    canonical_id: str = Field(primary_key=True, sa_type=Text)
    system: str = Field(primary_key=True, sa_type=Text)
    external_type: str = Field(primary_key=True, sa_type=Text)
    external_id: str = Field(sa_type=Text)
    entity: str = Field(sa_column=_words())
    recorded_at: datetime = Field(sa_column=_moment(default="now()"))


class MappingVersionRow(SQLModel, table=True):
    """One version of a vendor's maps; at most one is active."""

    __tablename__ = "mapping_version"
    __table_args__ = (
        Index("mapping_active", "vendor", unique=True, postgresql_where=text("state = 'active'")),
        CheckConstraint("state IN ('draft', 'active', 'retired')", name="mapping_state"),
    )

    vendor: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    state: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_column=_moment(default="now()"))


class MappingRow(SQLModel, table=True):
    """One line of one version: our code and the vendor's id."""

    __tablename__ = "mapping"

    vendor: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    kind: str = Field(primary_key=True, sa_type=Text)
    code: str = Field(primary_key=True, sa_type=Text)
    vendor_id: str = Field(sa_type=Text)
    name: str = Field(sa_column=_words())


class EffectRow(SQLModel, table=True):
    """One thing to be done once in the world (see `activities/effects.py`)."""

    __tablename__ = "effect"
    __table_args__ = (
        CheckConstraint(
            "state IN ('intent', 'sent', 'done', 'not_done', 'uncertain', 'void')", name="effect_state"
        ),
        Index("effect_by_correlation", "correlation_id"),
        Index("effect_open", "state", postgresql_where=text("state IN ('intent', 'sent', 'uncertain')")),
    )

    key: str = Field(primary_key=True, sa_type=Text)
    fingerprint: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    generation: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})
    tries: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    doubt: bool = Field(
        default=False, sa_column_kwargs={"server_default": text("false")}
    )  # some try may have landed, and nothing has proved the contrary since
    holder: int | None = Field(default=None, sa_type=BigInteger)
    vendor: str = Field(sa_column=_words())
    correlation_id: str = Field(sa_column=_words())
    result: str | None = Field(default=None, sa_type=Text)
    failure: str | None = Field(default=None, sa_type=Text)
    vendor_ref: str = Field(sa_column=_words())
    before_void: str | None = Field(default=None, sa_type=Text)
    first_sent_at: datetime | None = Field(default=None, sa_column=_moment(null=True))
    sent_at: datetime | None = Field(default=None, sa_column=_moment(null=True))
    sent_real: datetime | None = Field(default=None, sa_column=_moment(null=True))
    doubt_real: datetime | None = Field(default=None, sa_column=_moment(null=True))
    created_real: datetime = Field(sa_column=_moment(default="now()"))
    changed_real: datetime = Field(sa_column=_moment(default="now()"))


class EventRow(SQLModel, table=True):
    """One link of the append-only chain. `record` is the event in canonical JSON, exactly as it was hashed."""

    __tablename__ = "event"
    __table_args__ = (
        Index("event_by_correlation", "correlation_id", "seq"),
        Index("event_by_subject", "subject", "seq"),
        Index("event_by_type", "type", "seq"),
    )

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    id: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    type: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    correlation_id: str = Field(sa_type=Text)
    entity: str = Field(sa_type=Text)
    time: datetime = Field(sa_column=_moment())
    record: str = Field(sa_type=Text)
    hash: bytes = Field(sa_type=LargeBinary)


class EventHeadRow(SQLModel, table=True):
    """The end of the chain: what the next link hashes, and what a cut tail is measured against."""

    __tablename__ = "event_head"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    seq: int = Field(sa_type=BigInteger)
    hash: bytes = Field(sa_type=LargeBinary)


class EventAnchorRow(SQLModel, table=True):
    """A sealed point of the chain, kept apart from it; copies of it may be kept elsewhere."""

    __tablename__ = "event_anchor"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_type=LargeBinary)
    sealed_at: datetime = Field(sa_column=_moment(default="now()"))


class CaseRow(SQLModel, table=True):
    """One exception case; `body` is the whole `ExceptionCase`, the other columns are what lists filter by."""

    __tablename__ = "exception_case"
    __table_args__ = (
        Index("case_by_workflow", "workflow_id"),
        Index("case_open", "owner", "since", postgresql_where=text("state IN ('open', 'in-progress')")),
        Index("case_by_correlation", "correlation_id"),
    )

    case_id: str = Field(primary_key=True, sa_type=Text)
    workflow_id: str = Field(sa_type=Text)
    step: str = Field(sa_type=Text)
    code: str = Field(sa_type=Text)
    owner: str = Field(sa_type=Text)
    assignee: str = Field(sa_column=_words())
    state: str = Field(sa_type=Text)
    correlation_id: str = Field(sa_column=_words())
    customer_id: str = Field(sa_column=_words())
    entity: str = Field(sa_column=_words())
    since: datetime = Field(sa_column=_moment())
    body: str = Field(sa_type=Text)


class CaseNoteRow(SQLModel, table=True):
    """What somebody said or did about a case."""

    __tablename__ = "case_note"
    __table_args__ = (Index("case_note_by_case", "case_id", "note_id"),)

    note_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    case_id: str = Field(sa_type=Text, foreign_key="exception_case.case_id")
    at: datetime = Field(sa_column=_moment())
    actor: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)


class ActivationRow(SQLModel, table=True):
    """One activation of one quote. A quote has at most one that is live or completed, whatever the revision."""

    __tablename__ = "activation"
    __table_args__ = (
        Index(
            "activation_one_per_quote",
            "quote_id",
            unique=True,
            postgresql_where=text("state IN ('live', 'completed')"),
        ),
        UniqueConstraint("quote_id", "revision", "again", name="activation_edition"),
        CheckConstraint("state IN ('live', 'completed', 'unwound', 'cancelled')", name="activation_state"),
        Index("activation_by_start", "started_at"),
    )

    workflow_id: str = Field(primary_key=True, sa_type=Text)
    quote_id: str = Field(sa_type=Text)
    revision: str = Field(sa_type=Text)
    again: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    state: str = Field(sa_type=Text)
    actor: str = Field(sa_column=_words())
    reason: str = Field(sa_column=_words())
    started_at: datetime = Field(sa_column=_moment())
    finished_at: datetime | None = Field(default=None, sa_column=_moment(null=True))


class AccountTurnRow(SQLModel, table=True):
    """Who works on an account, and who waits, first come first served. It never expires."""

    __tablename__ = "account_turn"

    account: str = Field(primary_key=True, sa_type=Text)
    holder: str | None = Field(default=None, sa_type=Text)
    queue: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default=text("'{}'")))


class ClockRow(SQLModel, table=True):
    """The simulated business time, one row."""

    __tablename__ = "clock"

    id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    now: datetime = Field(sa_column=_moment())


class WaitRow(SQLModel, table=True):
    """A saga that waits for a business time."""

    __tablename__ = "business_wait"
    __table_args__ = (Index("business_wait_due", "due_at"),)

    workflow_id: str = Field(primary_key=True, sa_type=Text)
    wait_id: str = Field(primary_key=True, sa_type=Text)
    due_at: datetime = Field(sa_column=_moment())
    told: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class CursorRow(SQLModel, table=True):
    """How far a watch has read."""

    __tablename__ = "watch_cursor"

    name: str = Field(primary_key=True, sa_type=Text)
    cursor: str = Field(sa_type=Text)
    moved_at: datetime = Field(sa_column=_moment(default="now()"))


class ConnectorStateRow(SQLModel, table=True):
    """Whether a person has stopped an adapter."""

    __tablename__ = "connector_state"
    __table_args__ = (
        CheckConstraint("state IN ('running', 'paused', 'draining')", name="connector_state_known"),
    )

    vendor: str = Field(primary_key=True, sa_type=Text)
    state: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_column=_moment(default="now()"))


class LeaseRow(SQLModel, table=True):
    """One slot of a vendor's account-wide concurrency, in real time."""

    __tablename__ = "lease"

    vendor: str = Field(primary_key=True, sa_type=Text)
    slot: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    holder: str = Field(sa_column=_words())
    token: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default=text("0")))
    expires_at: datetime = Field(sa_column=_moment(default="'-infinity'"))


class DocumentRow(SQLModel, table=True):
    """A large document, addressed by its content."""

    __tablename__ = "document"

    hash: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    body: str = Field(sa_type=Text)
    stored_at: datetime = Field(sa_column=_moment(default="now()"))


class MasterDataRow(SQLModel, table=True):
    """One version of one part of our own master data."""

    __tablename__ = "master_data"

    kind: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    body: str = Field(sa_type=Text)
    actor: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    changed_at: datetime = Field(sa_column=_moment(default="now()"))


# What the migrations are compared with.
METADATA = SQLModel.metadata
