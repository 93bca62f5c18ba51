"""The fault matrix of a saga, generated from its Step data: every step x every fault x every outcome of the undo."""

from dataclasses import dataclass, field
from typing import Any

from workflows.kernel.step import AnyStep, StepKind
from workflows.quote_to_subscription import STEPS

FAULTS = ("rejected", "fails-before", "fails-after", "times-out-after", "cancelled")
UNDOS = ("fine", "fails-once", "refused")

QUOTE = "PATCH /services/data/v62.0/sobjects/SBQQ__Quote__c/"
ORDER = r"/v1/orders/O-[^/]+"
CALLS: dict[str, tuple[str, str]] = {
    "read-deal": ("salesforce", "GET /services/data/v62.0/query/"),
    "validate-deal": ("avalara", "GET /api/v2/companies/.*/nexus"),
    "lock-quote": ("salesforce", QUOTE),
    "open-account": ("zuora", "POST /v1/accounts$"),
    "check-method": ("stripe", "GET /v1/payment_methods/"),
    "attach-payment": ("zuora", "PUT /v1/accounts/"),
    "preview-order": ("zuora", "POST /v1/orders/preview"),
    "estimate-tax": ("avalara", "POST /api/v2/transactions/create"),
    "draft-order": ("zuora", "POST /v1/orders$"),
    "activate-order": ("zuora", f"PUT {ORDER}/activate"),
    "read-subscription": ("zuora", "GET /v1/subscriptions/"),
    "record-customer": ("netsuite", "PUT /services/rest/record/v1/customer/"),
    "record-contract": ("netsuite", "PUT /services/rest/record/v1/salesOrder/"),
    "write-back": ("salesforce", "POST /services/data/v62.0/composite"),
}
"""The call that a step stands or falls with."""
UNDO_CALLS: dict[str, tuple[str, str]] = {
    "lock-quote": ("salesforce", QUOTE),
    "open-account": ("zuora", "DELETE /v1/accounts/"),
    "attach-payment": ("zuora", "PUT /v1/accounts/"),
    "draft-order": ("zuora", f"PUT {ORDER}/cancel"),
}
REFUSALS: dict[str, dict[str, Any]] = {
    "salesforce": {
        "status": 400,
        "body": [
            {"message": "a rule says no", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": []}
        ],
    },
    "zuora": {
        "status": 200,
        "body": {
            "success": False,
            "processId": "P",
            "reasons": [{"code": 53100330, "message": "a rule says no"}],
        },
    },
    "stripe": {
        "status": 400,
        "body": {
            "error": {"type": "invalid_request_error", "code": "parameter_invalid_empty", "message": "no"}
        },
    },
    "avalara": {
        "status": 400,
        "body": {
            "error": {
                "code": "ValueRequiredError",
                "message": "no",
                "target": "IncorrectData",
                "details": [
                    {"code": "ValueRequiredError", "number": 5, "message": "no", "severity": "Error"}
                ],
            }
        },
    },
    "netsuite": {
        "status": 400,
        "body": {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "o:errorDetails": [{"detail": "a script says no", "o:errorCode": "INVALID_CONTENT"}],
        },
    },
}
"""How each vendor says no for good."""


@dataclass(frozen=True)
class Case:
    """One case: a fault at a step, and what becomes of the undo of `undone` when everything is taken back."""

    step: str
    fault: str
    undo: str = "fine"
    undone: str | None = None

    @property
    def name(self) -> str:
        """A readable id."""
        return "/".join(
            (self.step, self.fault, *((f"undo-of-{self.undone}", self.undo) if self.undone else ()))
        )

    @property
    def before_pivot(self) -> bool:
        """The step may still be taken back."""
        return _step(self.step).kind is StepKind.COMPENSATABLE


@dataclass
class Matrix:
    """All cases, and the steps that make no call of their own (they work on the store alone)."""

    cases: list[Case] = field(default_factory=list)
    without_call: list[str] = field(default_factory=list)


def _step(name: str) -> AnyStep:
    return next(step for step in STEPS if step.name == name)


def generate() -> Matrix:
    """From the Step data: a step that is called but has no row in `CALLS` must be local, or this fails."""
    matrix = Matrix()
    undoable: list[str] = []
    for step in STEPS:
        if step.undo is not None and step.name in UNDO_CALLS:
            undoable.append(step.name)
        elif step.undo is not None and not (step.manner and step.manner.local):
            raise AssertionError(f"{step.name} has an undo, and the matrix does not know its call")
        if step.name not in CALLS:
            if step.name != "find-contract" and not (step.manner and step.manner.local):
                raise AssertionError(f"{step.name} calls a vendor, and the matrix does not know which call")
            matrix.without_call.append(step.name)
            continue
        for fault in FAULTS:
            if step.kind is not StepKind.COMPENSATABLE or not undoable:
                matrix.cases.append(Case(step.name, fault))
                continue
            matrix.cases += [Case(step.name, fault, undo, one) for one in undoable for undo in UNDOS]
    return matrix
