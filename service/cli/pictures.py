"""Where the pictures of `can-ser predict --plot` go."""

from collections.abc import Sequence
from pathlib import Path

from service.errors import SettingsError
from service.results.plots import require_matplotlib


def plan_pictures(plot: Path | None, recordings: Sequence[Path]) -> list[Path | None]:
    """A picture per recording: the file that was named, or files of the recordings' names in that folder.

    Args:
        plot: None for no pictures; a file for one recording, a folder for one or more. Folders that are not there are
            made.
        recordings: in order.

    Raises:
        MissingPackageError: matplotlib is not installed.
        SettingsError: a file is named for several recordings, or it ends in what is no picture.
        OSError: a folder cannot be made.
    """
    if plot is None:
        return [None] * len(recordings)
    require_matplotlib()
    is_picture = plot.suffix[1:].lower() in _formats() and not plot.is_dir()
    if len(recordings) == 1 and not plot.is_dir():
        if plot.suffix and not is_picture:
            raise SettingsError(f"--plot {plot}: pictures end in {', '.join(sorted(_formats()))}")
        plot.parent.mkdir(parents=True, exist_ok=True)
        return [plot]
    if is_picture:
        raise SettingsError(f"--plot {plot}: the pictures of {len(recordings)} recordings need a folder, not a file")
    plot.mkdir(parents=True, exist_ok=True)
    return [plot / f"{number:03d}-{path.stem}.png" for number, path in enumerate(recordings, start=1)]


def _formats() -> frozenset[str]:
    from matplotlib.backend_bases import FigureCanvasBase

    return frozenset(FigureCanvasBase.get_supported_filetypes()) - {"raw", "rgba", "pgf"}
