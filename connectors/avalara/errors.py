"""AvaTax's error names, our failure kinds.

Business errors are nearly all HTTP 400 with a name; names listed by number only have an unconfirmed HTTP status, so the
table looks at the name first.
"""

from typing import Any

from canonical.failures import Failure, Kind
from connectors.kit.answer import Answer
from connectors.kit.errors import ErrorTable, Rule

TABLE = ErrorTable(
    "avalara",
    (
        Rule(
            kind=Kind.MISCONFIGURED,
            code="AuthenticationException|AccountInvalidException|InactiveAccount",
            name="credential-refused",
            field="license_key",
            fix="check account id and licence key of the tax engine; a newly generated key replaces the old one",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="PermissionRequired|SubscriptionRequired",
            name="permission-missing",
            fix="give the integration user of the tax engine the role or subscription that the message names",
        ),
        Rule(
            kind=Kind.MISCONFIGURED,
            code="CompanyInvalidException|CompanyNotFoundError",
            name="tax-company-unknown",
            field="company",
            fix="correct the tax company of the legal entity, or create it in the tax engine",
        ),
        Rule(
            kind=Kind.TRANSIENT,
            code="RequestLimitExceeded|ConcurrentRequestLimitExceeded|RateLimitExceeded(Error)?",
            name="rate-limited",
        ),
        Rule(kind=Kind.TRANSIENT, code="ServiceNotReady|NoHealthySite", name="unavailable"),
        Rule(
            kind=Kind.OUTCOME_UNKNOWN,
            code="TimeoutRequested|ServerConfiguration|UnhandledException|InternalServerError|ServerUnreachable"
            "|UnexpectedError|ServiceTimeout|ServiceDisconnected",
            name="tax-engine-failed",
        ),
        Rule(
            kind=Kind.CONFLICT,
            code="DocumentCodeConflict|TransactionAlreadyExists|TransactionAlreadyCancelled|TransactionNotCancelled"
            "|TransactionIsCommitted|InvalidDocumentStatus|DocumentNotCommitted|CannotModifyLockedTransaction"
            "|CannotAdjustDocumentType|DateMismatch|TotalAmountMismatch|TotalTaxMismatch",
        ),
        Rule(kind=Kind.CONFLICT, code="GetTaxError", message="DocStatus", name="tax-document-state"),
        Rule(
            kind=Kind.REJECTED,
            code="GetTaxError",
            message="zip is not valid|address|jurisdiction",
            name="tax-address-refused",
            field="address",
            fix="correct city, region and postal code of the customer's address",
        ),
        Rule(
            kind=Kind.REJECTED,
            code="MissingAddress|InvalidAddress|InvalidPostalCode|InsufficientAddress.*",
            name="tax-address-refused",
            field="address",
            fix="complete the address: a postal code, or street with city and region",
        ),
        Rule(
            kind=Kind.REJECTED,
            code="ValueRequiredError|StringLengthError|JsonFormatError|ModelStateInvalid|MissingLine"
            "|InvalidDocumentType|LineDoesNotExist|GetTaxError",
            name="tax-request-refused",
            fix="correct the field that the message names",
        ),
        Rule(kind=Kind.REJECTED, code="EntityNotFoundError", name="tax-record-unknown"),
        Rule(
            kind=Kind.MISCONFIGURED,
            status=404,
            message="without an error object",
            name="address-wrong",
            field="base_url",
            fix="set base_url to the address of the tax engine's API",
        ),
    ),
)
ADDRESS_CODES = frozenset({"tax-address-refused", "tax-request-refused"})


def _first(details: Any) -> dict[str, Any]:
    if isinstance(details, list):
        for detail in details:
            if isinstance(detail, dict):
                return detail
    return {}


def failure(answer: Answer) -> Failure:
    """What an answer that is no success stands for. Bodies without an error object, or that are no JSON, do happen."""
    found = answer.try_json()
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return TABLE.of(answer, code=None, message=f"status {answer.status} without an error object")
    detail = _first(error.get("details"))
    refers = detail.get("refersTo")
    parts = [error.get("message"), detail.get("description")]
    message = " ".join(dict.fromkeys(str(p) for p in parts if p)) or str(error.get("code"))
    return TABLE.of(
        answer,
        code=str(error.get("code") or detail.get("code") or ""),
        message=f"{message} ({refers})" if refers else message,
        field=str(refers) if refers else None,
    )
