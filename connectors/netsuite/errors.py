"""What their error codes mean to a saga. README.md says which of the codes are unconfirmed."""

from canonical.failures import Failure, Kind
from connectors.kit.answer import Answer
from connectors.kit.errors import ErrorTable, Rule

_LIMIT = "too many requests at a time for the account; the call is repeated by itself"

TABLE = ErrorTable(
    "netsuite",
    (
        Rule(
            kind=Kind.MISCONFIGURED,
            status=401,
            name="credential-refused",
            fix="see the Login Audit Trail of the account; check realm form, token, role and the clock of this machine",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="INSUFFICIENT_PERMISSION",
            name="permission-missing",
            fix="give the integration's role the permission that the message names",
        ),
        Rule(
            kind=Kind.TRANSIENT,
            code=".*CONCURRENCY_LIMIT.*|SSS_REQUEST_LIMIT_EXCEEDED",
            name="concurrency-limit",
            fix=_LIMIT,
        ),
        Rule(kind=Kind.TRANSIENT, status=429, name="concurrency-limit", fix=_LIMIT),
        Rule(
            kind=Kind.TRANSIENT,
            status=range(400, 500),
            message=r"concurrent request limit exceeded|request limit exceeded",
            name="concurrency-limit",
            fix=_LIMIT,
        ),
        Rule(
            kind=Kind.CONFLICT,
            code="RCRD_HAS_BEEN_CHANGED",
            name="record-changed",
            fix="read the record again, then repeat",
        ),
        Rule(
            kind=Kind.CONFLICT,
            code="DUP_.*|USER_ERROR",
            message=r"already exists",
            name="record-exists",
            fix="read the record with this external id and compare",
        ),
        Rule(
            kind=Kind.CONFLICT,
            code="DUP_.*",
            name="record-exists",
            fix="read the record with this external id and compare",
        ),
        Rule(
            kind=Kind.CONFLICT,
            code="IDEMPOTENCY_ERROR",
            name="key-used",
            fix="follow the first job instead of starting another",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="USER_ERROR|INVALID_CONTENT",
            message=r"(?=.*period)(?=.*\b(closed|locked)\b)",
            name="period-closed",
            fix="ask finance to open the accounting period, or move the transaction date",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=400,
            message=r"unknown field.*(cust(body|col|entity)|cseg)",
            name="field-not-deployed",
            fix="deploy the custom field in the account, or set its name in the settings of this adapter",
        ),
        Rule(
            kind=Kind.REJECTED, code="NONEXISTENT_ID", name="record-unknown", fix="check the id of the record"
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=404,
            code="",
            name="address-wrong",
            fix="check base_url: the host answers, but not as SuiteTalk",
        ),
        Rule(
            kind=Kind.REJECTED,
            status=400,
            code="INVALID_CONTENT|INVALID_PARAMETER|USER_ERROR|INVALID_KEY_OR_REF",
        ),
        Rule(
            kind=Kind.OUTCOME_UNKNOWN,
            status=range(400, 503),
            code="UNEXPECTED_ERROR",
            name="unexpected-error",
        ),
    ),
)


def absent(answer: Answer) -> bool:
    """Whether the answer says, in so many words, that the record does not exist. A bare 404 does not say so."""
    return answer.status == 404 and any(code == "NONEXISTENT_ID" for code, _, _ in details(answer))


def details(answer: Answer) -> list[tuple[str, str, str | None]]:
    """Code, text and path of each problem that the answer names."""
    body = answer.try_json()
    listed = body.get("o:errorDetails") if isinstance(body, dict) else None
    found: list[tuple[str, str, str | None]] = []
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict):
            pointer = entry.get("o:errorPath") or entry.get("o:errorQueryParam") or entry.get("o:errorHeader")
            found.append(
                (
                    str(entry.get("o:errorCode", "")),
                    str(entry.get("detail", "")),
                    str(pointer) if pointer else None,
                )
            )
    return found


def failure(answer: Answer) -> Failure:
    """The failure that an answer stands for. Several problems are told together; the first one decides the kind."""
    found = details(answer)
    code, _, path = found[0] if found else ("", "", None)
    text = "; ".join(text for _, text, _ in found) or f"answered {answer.status} without a reason"
    return TABLE.of(answer, code=code, message=text, field=path)
