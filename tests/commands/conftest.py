"""Commands are tested on the same engines as the sagas that they speak to."""

from tests.workflows.conftest import client, dev_server, skipping

__all__ = ["client", "dev_server", "skipping"]
