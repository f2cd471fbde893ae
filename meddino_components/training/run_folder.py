"""Lock the output folder of a run, and check before the first step that its files can be written."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine, Events

from ..files import OutputFolder, adopt, check_results, release_lock
from ..processes import rank_and_size


class RunFolder:
    """Lock a run's output folder, create every folder that the run writes to, and check the existing files.

    `ReleaseRunFolder` releases the lock when the run is complete; otherwise it is released when the process ends or
    this object is deleted. With several processes, only the first one does this.

    Args:
        output_dir: output folder of the run.
        files: files that the run replaces: weights, checkpoints, logs. Files not written by this project are refused.
        folders: further folders that the run writes to, such as a cache.
        adopt_files: treat existing files as this run's own, since the user continues an earlier run.

    Raises:
        InputError: another process writes to the folder; a folder cannot be created or written to; or the run would
            replace a file that this project did not write or that was edited since.
    """

    def __init__(
        self,
        *,
        output_dir: str | Path,
        files: Sequence[str | Path],
        folders: Sequence[str | Path] = (),
        adopt_files: bool = False,
    ) -> None:
        self.release = lambda: None
        if rank_and_size()[0] > 0:
            return
        place = OutputFolder(output_dir).take()
        self.release = weakref.finalize(self, release_lock, place)
        try:
            replaced = [path for name in files for path in (Path(name), Path(f"{name}.sha256"))]
            for folder in {*(path.parent for path in replaced), *map(Path, folders)}:
                OutputFolder(folder).probe()
            if adopt_files:
                adopt(replaced)
            check_results(replaced)
        except BaseException:
            self.release()
            raise


class ReleaseRunFolder:
    """Handler of the trainer that releases the lock of the run folder when the run is complete.

    MONAI's bundle checks require every handler to name its class, so a reference to an existing `RunFolder` cannot be a
    handler itself.

    Args:
        run_folder: folder of the run.
    """

    def __init__(self, *, run_folder: RunFolder) -> None:
        self.run_folder = run_folder

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, lambda: self.run_folder.release())
