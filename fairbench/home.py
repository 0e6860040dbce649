"""The user's own folder of fairbench: bases, teachers and models that were brought here."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home_folder() -> Path:
    """The folder that ``FAIRBENCH_HOME`` names, else the user's data folder of the operating system."""
    named = os.environ.get("FAIRBENCH_HOME")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("fairbench"))
