"""How the tables came to be, one file a step (see `activities/store/migrate.py`)."""
