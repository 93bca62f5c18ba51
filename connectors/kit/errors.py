"""Their codes, our failure kinds: a table that each vendor fills in, read from top to bottom, first match wins.

    TABLE = ErrorTable("acme", (
        Rule(kind=Kind.CONFLICT, status=409, code="VERSION_.*", fix="read again"),
        Rule(kind=Kind.TRANSIENT, status=range(400, 600), message="lock competition", name="locked"),
    ))
    raise TABLE.failure(status=409, code="VERSION_OLD", message="...", effect=True)
    raise TABLE.of(answer, code=..., message=...)       # status, effect, Retry-After and evidence from the answer

What no rule names: 429 and 503 Transient; other 5xx and 408 OutcomeUnknown after an effect, else Transient;
401 and 403 Misconfigured; 409, 412 and 423 Conflict; everything else Rejected.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from canonical.failures import Conflict, Failure, Kind, Misconfigured, OutcomeUnknown, Rejected, Transient
from connectors.kit.answer import Answer, retry_after
from connectors.kit.redact import redact

_TYPES: dict[Kind, type[Failure]] = {
    Kind.TRANSIENT: Transient,
    Kind.OUTCOME_UNKNOWN: OutcomeUnknown,
    Kind.REJECTED: Rejected,
    Kind.CONFLICT: Conflict,
    Kind.MISCONFIGURED: Misconfigured,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One line of the table. What is None is not looked at.

    `status`: one or a range; `code`: a regular expression that must match the whole code; `message`: one that is
    searched for; both ignore case. `name` is our stable code (kebab-case); by default it is made of the vendor's.
    """

    kind: Kind
    status: int | range | None = None
    code: str | None = None
    message: str | None = None
    effect: bool | None = None
    name: str | None = None
    fix: str | None = None
    field: str | None = None
    retry_after: float | None = None

    def matches(self, status: int, code: str, message: str, effect: bool) -> bool:
        """Whether this line speaks of that error."""
        if self.status is not None:
            wanted = self.status
            if status not in wanted if isinstance(wanted, range) else status != wanted:
                return False
        if self.effect is not None and effect is not self.effect:
            return False
        if self.code is not None and not re.fullmatch(self.code, code, re.IGNORECASE):
            return False
        return self.message is None or bool(re.search(self.message, message, re.IGNORECASE | re.DOTALL))


class ErrorTable:
    """The rules of one vendor."""

    _by_status: ClassVar[dict[int, Rule]] = {
        401: Rule(
            kind=Kind.MISCONFIGURED, name="credential-refused", fix="check the credential of this vendor"
        ),
        403: Rule(
            kind=Kind.MISCONFIGURED,
            name="permission-missing",
            fix="grant the permission that the vendor names",
        ),
        408: Rule(kind=Kind.OUTCOME_UNKNOWN),
        409: Rule(kind=Kind.CONFLICT),
        412: Rule(kind=Kind.CONFLICT),
        423: Rule(kind=Kind.CONFLICT),
        429: Rule(kind=Kind.TRANSIENT, name="rate-limited"),
        503: Rule(kind=Kind.TRANSIENT, name="unavailable"),
    }

    def __init__(self, vendor: str, rules: tuple[Rule, ...] = ()) -> None:
        self.vendor = vendor
        self.rules = rules

    def rule(self, *, status: int, code: str | None, message: str, effect: bool) -> Rule:
        """The line that decides."""
        for rule in self.rules:
            if rule.matches(status, code or "", message, effect):
                return rule
        if status in self._by_status:
            return self._by_status[status]
        return Rule(kind=Kind.OUTCOME_UNKNOWN if status >= 500 else Kind.REJECTED)

    def failure(
        self,
        *,
        status: int,
        code: str | int | None,
        message: str,
        effect: bool,
        field: str | None = None,
        retry_after: float | None = None,
        evidence: dict[str, str] | None = None,
    ) -> Failure:
        """The failure to raise. OutcomeUnknown becomes Transient when the call could not change anything."""
        text = None if code is None else str(code)
        rule = self.rule(status=status, code=text, message=message, effect=effect)
        kind = Kind.TRANSIENT if rule.kind is Kind.OUTCOME_UNKNOWN and not effect else rule.kind
        clean = redact(message).strip()[:500]
        known = {"vendor": self.vendor, "status": str(status)} | ({"vendor-code": text} if text else {})
        return _TYPES[kind](
            f"{self.vendor}: {clean or text or f'status {status}'}",
            code=rule.name or slug(self.vendor, text or str(status)),
            field=field or rule.field,
            fix=rule.fix,
            retry_after=rule.retry_after if retry_after is None else retry_after,
            evidence=known | (evidence or {}),
        )

    def of(
        self,
        answer: Answer,
        *,
        code: str | int | None,
        message: str,
        field: str | None = None,
        status: int | None = None,
        effect: bool | None = None,
    ) -> Failure:
        """The failure that `answer` stands for. `status` overrides its own, where the real one is in the body."""
        return self.failure(
            status=answer.status if status is None else status,
            code=code,
            message=message,
            effect=answer.effect if effect is None else effect,
            field=field,
            retry_after=retry_after(answer),
            evidence=answer.evidence(),
        )


def slug(*parts: str) -> str:
    """Words as one kebab-case code."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
