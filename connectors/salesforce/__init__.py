"""The CRM and its quoting package: deals, accounts and quotes."""
