"""An org on loopback: records, queries, conditional writes, composite calls, and CPQ's habit of finishing later."""

from connectors.salesforce.sandbox.app import SalesforceSandbox

__all__ = ["SalesforceSandbox"]
