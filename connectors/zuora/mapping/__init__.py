"""Our words <-> theirs, pure both ways."""

from connectors.zuora.mapping.accounts import account, account_body
from connectors.zuora.mapping.held import order, order_status, subscription
from connectors.zuora.mapping.outgoing import (
    charge_number,
    draft_body,
    order_body,
    preview_body,
    trigger_body,
)
from connectors.zuora.mapping.previews import preview, references

__all__ = [
    "account",
    "account_body",
    "charge_number",
    "draft_body",
    "order",
    "order_body",
    "order_status",
    "preview",
    "preview_body",
    "references",
    "subscription",
    "trigger_body",
]
