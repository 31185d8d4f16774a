"""Hypothesis profiles (`ci` when CI is set, else the usual number of examples); a database file."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci",
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at the newest revision without rows; copying it is quicker than making it."""
    from chat_app.db.migrations import upgrade
    from chat_app.settings import read_settings

    config = read_settings(data_dir=tmp_path_factory.mktemp("migrated"), database_url="")
    upgrade(config)
    assert config.sqlite_path is not None
    return config.sqlite_path
