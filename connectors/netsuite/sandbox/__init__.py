"""A NetSuite account on loopback: SuiteTalk REST with its own signatures, limits, sublists and error bodies."""

from connectors.netsuite.sandbox.account import NetsuiteSandbox
from connectors.netsuite.sandbox.signing import Passport
from connectors.netsuite.sandbox.tokens import Certificate

__all__ = ["Certificate", "NetsuiteSandbox", "Passport"]
