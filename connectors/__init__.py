"""Vendors' words turned into ours. Knows canonical only."""
