"""What every test shares: a printed random seed, so that a red run can be played again."""

import os
import random

import pytest
from hypothesis import HealthCheck, settings

from tests.activities.postgres import database_url, postgres, store
from tests.builders.embedded import stack

# Named here, so that every test may ask for them.
__all__ = ["database_url", "postgres", "stack", "store"]

SEED = int(os.environ.get("REVSAGA_TEST_SEED") or random.SystemRandom().randrange(1, 2**31))

# Two cores are shared with a database and an engine: a slow example is no finding here.
settings.register_profile(
    "revsaga", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("revsaga")


def pytest_report_header() -> str:
    """Name the seed of the random slices of this run."""
    return f"seed: {SEED} (play it again with REVSAGA_TEST_SEED={SEED})"


@pytest.fixture(scope="session")
def seed() -> int:
    """The printed seed of the random slices of this run."""
    return SEED
