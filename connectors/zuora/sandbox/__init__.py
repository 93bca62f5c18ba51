"""Zuora Billing on loopback, for tests and demos. It shares no code with the adapter."""

from connectors.zuora.sandbox.app import ZuoraSandbox
from connectors.zuora.sandbox.desk import CLIENT_ID, CLIENT_SECRET, Tenant

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Tenant", "ZuoraSandbox"]
