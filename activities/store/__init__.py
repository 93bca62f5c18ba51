"""What must outlive a workflow, in PostgreSQL."""

from activities.store.migrate import differences, migrate, status
from activities.store.store import Store
from activities.store.xref import Xref

__all__ = ["Store", "Xref", "differences", "migrate", "status"]
