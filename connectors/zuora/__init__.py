"""Zuora Billing: accounts, orders and subscriptions over the v1 REST interface."""
