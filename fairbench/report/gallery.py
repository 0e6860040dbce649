"""All drawings of a page: each goes into the page, and with ``--figures`` also into files."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.patches import Patch

from fairbench.files import replacing
from fairbench.report.figures.canvas import Drawing
from fairbench.report.style import FIGURE_SETTINGS, LIGHT, SERIES_LIGHT
from fairbench.report.svg import inline_svg

FORMATS = ("svg", "pdf", "png")
_PIXELS_PER_INCH = 200
_NO_METADATA = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}


class Gallery:
    """The drawings of one page by name; names are unique."""

    def __init__(self) -> None:
        self._drawings: dict[str, Drawing] = {}

    def hang(self, name: str, drawing: Drawing | None) -> Markup | None:
        """The drawing as markup for the page, and kept for ``save``; None for none.

        Raises:
            ValueError: if the name is taken.
        """
        if drawing is None:
            return None
        if name in self._drawings:
            raise ValueError(f"there is already a drawing called {name}")
        self._drawings[name] = drawing
        return inline_svg(drawing, name=name)

    def save(self, folder: Path) -> list[Path]:
        """Write every drawing as SVG, PDF and PNG, with a legend inside; the paths.

        Raises:
            UsageError: if the folder cannot be written.
        """
        paths = []
        for name, drawing in self._drawings.items():
            _add_legend(drawing)
            for kind in FORMATS:
                paths.append(folder / f"{name}.{kind}")
                with replacing(paths[-1]) as temporary:
                    temporary.write_bytes(_file_bytes(drawing, kind))
        return paths


def _add_legend(drawing: Drawing) -> None:
    handles = [
        Patch(color=colour, label=name) for name, colour in zip(drawing.legend, SERIES_LIGHT, strict=False) if name
    ]
    if handles:
        drawing.figure.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0.02, 1.0), ncols=4, frameon=False, fontsize=8
        )


def _file_bytes(drawing: Drawing, kind: str) -> bytes:
    written = io.BytesIO()
    settings: dict[Any, Any] = FIGURE_SETTINGS | {"savefig.facecolor": LIGHT["paper"], "pdf.fonttype": 42}
    with mpl.rc_context(rc=settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        drawing.figure.savefig(
            written, format=kind, dpi=_PIXELS_PER_INCH, metadata=_NO_METADATA[kind], bbox_inches="tight"
        )
    return written.getvalue()
