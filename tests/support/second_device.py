"""A second device without one: tensors on it are tagged, and mixing them with the host's is an error, as CUDA has it.

`SECOND` is the CPU under a name of its own ("cpu:0"). Storages are tagged, so that views and gradients follow.
"""

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

SECOND = torch.device("cpu", 0)
_HOST = torch.device("cpu")
# what CUDA takes from both sides: copies between devices, and indices from the host
_MIXING = {"copy_", "_to_copy", "index", "index_put_", "index_put", "_index_put_impl_", "set_"}


class _Tags:
    def __init__(self):
        self._storages = {}

    def add(self, tensor):
        storage = tensor.untyped_storage()
        # the weak reference keeps the number from being given to another storage
        self._storages[storage._cdata] = StorageWeakRef(storage)

    def __contains__(self, tensor):
        return tensor.untyped_storage()._cdata in self._storages


class _NoMixing(TorchDispatchMode):
    def __init__(self, tags):
        super().__init__()
        self.tags = tags
        self.makes_there = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        there = [tensor in self.tags for tensor in given]
        name = func.overloadpacket.__name__
        # as on CUDA, a single number of the host may take part
        strangers = [t for t, tagged in zip(given, there, strict=True) if not tagged and t.ndim]
        if any(there) and strangers and name not in _MIXING:
            raise RuntimeError(
                f"{name}: Expected all tensors to be on the same device, but found at least two devices, the second "
                f"device and the host (of shape {tuple(strangers[0].shape)})"
            )
        result = func(*args, **kwargs)
        if (any(there) or (self.makes_there and not given)) and name != "copy_":
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    self.tags.add(leaf)
        return result


class SecondDevice(TorchFunctionMode):
    """Within it, ``.to(SECOND)`` and ``device=SECOND`` put tensors on the second device."""

    def __init__(self):
        super().__init__()
        self.tags = _Tags()
        self._dispatch = _NoMixing(self.tags)

    def __enter__(self):
        self._dispatch.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        return self._dispatch.__exit__(*error)

    def __contains__(self, tensor):
        return tensor in self.tags

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func == torch.Tensor.device.__get__:
            return SECOND if args[0] in self.tags else func(*args, **kwargs)
        if func is torch.Tensor.numpy and args[0] in self.tags:
            raise TypeError("can't convert a tensor of the second device to numpy. Use Tensor.cpu() first")
        if name in ("to", "cpu"):
            return self._move(func, args, kwargs)
        if kwargs.get("device") is not None and torch.device(kwargs["device"]) == SECOND:
            result = func(*args, **{**kwargs, "device": _HOST})
            self.tags.add(result)
            return result
        if getattr(func, "__module__", "") != "torch.nn.functional":
            return func(*args, **kwargs)
        # what such a function makes for itself, it makes beside its arguments; here it cannot be seen asking where
        given = (leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor))
        before, self._dispatch.makes_there = self._dispatch.makes_there, any(tensor in self.tags for tensor in given)
        try:
            return func(*args, **kwargs)
        finally:
            self._dispatch.makes_there = before

    def _move(self, func, args, kwargs):
        tensor = args[0]
        wanted = [torch.device(v) for v in (*args[1:], *kwargs.values()) if isinstance(v, torch.device | str)]
        wanted += [SECOND if v in self.tags else _HOST for v in args[1:] if isinstance(v, torch.Tensor)]
        if func is torch.Tensor.cpu:
            wanted = [_HOST]
        was = tensor in self.tags
        target = SECOND if (wanted == [SECOND] or (not wanted and was)) else _HOST
        on_host = {key: _HOST if isinstance(v, torch.device | str) else v for key, v in kwargs.items()}
        result = func(tensor, *(_HOST if isinstance(v, torch.device | str) else v for v in args[1:]), **on_host)
        if was == (target == SECOND):
            return result
        with torch._C._DisableTorchDispatch():
            result = result.clone()
        if target == SECOND:
            self.tags.add(result)
        return result
