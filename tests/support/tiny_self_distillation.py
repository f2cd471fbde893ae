"""Short self-distillation runs with an evaluation of features; light to import, for new processes do."""

from types import SimpleNamespace

import torch
import torch.distributed as dist
from ignite.engine import Events
from monai.engines.utils import IterationEvents
from tiny_student_teacher import tiny_batch, tiny_student_teacher

from meddino_components.features import FeaturePictures, LabelledSlices
from meddino_components.placement import shard
from meddino_components.probing import KNearestNeighbours, LogisticRegression
from meddino_components.self_distillation import SelfDistillationObjective, SelfDistillationTrainer, TeacherUpdate
from meddino_components.self_distillation.collapse_monitor import CollapseMonitor
from meddino_components.self_distillation.feature_evaluation import FeatureEvaluation

LABEL_NAMES = ("background", "upper left", "lower right")


class Settings:
    """What `ScheduleHandler` sets, constant."""

    def __init__(self, momentum):
        self.momentum = momentum

    def attach(self, engine):
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self)

    def __call__(self, engine):
        engine.state.ema_momentum = self.momentum
        engine.state.objective_settings = {"teacher_temp": 0.1}


def labelled_slices(seed, n=6, labels=True):
    """An organ in the upper left corner, and in every other slice one in the lower right; grey by class, in noise."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for number in range(n):
        label = torch.zeros(1, 64, 64, dtype=torch.uint8)
        label[:, :32, :32], label[:, 32:, 32:] = 1, 2 * (number % 2)
        image = 2 * label + torch.randn(1, 64, 64, generator=generator)
        found.append({"image": image, "slice": number} | ({"label": label} if labels else {}))
    return found


def evaluation(network, folder, *, n_pictures=4, label_names=LABEL_NAMES, **settings):
    slices = LabelledSlices(train=labelled_slices(0), test=labelled_slices(1), label_names=label_names)
    given = {
        "slices": slices,
        "probes": [KNearestNeighbours(n_neighbours=3), LogisticRegression()],
        "pictures": FeaturePictures(n_pictures=n_pictures),
    }
    return FeatureEvaluation(network=network, output_dir=folder, **(given | settings))


def run(network, *handlers, epochs=2, epoch_length=3, momentum=0.9):
    """Losses of a run with these handlers, and what was trained."""
    torch.manual_seed(5)
    trainer = SelfDistillationTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        epoch_length=epoch_length,
        train_data_loader=[tiny_batch(seed=number) for number in range(epoch_length)],
        network=network,
        optimizer=torch.optim.SGD(network.student.parameters(), lr=0.5),
        objective=SelfDistillationObjective(),
    )
    losses = []
    for handler in (Settings(momentum), TeacherUpdate(network=network), *handlers):
        handler.attach(trainer)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output["loss"]))
    trainer.run()
    return SimpleNamespace(trainer=trainer, losses=[float(loss) for loss in losses], network=network)


def on_process(rank, folder):
    """A sharded run on one of two processes, with evaluation and monitor."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    network, other = (shard(tiny_student_teacher(), torch.device("cpu")) for _ in range(2))
    seen = []
    handler = evaluation(network, folder, n_pictures=1)
    found = run(network, handler, CollapseMonitor(interval=3), SeenMetrics(seen))
    torch.save({"losses": found.losses, "alone": run(other).losses, "metrics": seen}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


class SeenMetrics:
    """The metrics that a log of iterations would find."""

    def __init__(self, seen):
        self.seen = seen

    def attach(self, engine):
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine):
        self.seen.append(dict(engine.state.metrics))
