"""A network on its device: whole, in DDP, shared out by FSDP2, or run in pieces."""

from .devices import on_device, unwrap
from .sharding import shard

__all__ = ["on_device", "shard", "unwrap"]
