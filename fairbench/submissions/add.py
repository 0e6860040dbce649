"""Put an entry into a leaderboard folder: plain files in a folder of its own, so that git merges any two entries."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from fairbench.errors import UsageError, WorkError
from fairbench.evaluation.predictions import pack_predictions
from fairbench.files import cannot_write, write_json
from fairbench.leaderboard.records import RECORDS_FOLDER
from fairbench.protocol.record import Record
from fairbench.protocol.verdict import VERDICT_NAME, Verdict
from fairbench.submissions.archive import read_archive
from fairbench.submissions.bundle import CONFIG_NAME, PREDICTIONS_NAME, RECORD_NAME, read_bundle_record
from fairbench.submissions.card import CARD_NAME
from fairbench.submissions.checks import FailedCheckError

KEPT = (RECORD_NAME, CARD_NAME, CONFIG_NAME, PREDICTIONS_NAME)
"""What a board keeps of a bundle; weights are too large for it."""
NEEDED_UNVERIFIED = "aggregates"
"""An unverified entry must have passed this check and all before it: its numbers at least follow from its answers."""


def add_entry(path: Path, board: Path, verdict: Verdict, *, unverified: bool = False) -> Path:
    """Copy record, card, configuration and answers into ``<board>/<track>/records/``, with the verdict beside them.

    Args:
        path: the bundle.
        board: the leaderboard folder.
        verdict: on this very file.
        unverified: whether an entry is taken that was not asked again; its row is marked.

    Returns:
        The folder of the entry.

    Raises:
        WorkError: if the verdict does not allow it.
        UsageError: if the bundle changed since, belongs to no track, or the folder is taken or cannot be written.
    """
    _check_verdict(path, verdict, unverified=unverified)
    with tempfile.TemporaryDirectory(prefix="fairbench-") as name:
        unpacked = Path(name)
        try:
            read_archive(path, unpacked)
            record = read_bundle_record(unpacked)
        except FailedCheckError as error:
            raise UsageError(f"{path} changed after it was verified ({error}); verify it again") from None
        folder = board / _place(record, verdict)
        if folder.exists():
            raise UsageError(f"{folder} is there already; this bundle was added before")
        _copy(unpacked, folder, verdict)
    return folder


def _check_verdict(path: Path, verdict: Verdict, *, unverified: bool) -> None:
    failure = verdict.failure
    if failure is not None:
        raise WorkError(f"{path} was refused: {failure.name}: {failure.detail}")
    passed = {check.name for check in verdict.checks if check.outcome == "passed"}
    if not verdict.verified and not (unverified and NEEDED_UNVERIFIED in passed):
        raise WorkError(
            f"{path} is not verified; ask some images again with --images, or mark its row with --unverified"
        )


def _place(record: Record, verdict: Verdict) -> Path:
    """The entry's own folder; the bundle's hash keeps any two entries apart."""
    if record.track is None or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", record.track):
        raise UsageError(f"the record belongs to track {record.track!a}; a board has entries of tracks alone")
    method = re.sub(r"[^a-z0-9_.=+-]+", "-", record.method.lower())[:80].strip(".")
    return Path(record.track, RECORDS_FOLDER, f"{method}-seed{record.seed}-{verdict.bundle_sha256[:12]}")


def _copy(source: Path, folder: Path, verdict: Verdict) -> None:
    """The folder appears whole or not at all."""
    partial = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in KEPT:
            if name == PREDICTIONS_NAME:
                pack_predictions(source / name, partial / name)
            else:
                shutil.copyfile(source / name, partial / name)
        write_json(partial / VERDICT_NAME, verdict.model_dump(mode="json"))
        partial.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
