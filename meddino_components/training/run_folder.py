"""The folder of a training: one run at a time, every path tried before the first step."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine, Events

from ..files import OutputFolder, adopt, check_results, release_lock
from ..processes import rank_and_size


class RunFolder:
    """Take the lock of a training's folder, make every folder that the run will write to, and check what is there.

    `ReleaseRunFolder` gives the lock back when the run is complete; else that happens when the process ends, or when
    nothing uses this object any more. Of several processes the first alone does all this.

    Args:
        output_dir: output folder of the run.
        files: that the run replaces: weights, checkpoints, logs. Those of the user's are refused.
        folders: others that it writes to, such as that of a cache.
        adopt_files: what is there counts as this run's own, since the user goes on with it.

    Raises:
        InputError: another process writes to the folder; one cannot be made or written to; a file of the user's, or one
            that was edited since, would be replaced.
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
    """Handler of the trainer: give the folder of a complete run back.

    MONAI's checks of a bundle look for a class in every handler, so that `RunFolder` itself cannot be one.

    Args:
        run_folder: folder of the run.
    """

    def __init__(self, *, run_folder: RunFolder) -> None:
        self.run_folder = run_folder

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.COMPLETED, lambda: self.run_folder.release())
