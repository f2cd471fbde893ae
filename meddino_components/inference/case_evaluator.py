"""The engine that segments cases one by one, from file to written prediction, even if some of them fail."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from ignite.engine import Events
from monai.data import Dataset
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents
from monai.inferers import Inferer
from monai.transforms import Compose
from monai.utils.enums import CommonKeys

from ..data.cases.listing import check_unique
from ..data.volumes.read_ahead import ReadAhead
from ..errors import InputError
from ..files import OutputFolder, ResultFiles, printable
from ..interruption import Interrupted, NotedSignals, signals_noted
from .case_record import input_files, source_digest
from .label_map import label_path
from .probability_file import ProbabilityFile
from .run_summary import SUMMARY_FILES, CaseRecord, RunSummary
from .volume_inferer import VolumeInferer
from .writers import WriteCased

_logger = logging.getLogger(__name__)


class CaseEvaluator(Evaluator):
    """Run preprocessing, network and postprocessing case by case; a case that fails is recorded and the others go on.

    It is a MONAI workflow: handlers, metrics and progress bars attach as usual. During an iteration ``state.batch``
    and ``state.output`` are lists with one dict (decollated, as handlers expect), empty after a failure; metrics cover
    the cases that succeeded. While a case is computed, the files of the next one are read. At the end a summary is
    printed and written to ``summary.json`` and ``summary.csv``.

    Only one process at a time writes to ``output_dir``. Before the first case, the run makes sure that it would replace
    no file of the user.

    In a bundle: ``"run": ["$@evaluator.run()", "$@evaluator.exit_if_failed()"]``.

    Args:
        device: device recorded in the state for handlers; the inferer computes on the device of the network's
            parameters.
        dataset: data set whose ``data`` is a sequence of case dicts (``image``, ``case_id`` and other items that
            transforms read), and whose ``transform`` is the preprocessing.
        network: network, which is set to evaluation mode while a case runs.
        inferer: function (image [1, C, H, W, D], network) -> prediction [1, ...].
        output_dir: folder for the summary and probabilities; the same as the writer's.
        postprocessing: transform of the dict with ``image``, ``pred``, ``case_id``, ``seconds``.
        writer: writer of the postprocessed case. It is separate so that others, such as MONAI Label, can run the
            postprocessing without writing. None writes no labels.
        val_handlers: handlers to attach.
        key_val_metric: metric by name, as in ``monai.engines.Evaluator``.
        additional_metrics: further metrics by name.
        skip_existing: whether to skip cases already written with the same weights and settings, see
            `WriteCased.is_complete`.
        overwrite: whether to replace results that were edited since, too.
        probabilities: whether to stream float16 class probabilities [K, X, Y, Z] on the source's grid to
            ``<case_id>.npy``; requires a ``VolumeInferer``.
    """

    def __init__(
        self,
        *,
        device: torch.device | str,
        dataset: Dataset,
        network: torch.nn.Module,
        inferer: Inferer,
        output_dir: str | Path,
        postprocessing: Callable[[Any], Any] | None = None,
        writer: WriteCased | None = None,
        val_handlers: Sequence[Any] | None = None,
        key_val_metric: dict[str, Any] | None = None,
        additional_metrics: dict[str, Any] | None = None,
        skip_existing: bool = False,
        overwrite: bool = False,
        probabilities: bool = False,
    ) -> None:
        if probabilities and not isinstance(inferer, VolumeInferer):
            raise ValueError("probabilities need a VolumeInferer")
        super().__init__(
            device=device,
            # an iteration gets the number of a case and reads its voxels itself, so that failures are caught
            val_data_loader=range(len(dataset)),
            postprocessing=Compose([step for step in (postprocessing, writer) if step is not None]),
            key_val_metric=key_val_metric,
            additional_metrics=additional_metrics,
            val_handlers=val_handlers,
            decollate=False,
        )
        self.dataset = dataset
        self.network = network
        self.inferer = inferer
        self.output_dir = Path(output_dir)
        self.skip_existing = skip_existing
        self.probabilities = probabilities
        self.writer = writer
        self.folder = OutputFolder(output_dir, overwrite=overwrite)
        self._complete: set[str] = set()
        self._cases = ReadAhead(())
        self.summary = RunSummary()
        self._signals = NotedSignals()

    def run(self, global_epoch: int = 1) -> None:
        """Run all cases, then print and write the summary (also when interrupted).

        Raises:
            InputError: there are no cases, two have the same id, the output folder cannot be created or written to,
                another process writes to it, or a file there may not be replaced.
            Interrupted: a signal arrived; the current case is abandoned, and the summary says how many are done.
        """
        cases: Sequence[Mapping[str, Any]] = self.dataset.data
        if not cases:
            raise InputError("there are no cases to run: the data list is empty")
        check_unique([_case_id(case) for case in cases], [str(case.get("image")) for case in cases])
        self.summary = RunSummary(n_cases=len(cases))
        with signals_noted() as self._signals, self.folder.held(SUMMARY_FILES):
            self._check_outputs(cases)
            to_run = [number for number, case in enumerate(cases) if _case_id(case) not in self._complete]
            self._cases = ReadAhead(cases, self.dataset.transform, to_run)
            try:
                with closing(self._cases):
                    super().run(global_epoch)
            finally:
                if len(self.summary.cases) < len(cases):
                    self.summary.interrupted_by = self._signals.first
                # if a handler refused to start, nothing was done
                if self.summary.cases or self.summary.interrupted_by is not None:
                    self.summary.write(self.folder)
                    print(printable(self.summary.text()))
        if self.summary.interrupted_by is not None:
            raise Interrupted(self.summary.interrupted_by)

    def _check_outputs(self, cases: Sequence[Mapping[str, Any]]) -> None:
        """Find complete cases, and refuse files that others may not replace, before anything is computed."""
        names: list[str] = []
        inputs = {os.path.realpath(path): path for case in cases for path in input_files(case)}
        self._complete = set()
        for case in cases:
            case_id = _case_id(case)
            labels = label_path(self.output_dir, case_id)
            more = [f"{case_id}.npy"] if self.probabilities else []
            if self.skip_existing and self.writer is not None and self.writer.is_complete(case, *more):
                self._complete.add(case_id)
                continue
            own = [*(self.writer.names(case) if self.writer is not None else []), *more]
            if taken := [name for name in own if os.path.realpath(labels.with_name(name)) in inputs]:
                raise InputError(
                    f"{labels.with_name(taken[0])}: is an input of this run, which the result would replace. Give "
                    "another output folder"
                )
            names += own
        self.folder.check(names)

    def exit_if_failed(self) -> None:
        """End the process with status 1 if any case failed."""
        if self.summary.count("failed"):
            raise SystemExit(1)

    def _register_metrics(self, k_metric: dict[str, Any], add_metrics: dict[str, Any] | None = None) -> None:
        """Let metrics skip iterations without output."""
        super()._register_metrics(k_metric, add_metrics)
        for metric in {**k_metric, **(add_metrics or {})}.values():
            self.remove_event_handler(metric.iteration_completed, Events.ITERATION_COMPLETED)
            succeeded = Events.ITERATION_COMPLETED(event_filter=lambda engine, _: bool(engine.state.output))
            self.add_event_handler(succeeded, metric.iteration_completed)

    def _iteration(self, engine: Any, batchdata: int) -> list[dict[str, Any]]:
        """Run the case with this number; any error goes to the summary."""
        if self._signals.first is not None:
            engine.terminate(skip_completed=True)
            return []
        case = self.dataset.data[batchdata]
        case_id = _case_id(case)
        started = perf_counter()
        engine.state.output = []  # free the last case's volumes before reading the next
        engine.state.batch = []
        if case_id in self._complete:
            self.summary.cases.append(CaseRecord(case_id, "skipped", 0.0))
            return []
        try:
            with self._signals.raised():
                self._run_case(engine, batchdata, case_id, started)
        except Interrupted:
            engine.state.batch = engine.state.output = []
            engine.terminate(skip_completed=True)
            return []
        except Exception as error:
            engine.state.batch = engine.state.output = []
            record = CaseRecord(case_id, "failed", round(perf_counter() - started, 3), _reason(error))
            _logger.error("%s: failed: %s", case_id, record.error)
            _logger.debug("%s: traceback", case_id, exc_info=error)
        else:
            record = CaseRecord(case_id, "ok", round(perf_counter() - started, 3))
            _logger.info("%s: done in %.1f s", case_id, record.seconds)
        self.summary.cases.append(record)
        output: list[dict[str, Any]] = engine.state.output
        return output

    def _run_case(self, engine: Any, number: int, case_id: str, started: float) -> None:
        case = self._cases.take(number)
        engine.state.batch = [case]
        image = case[CommonKeys.IMAGE]
        files: AbstractContextManager[ResultFiles | None] = self.folder.files() if self.probabilities else nullcontext()
        with self.mode(self.network), files as open_files:
            arguments: dict[str, Any] = {"inputs": image[None], "network": self.network}
            if open_files is not None:
                path = open_files.path(label_path(self.output_dir, case_id).with_name(f"{case_id}.npy"))
                arguments["probabilities"] = ProbabilityFile(path=path, image=image)
            prediction = self.inferer(**arguments)[0]
            del arguments
            output = {CommonKeys.IMAGE: image, CommonKeys.PRED: prediction, "seconds": perf_counter() - started}
            if CommonKeys.LABEL in case:
                output[CommonKeys.LABEL] = case[CommonKeys.LABEL]
            output["source"] = source_digest(self.dataset.data[number])
            if open_files is not None:
                output["files"] = open_files
            engine.state.output = [output]
            engine.fire_event(IterationEvents.FORWARD_COMPLETED)
            engine.fire_event(IterationEvents.MODEL_COMPLETED)  # runs the postprocessing


def _case_id(case: Mapping[str, Any]) -> str:
    if "case_id" not in case:
        raise InputError(
            f"case {case.get('image', '?')}: has no 'case_id' to name its outputs: add one to the data list"
        )
    return str(case["case_id"])


def _reason(error: BaseException) -> str:
    """Return one line: the InputError among the causes, else the first cause. MONAI wraps errors of transforms."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None:
        chain.append(cause)
    for link in chain:
        if isinstance(link, InputError):
            return " ".join(str(link).split())
    return " ".join(f"{type(chain[-1]).__name__}: {chain[-1]}".split())
