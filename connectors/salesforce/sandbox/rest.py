"""Records over REST: rows by id and by external id, conditional writes, composite calls and collections."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from connectors.salesforce.sandbox.faults import OrgError, not_found
from connectors.salesforce.sandbox.objects import SYSTEM, ObjectType, relationship
from connectors.salesforce.sandbox.query import Cursors, Run, record_body
from connectors.salesforce.sandbox.store import Org, Row, moment_of

HALTED = "The transaction was rolled back since another operation in the same transaction failed."
MAX_COMPOSITE = 25
MAX_COLLECTION = 200
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)\.([A-Za-z0-9_]+)\}")


@dataclass
class Result:
    """Status and body of one operation."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Rest:
    """The operations that single calls and composite sub-requests share."""

    org: Org
    cursors: Cursors
    version: str
    batch: int = 2000

    def run(self, deleted: bool = False) -> Run:
        """A query run at this version."""
        return Run(self.org, self.cursors, self.version, self.batch, deleted)

    # Rows

    def read(self, name: str, record_id: str, fields: list[str], headers: Mapping[str, str]) -> Result:
        """GET /sobjects/{name}/{id}."""
        kind = self.org.type(name)
        body = record_body(self.run(), kind, record_id, fields)
        row = self.org.get(kind.name, record_id)
        if row is not None and not self._unmodified(row, headers):
            return Result(412)
        return Result(200, body)

    def create(self, name: str, body: Row) -> Result:
        """POST /sobjects/{name}."""
        kind = self.org.type(name)
        row = self.org.insert(kind.name, body)
        self.org.effects.append((f"{kind.name}-created", row["Id"]))
        return Result(
            201, {"id": row["Id"], "success": True, "errors": []}, {"Location": self._place(kind, row)}
        )

    def update(self, name: str, record_id: str, body: Row, headers: Mapping[str, str]) -> Result:
        """PATCH /sobjects/{name}/{id}, obeying If-Unmodified-Since."""
        kind = self.org.type(name)
        row = self.org.get(kind.name, record_id)
        if row is None:
            raise not_found("Provided external ID field does not exist or is not accessible: " + record_id)
        if not self._unmodified(row, headers):
            message = "The record was modified after the time that the request names"
            raise OrgError(412, "PRECONDITION_FAILED", message)
        self.org.update(kind.name, record_id, body)
        return Result(204)

    def delete(self, name: str, record_id: str) -> Result:
        """DELETE /sobjects/{name}/{id}."""
        self.org.delete(self.org.type(name).name, record_id)
        return Result(204)

    def upsert(self, name: str, key: str, value: str, body: Row, update_only: bool = False) -> Result:
        """PATCH /sobjects/{name}/{external id}/{value}: 201 when made, 200 when changed, 300 when there are several."""
        kind = self.org.type(name)
        known = self._external(kind, key)
        if known in body:
            raise OrgError(
                400, "INVALID_FIELD", f"The {known} field should not be specified in the sobject data."
            )
        found = self.org.find(kind.name, known, value)
        if len(found) > 1:
            return Result(300, [self._place(kind, row) for row in found])
        if found:
            self.org.update(kind.name, found[0]["Id"], body)
            return Result(200, {"id": found[0]["Id"], "success": True, "errors": [], "created": False})
        if update_only:
            raise not_found()
        made = self.create(name, body | {known: value})
        return Result(201, made.body | {"created": True}, made.headers)

    def read_external(self, name: str, key: str, value: str) -> Result:
        """GET /sobjects/{name}/{external id}/{value}."""
        kind = self.org.type(name)
        found = self.org.find(kind.name, self._external(kind, key), value)
        if not found:
            raise not_found("The requested resource does not exist")
        if len(found) > 1:
            return Result(300, [self._place(kind, row) for row in found])
        return Result(200, record_body(self.run(), kind, found[0]["Id"], []))

    def describe(self, name: str) -> Result:
        """GET /sobjects/{name}/describe."""
        kind = self.org.type(name)
        fields = [
            {
                "name": field_name,
                "type": type_name,
                "label": field_name,
                "custom": field_name.endswith("__c"),
                "updateable": field_name not in kind.computed and field_name not in SYSTEM,
                "externalId": field_name in kind.unique,
                "length": kind.lengths.get(field_name, 255 if type_name == "string" else 0),
                "relationshipName": relationship(field_name) if field_name in kind.lookups else None,
                "referenceTo": [kind.lookups[field_name]] if field_name in kind.lookups else [],
            }
            for field_name, type_name in (SYSTEM | kind.fields).items()
        ]
        custom = kind.name.endswith("__c")
        return Result(200, {"name": kind.name, "keyPrefix": kind.prefix, "custom": custom, "fields": fields})

    def _external(self, kind: ObjectType, key: str) -> str:
        known = kind.actual(key)
        if known is None or known not in kind.unique:
            raise not_found("Provided external ID field does not exist or is not accessible: " + key)
        return known

    def _place(self, kind: ObjectType, row: Row) -> str:
        return f"/services/data/{self.version}/sobjects/{kind.name}/{row['Id']}"

    def _unmodified(self, row: Row, headers: Mapping[str, str]) -> bool:
        """Whole seconds against LastModifiedDate: two writes within one second are not told apart."""
        text = next((v for k, v in headers.items() if k.lower() == "if-unmodified-since"), None)
        if text is None:
            return True
        return moment_of(row["LastModifiedDate"]).replace(microsecond=0) <= _header_date(text)

    # Collections

    def collection(self, method: str, body: Any, upsert: tuple[str, str] | None = None) -> Result:
        """POST or PATCH /composite/sobjects[/{name}/{external id}]: 200, and each record's own result."""
        records = body.get("records") if isinstance(body, dict) else None
        if not isinstance(records, list) or not records:
            raise OrgError(400, "JSON_PARSER_ERROR", "The records list is missing or empty")
        if len(records) > MAX_COLLECTION:
            message = f"record limit reached. cannot submit more than {MAX_COLLECTION} records in this call"
            raise OrgError(400, "EXCEEDED_ID_LIMIT", message)
        with self.org.transaction() as roll_back:
            results = [self._one_of_many(method, record, upsert) for record in records]
            if body.get("allOrNone") and not all(r["success"] for r in results):
                roll_back()
                halted = {"statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message": HALTED, "fields": []}
                results = [r if not r["success"] else {"success": False, "errors": [halted]} for r in results]
        return Result(200, results)

    def _one_of_many(self, method: str, record: Row, upsert: tuple[str, str] | None) -> dict[str, Any]:
        name = record.get("attributes", {}).get("type", "")
        values = {k: v for k, v in record.items() if k not in {"attributes", "id", "Id"}}
        record_id = record.get("id") or record.get("Id") or ""
        try:
            with self.org.transaction():
                if upsert is not None:
                    key = values.pop(upsert[1], None)
                    done = self.upsert(upsert[0], upsert[1], str(key), values)
                    return {k: done.body[k] for k in ("id", "success", "errors", "created")}
                if method == "POST":
                    return dict(self.create(name, values).body)
                self.update(name, record_id, values, {})
                return {"id": record_id, "success": True, "errors": []}
        except OrgError as error:
            return {"success": False, "errors": [error.inner()]}

    def delete_many(self, ids: list[str], all_or_none: bool) -> Result:
        """DELETE /composite/sobjects?ids=."""
        results: list[dict[str, Any]] = []
        with self.org.transaction() as roll_back:
            for record_id in ids:
                kind = next((k for k in self.org.types.values() if record_id.startswith(k.prefix)), None)
                try:
                    if kind is None:
                        raise OrgError(400, "MALFORMED_ID", f"malformed id {record_id}")
                    self.org.delete(kind.name, record_id)
                    results.append({"id": record_id, "success": True, "errors": []})
                except OrgError as error:
                    results.append({"id": record_id, "success": False, "errors": [error.inner()]})
            if all_or_none and not all(r["success"] for r in results):
                roll_back()
        return Result(200, results)

    # Composite

    def composite(self, body: Any) -> Result:
        """POST /composite: HTTP 200 whatever became of the sub-requests, unless the envelope is malformed."""
        requests = _checked_envelope(body)
        parts: list[dict[str, Any]] = []
        bodies: dict[str, Any] = {}
        with self.org.transaction() as roll_back:
            for request in requests:
                done = self._sub_request(request, bodies)
                bodies[request["referenceId"]] = done.body if done.status < 300 else None
                parts.append(
                    {
                        "body": done.body,
                        "httpHeaders": done.headers,
                        "httpStatusCode": done.status,
                        "referenceId": request["referenceId"],
                    }
                )
                if done.status >= 300 and body.get("allOrNone"):
                    roll_back()
                    parts = _halted(requests, parts[-1])
                    break
        return Result(200, {"compositeResponse": parts})

    def _sub_request(self, request: dict[str, Any], bodies: dict[str, Any]) -> Result:
        try:
            url, body = _with_references((request["url"], request.get("body") or {}), bodies)
            # Whether sub-requests may be conditional is not documented, so a condition counts for nothing here.
            with self.org.transaction():
                return self._dispatch(request["method"].upper(), url, body)
        except OrgError as error:
            return Result(error.status, error.body())

    def _dispatch(self, method: str, url: str, body: Any) -> Result:
        path, _, query = url.partition("?")
        steps = [unquote(step) for step in path.strip("/").split("/")]
        options = {k: v[0] for k, v in parse_qs(query).items()}
        if steps[:2] != ["services", "data"] or len(steps) < 4:
            raise OrgError(400, "INVALID_URL", f"{url} is not an address of the data API")
        match method, steps[3], steps[4:]:
            case "GET", "query", _:
                return Result(200, self.run().answer(options.get("q", "")))
            case "POST", "sobjects", [name]:
                return self.create(name, body)
            case "GET", "sobjects", [name, record_id]:
                fields = options.get("fields", "")
                return self.read(name, record_id, fields.split(",") if fields else [], {})
            case "PATCH", "sobjects", [name, record_id]:
                return self.update(name, record_id, body, {})
            case "DELETE", "sobjects", [name, record_id]:
                return self.delete(name, record_id)
            case "PATCH", "sobjects", [name, key, value]:
                return self.upsert(name, key, value, body)
            case (("POST" | "PATCH"), "composite", ["sobjects"]):
                return self.collection(method, body)
        raise not_found()


def _header_date(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        raise OrgError(400, "INVALID_HEADER", f"If-Unmodified-Since: {text} is no HTTP date") from None


def _checked_envelope(body: Any) -> list[dict[str, Any]]:
    requests = body.get("compositeRequest") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise OrgError(400, "JSON_PARSER_ERROR", "Missing required field: compositeRequest")
    if len(requests) > MAX_COMPOSITE:
        raise OrgError(
            400, "LIMIT_EXCEEDED", f"Limit exceeded. Number of subrequests may not exceed {MAX_COMPOSITE}"
        )
    seen: set[str] = set()
    for request in requests:
        reference = request.get("referenceId", "")
        if not re.fullmatch(r"[A-Za-z0-9_]+", reference) or reference in seen:
            raise OrgError(
                400, "INVALID_INPUT", "Provided referenceId is missing, not unique or not alphanumeric"
            )
        seen.add(reference)
        forbidden = {h.lower() for h in request.get("httpHeaders") or {}} & {
            "authorization",
            "accept",
            "content-type",
        }
        if forbidden or not {"method", "url"} <= request.keys():
            raise OrgError(400, "INVALID_INPUT", "The subrequest is malformed")
    return requests


def _halted(requests: list[dict[str, Any]], culprit: dict[str, Any]) -> list[dict[str, Any]]:
    """After a rollback the culprit keeps its own error, and everything else says only that it was halted."""
    body = [{"errorCode": "PROCESSING_HALTED", "message": HALTED}]
    return [
        culprit
        if request["referenceId"] == culprit["referenceId"]
        else {"body": body, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": request["referenceId"]}
        for request in requests
    ]


def _with_references(value: Any, bodies: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _looked_up(found, bodies), value)
    if isinstance(value, dict):
        return {k: _with_references(v, bodies) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_references(v, bodies) for v in value)
    return value


def _looked_up(found: re.Match[str], bodies: dict[str, Any]) -> str:
    body = bodies.get(found.group(1))
    if not isinstance(body, dict) or found.group(2) not in body:
        message = f"Invalid reference specified. No value for {found.group(1)}.{found.group(2)} found"
        raise OrgError(400, "PROCESSING_HALTED", message)
    return str(body[found.group(2)])
