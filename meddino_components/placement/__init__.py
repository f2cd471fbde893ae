"""Place a network on its device: whole, in DDP, sharded by FSDP2, or with batches in pieces."""

from .devices import on_device, unwrap
from .sharding import shard

__all__ = ["on_device", "shard", "unwrap"]
