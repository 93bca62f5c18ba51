"""How the org says no: one exception that carries status, error code, message and fields."""

from typing import Any

from connectors.kit.sandbox import Refusal, Reply


class OrgError(Refusal):
    """An error answer of the data API."""

    def __init__(self, status: int, code: str, message: str, fields: list[str] | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        super().__init__(Reply.json(self.body(), status))

    def body(self) -> list[dict[str, Any]]:
        """The JSON array that the data API answers with."""
        item: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            item["fields"] = self.fields
        return [item]

    def inner(self) -> dict[str, Any]:
        """The same error inside a collection result, where the code is called `statusCode`."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields or []}


def not_found(what: str = "The requested resource does not exist") -> OrgError:
    """404 NOT_FOUND."""
    return OrgError(404, "NOT_FOUND", what)
