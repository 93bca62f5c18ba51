"""Errors as AvaTax words them: one object with a name, and details with number, severity and what it refers to."""

from typing import Any, NoReturn

from connectors.kit.sandbox import Refusal, Reply

NUMBERS = {
    "AuthenticationException": None,
    "CompanyInvalidException": 3,
    "EntityNotFoundError": 4,
    "ValueRequiredError": 5,
    "StringLengthError": 13,
    "JsonFormatError": 47,
    "UnhandledException": 50,
    "GetTaxError": 300,
    "MissingAddress": 304,
    "InvalidAddress": 309,
    "MissingLine": 311,
    "TimeoutRequested": 316,
    "InvalidDocumentType": 1310,
    "RequestLimitExceeded": 1715,
    "ConcurrentRequestLimitExceeded": 1716,
    "ServiceNotReady": 1718,
}
_HELP = "http://developer.avalara.com/avatax/errors/"


def error(
    status: int,
    name: str,
    message: str,
    *,
    description: str = "",
    refers: str | None = None,
    outer: str | None = None,
    target: str = "IncorrectData",
    headers: dict[str, str] | None = None,
) -> Reply:
    """An error answer. `outer` is the name on the outside where it differs from the detail's."""
    detail: dict[str, Any] = {
        "code": name,
        "number": NUMBERS[name],
        "message": message,
        "description": description,
        "faultCode": "Client",
        "helpLink": f"{_HELP}{name}",
        "refersTo": refers,
        "severity": "Error",
    }
    detail = {k: v for k, v in detail.items() if v is not None}
    body = {"code": outer or name, "message": message, "target": target, "details": [detail]}
    return Reply.json({"error": body}, status, headers)


def refuse(status: int, name: str, message: str, **more: Any) -> NoReturn:
    """Answer with an error."""
    raise Refusal(error(status, name, message, **more))


def unauthenticated() -> Reply:
    """The answer to a bad credential; this one has neither target nor number nor severity."""
    text = "Authentication failed."
    detail = {
        "code": "AuthenticationException",
        "message": text,
        "description": "Missing authentication or unable to authenticate the user or the account.",
        "faultCode": "Client",
        "helpLink": f"{_HELP}AuthenticationException",
    }
    return Reply.json(
        {"error": {"code": "AuthenticationException", "message": text, "details": [detail]}}, 401
    )
