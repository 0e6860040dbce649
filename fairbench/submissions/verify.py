"""Verify a bundle without trusting it: named checks in order, the first that fails ends it."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from fairbench import __version__
from fairbench.errors import UsageError
from fairbench.evaluation.records import record_sha256
from fairbench.files import sha256_file
from fairbench.progress import Progress, Silent
from fairbench.protocol.record import Record
from fairbench.protocol.verdict import Check, Verdict
from fairbench.submissions.archive import read_archive
from fairbench.submissions.bundle import Bundle, read_bundle_record, read_card, read_config, read_environment
from fairbench.submissions.checks import CHECKS, FailedCheckError
from fairbench.submissions.claims import check_config, check_protocol
from fairbench.submissions.content import check_start
from fairbench.submissions.draw import DEFAULT_IMAGES
from fairbench.submissions.environment import is_same_kind
from fairbench.submissions.manifest import check_hashes, check_manifest
from fairbench.submissions.measured import (
    LoadData,
    check_aggregates,
    check_data,
    check_predictions,
    load_answers,
    make_network,
)
from fairbench.submissions.probed import check_masking
from fairbench.submissions.rerun import Again, check_examples, check_rerun

_DETAIL = 400
"""characters of a detail: foreign text can be long"""


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a bundle is to be verified."""

    load: LoadData
    """gives data sets by name."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    images: int = DEFAULT_IMAGES
    """per condition, asked again; 0 leaves the last two checks out, and the bundle unverified."""
    full: bool = False
    """whether all images are asked again."""
    seed: int | None = None
    """None draws one now, after the submission."""
    examples_seed: int | None = None
    """that the author was asked to draw the examples with; None is the one that follows from the content."""
    allow_code: bool = False
    progress: Progress = field(default_factory=Silent)


@dataclass
class _Findings:
    """The checks so far."""

    checks: list[Check] = field(default_factory=list)
    record: Record | None = None
    asked_again: int = 0

    def passed(self, name: str, detail: str = "") -> None:
        self.checks.append(Check(name=name, outcome="passed", detail=_plain(detail)))

    def failed(self, name: str, detail: str) -> None:
        # What comes before the failed check in the list has passed: a step may do several of them.
        done = {check.name for check in self.checks}
        for earlier in CHECKS:
            if earlier == name:
                break
            if earlier not in done:
                self.passed(earlier)
        self.checks.append(Check(name=name, outcome="failed", detail=_plain(detail)))

    def complete(self) -> list[Check]:
        """All checks in order; what was not reached is skipped."""
        found = {check.name: check for check in self.checks}
        skipped = {name: Check(name=name, outcome="skipped", detail="not reached") for name in CHECKS}
        return [found.get(name, skipped[name]) for name in CHECKS]


def verify(path: Path, request: Request) -> Verdict:
    """Put a bundle through all checks; nothing of it is written outside a temporary folder, which is removed.

    Args:
        path: the bundle.
        request: how.

    Raises:
        UsageError: if the file cannot be read, or the request makes no sense.
    """
    if not path.is_file():
        raise UsageError(f"bundle {path} is not a file; make one with: fairbench submit pack RUN")
    if request.images < 0:
        raise UsageError(f"--images {request.images}: expected 0 or more")
    seed = secrets.randbits(63) if request.seed is None else request.seed
    findings = _Findings()
    with tempfile.TemporaryDirectory(prefix="fairbench-") as folder:
        try:
            _all_checks(path, Path(folder), request, seed, findings)
        except FailedCheckError as error:
            findings.failed(error.check, error.detail)
    checks = findings.complete()
    return Verdict(
        verified=all(check.outcome == "passed" for check in checks),
        bundle_sha256=sha256_file(path),
        record_sha256=record_sha256(findings.record) if findings.record else None,
        seed=seed,
        asked_again=findings.asked_again,
        full=request.full,
        fairbench=__version__,
        checks=checks,
    )


def _all_checks(path: Path, folder: Path, request: Request, seed: int, findings: _Findings) -> None:
    bundle = _read(path, folder, findings)
    with _step("config"):
        findings.passed("config", check_config(bundle))
    with _step("protocol"):
        findings.passed("protocol", check_protocol(bundle))
    with _step("data"):
        dataset = check_data(bundle, request.load)
        findings.passed("data", f"{dataset.name} {dataset.fingerprint[:12]}")
    with _step("architecture"):
        make_network(bundle, dataset, allow_code=request.allow_code)
        findings.passed("architecture", bundle.record.model.architecture)
    with _step("weights"):
        moments = load_answers(
            bundle, lambda: make_network(bundle, dataset, allow_code=request.allow_code), request.device
        )
        findings.passed("weights", " and ".join(answers.title for answers in moments))
    conditions = f"{sum(len(answers.conditions) for answers in moments)} conditions"
    with _step("predictions"):
        for answers in moments:
            check_predictions(bundle, dataset, answers)
        findings.passed("predictions", conditions)
    with _step("aggregates"):
        for answers in moments:
            check_aggregates(dataset, answers)
        findings.passed("aggregates", conditions)
    again = Again(
        seed=seed,
        images=request.images,
        full=request.full,
        exact=is_same_kind(bundle.packed_on, bundle.record, request.device),
        device=request.device,
        progress=request.progress,
    )
    with _step("examples"):
        findings.passed("examples", check_examples(bundle, dataset, moments[0], again, request.examples_seed))
    with _step("rerun"):
        if request.images or request.full:
            details = [check_rerun(bundle, dataset, answers, again) for answers in moments]
            findings.asked_again = len(dataset.test) if request.full else again.count
            findings.passed("rerun", "; ".join(details))
    with _step("masking"):
        if request.images or request.full:
            findings.passed("masking", check_masking(bundle, dataset, moments[0], again))


def _read(path: Path, folder: Path, findings: _Findings) -> Bundle:
    """Everything that is read before anything is computed."""
    with _step("archive-format"):
        names = read_archive(path, folder)
        for name in CHECKS:
            if name.startswith("archive-"):
                findings.passed(name)
    with _step("manifest"):
        manifest = check_manifest(folder, names)
        findings.passed("manifest", f"{len(manifest.files)} files")
    with _step("hashes"):
        check_hashes(folder, manifest)
        findings.passed("hashes")
    with _step("contents"):
        for name in names:
            check_start(folder / name)
        findings.passed("contents")
    with _step("card"):
        card = read_card(folder)
        findings.passed("card")
    with _step("record"):
        findings.record = read_bundle_record(folder)
        packed_on = read_environment(folder)
        findings.passed("record", f"{findings.record.method}, seed {findings.record.seed}")
    with _step("config"):
        config, raw = read_config(folder)
    return Bundle(
        folder=folder,
        names=names,
        record=findings.record,
        card=card,
        config=config,
        raw_config=raw,
        packed_on=packed_on,
    )


@contextmanager
def _step(check: str) -> Iterator[None]:
    """Whatever goes wrong in a step fails its check: a foreign file can break any library in any way."""
    try:
        yield
    except FailedCheckError:
        raise
    except (Exception, SystemExit) as error:
        raise FailedCheckError(check, f"{type(error).__name__}: {error}") from error


def _plain(text: str) -> str:
    """A detail without line ends and control characters, not too long."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable if len(printable) <= _DETAIL else f"{printable[:_DETAIL]}..."
