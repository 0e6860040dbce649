"""What a forger needs: bundles unpacked, edited, and packed again with hashes that fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from fairbench.files import json_bytes
from fairbench.submissions.archive import read_archive, write_archive
from fairbench.submissions.manifest import manifest_of
from fairbench.submissions.verify import Request, verify


class Bench:
    """Unpacks, edits, packs again and verifies bundles."""

    def __init__(self, load, bundle: Path, folder: Path) -> None:
        self.load, self.bundle, self.folder = load, bundle, folder

    def unpacked(self, bundle: Path | None = None) -> Path:
        """A folder with the members of a bundle, the given one by default."""
        folder = self.folder / "members"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        read_archive(bundle or self.bundle, folder)
        return folder

    def packed(self, members: Path, name: str = "edited.zip", *, manifest: bool = True) -> Path:
        """A bundle of these files, with hashes that fit unless told otherwise: what a clever forger hands in."""
        names = [file.name for file in members.iterdir()]
        if manifest:
            others = [one for one in names if one != "manifest.json"]
            values = manifest_of(members, others).model_dump(mode="json")
            (members / "manifest.json").write_bytes(json_bytes(values))
        write_archive(self.folder / name, members, names)
        return self.folder / name

    def verify(self, bundle: Path, **options: Any):
        return verify(bundle, Request(load=self.load, **({"images": 20, "seed": 7} | options)))

    def refused(self, bundle: Path, **options: Any) -> str:
        """The name of the check that refused a bundle; it must be refused with a reason."""
        verdict = self.verify(bundle, **options)
        assert not verdict.verified
        assert verdict.failure is not None
        assert verdict.failure.detail
        return verdict.failure.name


def edit_json(path: Path, edit) -> None:
    values = json.loads(path.read_bytes())
    edited = edit(values)
    path.write_bytes(json_bytes(edited if isinstance(edited, dict) else values))
