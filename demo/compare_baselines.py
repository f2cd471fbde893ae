"""Compare the network, organ by organ, with two baselines that know the training labels but use no network."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from baselines import baseline_table_text, evaluate_baselines

from meddino_components.data import label_names, read_datalist
from meddino_components.files import ResultFiles, write_text


def main(dataset_dir: str, metrics_file: str) -> None:
    """Print the table and write it beside the metrics as ``baselines.json``."""
    metrics = json.loads(Path(metrics_file).read_text(encoding="utf-8"))
    table = evaluate_baselines(
        read_datalist(dataset_dir, "amos", section="training", n_folds=10),
        read_datalist(dataset_dir, "amos", section="official_validation"),
        list(label_names(dataset_dir, "amos").values()),
        network_dice={organ: values["dice"]["mean"] for organ, values in metrics["organs"].items()},
    )
    with ResultFiles() as files:
        write_text(files.path(Path(metrics_file).with_name("baselines.json")), json.dumps(table, indent=2) + "\n")
    print(baseline_table_text(table))


if __name__ == "__main__":
    main(*sys.argv[1:])
