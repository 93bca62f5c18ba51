"""Error answers as SuiteTalk words them: one envelope, one or several details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.kit.sandbox import Refusal, Reply

MEDIA_TYPE = "application/vnd.oracle.resource+json; type=error"
_RFC = "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html"
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
}
_ACCESS = "Error while accessing a resource."


@dataclass(frozen=True)
class Detail:
    """One `o:errorDetails` entry."""

    code: str
    text: str
    path: str | None = None
    query: str | None = None
    header: str | None = None

    def body(self) -> dict[str, str]:
        """The entry as it travels; the pointers that are unset are left out."""
        said = {"detail": self.text, "o:errorCode": self.code}
        pointers = {"o:errorPath": self.path, "o:errorQueryParam": self.query, "o:errorHeader": self.header}
        return said | {name: value for name, value in pointers.items() if value is not None}


def problem(
    status: int, details: Sequence[Detail], *, title: str = "", headers: Mapping[str, str] | None = None
) -> Reply:
    """An error answer."""
    body = {
        "type": _RFC,
        "title": title or _TITLES.get(status, "Error"),
        "status": status,
        "o:errorDetails": [detail.body() for detail in details],
    }
    return Reply.json(body, status, {"content-type": MEDIA_TYPE, **(headers or {})})


def refuse(status: int, code: str, text: str, *, path: str | None = None) -> Refusal:
    """One refusal with a single detail."""
    return Refusal(problem(status, [Detail(code, text, path=path)]))


def invalid_login() -> Reply:
    """What every credential problem looks like from outside: the reason stands in the login audit trail only."""
    text = (
        "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI "
        "at Setup > Users/Roles > User Management > View Login Audit Trail."
    )
    challenge = {"www-authenticate": 'Bearer realm="NetSuite", error="invalid_token"'}
    return problem(401, [Detail("INVALID_LOGIN", text)], headers=challenge)


def invalid_value(value: object, name: str, path: str) -> Refusal:
    """A reference or scalar that the field does not take."""
    return refuse(
        400, "INVALID_CONTENT", f"{_ACCESS} Invalid value '{value}' for the field {name}.", path=path
    )


def missing(names: Sequence[str]) -> Refusal:
    """Mandatory fields that are not there."""
    return refuse(400, "USER_ERROR", f"{_ACCESS} Please enter value(s) for: {', '.join(names)}.")


def absent(kind: str) -> Refusal:
    """A record that does not exist."""
    text = f"The record instance does not exist. Provide a valid record instance ID. ({kind})"
    return refuse(404, "NONEXISTENT_ID", text)


def already_there(code: str) -> Refusal:
    """A second record with the same external id."""
    return refuse(400, code, f"{_ACCESS} This record already exists.")


def bad_parameter(name: str, value: str) -> Refusal:
    """A query parameter that cannot be used."""
    text = f"Invalid value '{value}' for the query parameter {name}."
    return Refusal(problem(400, [Detail("INVALID_PARAMETER", text, query=name)]))


def bad_header(name: str, wanted: str) -> Refusal:
    """A header that is missing or wrong."""
    text = f"The required request header '{name}' is missing or invalid. Its value must be '{wanted}'."
    return Refusal(problem(400, [Detail("INVALID_HEADER", text, header=name)]))
