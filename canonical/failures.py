"""The failure tree: the type says what happens next.

Failure
|-- Transient        nothing happened; try again by itself
|-- OutcomeUnknown   it may have happened; probe by business key, never blindly retry
|-- Rejected         the other side said no and nothing happened
|-- Conflict         the world moved; read again, then redo or undo
`-- Misconfigured    credentials, mapping, missing product, closed period: call the owner, never undo
"""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from canonical.base import Model


class Kind(StrEnum):
    """The five ways in which work with the outside can fail."""

    TRANSIENT = "Transient"
    OUTCOME_UNKNOWN = "OutcomeUnknown"
    REJECTED = "Rejected"
    CONFLICT = "Conflict"
    MISCONFIGURED = "Misconfigured"


class Owner(StrEnum):
    """The team that a case is routed to."""

    REVOPS = "revops"
    FINANCE_OPS = "finance-operations"
    INTEGRATION = "integration-support"


class Finding(Model):
    """One thing that is wrong, in words that its owner can act on."""

    code: str = Field(description="stable, kebab-case, e.g. `currency-unknown`")
    field: str = Field(
        description="dotted path of the field, e.g. `quote.lines[2].quantity`; empty when none"
    )
    message: str
    fix: str = Field(description="what to do next")
    owner: Owner = Owner.INTEGRATION


class FailureRecord(Model):
    """A failure as data: what crosses process borders and what a case keeps."""

    kind: Kind
    code: str
    message: str
    field: str | None = None
    fix: str | None = None
    retry_after: float | None = Field(default=None, description="seconds the other side asked us to wait")
    evidence: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


class Failure(Exception):
    """Something that failed, whose type is the saga's next move. Never raised itself: use a subclass."""

    kind: ClassVar[Kind]

    def __init__(
        self,
        message: str,
        *,
        code: str,
        field: str | None = None,
        fix: str | None = None,
        retry_after: float | None = None,
        evidence: dict[str, str] | None = None,
        findings: tuple[Finding, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field
        self.fix = fix
        self.retry_after = retry_after
        self.evidence = dict(evidence or {})
        self.findings = findings

    def record(self) -> FailureRecord:
        """The same failure as data."""
        return FailureRecord(
            kind=self.kind,
            code=self.code,
            message=self.message,
            field=self.field,
            fix=self.fix,
            retry_after=self.retry_after,
            evidence=self.evidence,
            findings=self.findings,
        )

    @staticmethod
    def of(record: FailureRecord) -> "Failure":
        """The exception that `record` describes."""
        return _TYPES[record.kind](
            record.message,
            code=record.code,
            field=record.field,
            fix=record.fix,
            retry_after=record.retry_after,
            evidence=record.evidence,
            findings=record.findings,
        )


class Transient(Failure):
    """Nothing happened: connect error, rate limit, service away. Temporal retries by itself."""

    kind = Kind.TRANSIENT


class OutcomeUnknown(Failure):
    """It may have happened: the answer was lost after the request had been sent."""

    kind = Kind.OUTCOME_UNKNOWN


class Rejected(Failure):
    """The other side said no, and nothing happened."""

    kind = Kind.REJECTED


class Conflict(Failure):
    """The world moved since we looked, or the same key was used with another content."""

    kind = Kind.CONFLICT


class Misconfigured(Failure):
    """Credentials, mapping, missing product, closed period: a person must mend the set-up; nothing is undone."""

    kind = Kind.MISCONFIGURED


_TYPES: dict[Kind, type[Failure]] = {
    t.kind: t for t in (Transient, OutcomeUnknown, Rejected, Conflict, Misconfigured)
}
