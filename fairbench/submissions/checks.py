"""The checks that a bundle goes through, by name and in order."""

from __future__ import annotations

CHECKS: dict[str, str] = {
    "archive-format": "the file is one zip archive, from its first byte to its last",
    "archive-entries": "it has no more members than a bundle can have",
    "archive-duplicates": "no two members share a name, whatever their case",
    "archive-links": "every member is a plain file: no link, folder or device",
    "archive-names": "every member has one of the known names, so none leads out of the folder",
    "archive-compression": "every member is stored as it is, so nothing can swell up",
    "archive-size": "no member is larger than its kind can be, and they fill the archive",
    "archive-canonical": "the archive is, byte for byte, what packing its members gives",
    "manifest": "the manifest keeps its schema, names all members and no others, and is whole",
    "hashes": "size and sha256 of every member are those of the manifest",
    "contents": "every member begins as its name says; no archive, program or pickle hides in it",
    "card": "the method card keeps its schema",
    "record": "the record keeps its schema, and every rate follows from its counts",
    "config": "the configuration is the record's, and that of the method where it is known",
    "protocol": "what claims to follow a track follows it; what departs says so",
    "data": "the data here have the fingerprint, classes and held-out parts of the record",
    "architecture": "the network is one that fairbench knows; others need their code and --allow-code",
    "weights": "the weights fit the network, are finite, and have the hashes of the record",
    "predictions": "there is an answer for exactly the images of the battery, about the right labels",
    "aggregates": "every count and rate of the record is recomputed from the answers, with no difference",
    "examples": "the adversarial examples are those of the seed, in their ball, and do what the record says",
    "rerun": "images drawn after the submission, attacked again, are answered as recorded",
    "masking": "probing the weights for masked gradients again gives the recorded verdict",
}
"""Name of each check -> what holds when it passes."""


class FailedCheckError(Exception):
    """What a check found wrong, for people."""

    def __init__(self, check: str, detail: str) -> None:
        super().__init__(f"{check}: {detail}")
        self.check, self.detail = check, detail


def require(holds: bool, check: str, detail: str) -> None:
    """Stop with a failed check unless something holds.

    Raises:
        FailedCheckError: if it does not.
    """
    if not holds:
        raise FailedCheckError(check, detail)
