"""The verdict on a submission: which checks it passed, readable by programs, kept beside the record it is about."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from fairbench.protocol.schema import Schema

VERDICT_NAME = "verdict.json"
VERDICT_VERSION = 1


class Check(Schema):
    """One named check and how it went."""

    name: str
    """one of ``fairbench.submissions.checks.CHECKS``."""
    outcome: Literal["passed", "failed", "skipped"]
    detail: str
    """what was found, for people; says why a check failed or was skipped."""


class Verdict(Schema):
    """What a maintainer found out about a bundle."""

    schema_version: Literal[1] = VERDICT_VERSION
    verified: bool
    """whether every check passed that had to."""
    bundle_sha256: str
    """of the file that was verified."""
    record_sha256: str | None
    """of what the record says, whatever its layout; None if no record could be read."""
    seed: int = Field(ge=0)
    """drawn at verification; decides which images were asked again."""
    asked_again: int = Field(ge=0)
    """images per condition that were attacked again; 0 if it did not come to that."""
    full: bool
    """whether every image was asked again."""
    fairbench: str
    """version that verified."""
    checks: list[Check]

    @model_validator(mode="after")
    def _follows_from_its_checks(self) -> Verdict:
        if self.verified != all(check.outcome == "passed" for check in self.checks):
            raise ValueError("verified does not follow from the checks")
        return self

    @property
    def failure(self) -> Check | None:
        """The first check that failed."""
        return next((check for check in self.checks if check.outcome == "failed"), None)
