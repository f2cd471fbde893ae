"""Let a torchvision that was built for CUDA be imported beside a CPU build of torch: import this before the peers."""

from meddino_components.embeddings.torchvision_pairing import import_torchvision

import_torchvision()
