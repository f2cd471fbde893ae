"""The losses that need other processes, on one of two; light to import, for new processes do."""

import torch
import torch.distributed as dist

from meddino_components.losses import CenteredSoftmax, KoLeoLoss, sinkhorn_knopp


def koleo_of(x, **settings):
    x = x.clone().requires_grad_()
    loss = KoLeoLoss(**settings)(x)
    loss.backward()
    return loss.detach(), x.grad


def on_process(rank, folder, settings):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    inputs = torch.load(f"{folder}/recorded.pt", weights_only=True)
    dino = inputs["in.dino_teacher_logits"][rank]
    found = {
        "dino.sinkhorn": sinkhorn_knopp(dino, settings["teacher_temp"]),
        "ibot.sinkhorn": sinkhorn_knopp(inputs[f"in.ibot_logits_rank{rank}"], settings["teacher_temp"]),
    }
    centered = CenteredSoftmax(n_prototypes=dino.shape[-1], center_momentum=settings["center_momentum"])
    centered.update_center(dino)
    found["dino.center"] = centered.center
    found["dino.softmax_center"] = centered(dino, settings["teacher_temp"])
    for group, ranks_per_group in {"group_none": None, "group_local": 1}.items():
        for topk in (1, 2):
            loss, grad = koleo_of(inputs["in.koleo_x"][rank], topk=topk, ranks_per_group=ranks_per_group)
            found[f"koleo.{group}.topk{topk}.loss"], found[f"koleo.{group}.topk{topk}.grad"] = loss, grad
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()
