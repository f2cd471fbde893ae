"""A whole step of self-distillation against the official class: losses, gradients, clipping, step, EMA."""

import pytest
import torch
from torch.testing import assert_close

from meddino_components.losses import GramLoss, KoLeoLoss
from meddino_components.networks import DINOHead, DinoVisionTransformer
from meddino_components.self_distillation import SelfDistillationObjective, StudentTeacher, parameter_groups
from meddino_components.self_distillation.schedules import warmup_cosine_schedule

PARTS = ("backbone", "dino_head", "ibot_head")
TERMS = {
    "dino_local_loss": "dino_local_crops_loss",
    "dino_global_loss": "dino_global_crops_loss",
    "koleo_loss": "koleo_loss",
    "ibot_loss": "ibot_loss",
    "gram_loss": "gram_loss",
    "gram_loss_masked": "stats_only/masked_gram_loss",
    "gram_loss_unmasked": "stats_only/unmasked_gram_loss",
}


def merged(settings):
    """The scenario's options over those that all share, one level deep."""
    base, own = settings["cfg_overrides_base"], settings["cfg_overrides"]
    return {name: base.get(name, {}) | own.get(name, {}) for name in {*base, *own}}


def scheduled(section, name, default, settings):
    """A loss weight of this iteration, from its schedule if there is one."""
    schedule = section.get(f"{name}_schedule")
    if schedule is None:
        return section.get(name, default)
    length = settings["cfg_overrides_base"]["train"]["OFFICIAL_EPOCH_LENGTH"]
    epochs = settings["cfg_overrides_base"]["optim"]["epochs"]
    return warmup_cosine_schedule(
        start=schedule["start"],
        peak=schedule["peak"],
        end=schedule["end"],
        warmup_iterations=schedule["warmup_epochs"] * length,
        total_iterations=epochs * length,
    )[settings["iteration"]]


def build(settings, golden_tensors):
    options, vit = merged(settings), settings["vit"]
    student, gram = options["student"], options.get("gram", {})
    backbone = DinoVisionTransformer(
        embed_dim=vit["embed_dim"],
        depth=vit["depth"],
        num_heads=vit["num_heads"],
        ffn_ratio=vit["ffn_ratio"],
        n_storage_tokens=student["n_storage_tokens"],
        mask_k_bias=student["mask_k_bias"] and student.get("qkv_bias", True),
        qkv_bias=student.get("qkv_bias", True),
        ffn_layer=student.get("ffn_layer", "mlp"),
        norm_layer=student["norm_layer"],
        layerscale_init=1e-5,
        untie_cls_and_patch_norms=student.get("untie_cls_and_patch_norms", False),
        untie_global_and_local_cls_norm=student.get("untie_global_and_local_cls_norm", False),
        pos_embed_rope_dtype=settings["rope_dtype"],
    )
    heads = {
        name: DINOHead(
            in_dim=vit["embed_dim"],
            out_dim=options[name]["head_n_prototypes"],
            hidden_dim=options[name]["head_hidden_dim"],
            bottleneck_dim=options[name]["head_bottleneck_dim"],
        )
        for name in ("dino", "ibot")
    }
    source = "none"
    if gram.get("use_loss"):
        source = "ema" if gram.get("ema_teacher") else "frozen"
    network = StudentTeacher(
        backbone=backbone,
        dino_head=heads["dino"],
        ibot_head=heads["ibot"],
        gram_teacher=source,
        gram_resize=gram.get("global_teacher_resize_method", "bicubic"),
        gram_antialias=gram.get("global_teacher_resize_antialias", False),
    )
    weights = settings["arch_weights"]
    network.student.load_state_dict(golden_tensors(f"ssl/{weights}.student.safetensors"))
    network.teacher.load_state_dict(golden_tensors(f"ssl/{weights}.teacher.safetensors"))
    if source == "frozen":
        network.gram_teacher.load_state_dict(golden_tensors(f"ssl/{weights}.gram_teacher.safetensors"))
    return network, options


def objective_of(options):
    dino, gram = options["dino"], options.get("gram", {})
    gram_loss = None
    if gram.get("use_loss"):
        gram_loss = GramLoss(
            apply_norm=gram.get("normalized", True),
            img_level=gram.get("img_level", False),
            remove_neg=gram.get("remove_neg", False),
            remove_only_teacher_neg=gram.get("remove_only_teacher_neg", False),
        )
    return SelfDistillationObjective(
        dino_weight=dino.get("loss_weight", 1.0),
        koleo_weight=dino.get("koleo_loss_weight", 0.1),
        ibot_weight=options["ibot"].get("loss_weight", 1.0),
        global_ignore_diagonal=dino.get("global_ignore_diagonal", True),
        koleo_loss=KoLeoLoss(topk=dino.get("koleo_topk", 1)),
        gram_loss=gram_loss,
        gram_tokens=gram.get("tokens_used", "all"),
        log_gram_by_mask=gram.get("compute_stats", False),
    )


@pytest.fixture(scope="module")
def step(ssl_scenario, golden_tensors, golden_json):
    """Everything a step gives: (settings, expected tensors, network, outputs, terms, gradients, clipped norms)."""
    settings = golden_json(f"ssl/{ssl_scenario}.json")
    expected = golden_tensors(f"ssl/{ssl_scenario}.outputs.safetensors")
    data = golden_tensors("ssl/data.safetensors")
    network, options = build(settings, golden_tensors)
    batch = {
        "global_crops": data["collated_global_crops"],
        "local_crops": data["collated_local_crops"],
        "masks": data["collated_masks"],
        "mask_indices": data["mask_indices_list"],
        "masks_weight": data["masks_weight"],
        "n_global_crops": 2,
    }
    if "gram_teacher_crops_size" in options["crops"]:
        batch["gram_teacher_crops"] = data["collated_gram_teacher_crops"]
    outputs = network(batch)
    terms = objective_of(options)(
        outputs,
        batch,
        teacher_temp=settings["teacher_temp"],
        local_weight=scheduled(options["dino"], "local_loss_weight", 1.0, settings)
        if options["dino"].get("reweight_dino_local_loss")
        else 1.0,
        gram_weight=scheduled(options.get("gram", {}), "loss_weight", 1.0, settings),
    )
    terms["loss"].backward()
    norms_before = {name: p.grad.norm() for name, p in network.student.named_parameters()}
    norms = {
        name: torch.nn.utils.clip_grad_norm_(getattr(network.student, name).parameters(), settings["clip_grad"])
        for name in PARTS
    }
    clipped = {name: p.grad.clone() for name, p in network.student.named_parameters()}
    optim = settings["optim"]
    groups = [
        group
        for name in PARTS
        for group in parameter_groups(
            getattr(network.student, name),
            lr_decay_rate=optim["layerwise_decay"],
            patch_embed_lr_mult=optim["patch_embed_lr_mult"],
        )
    ]
    for group in groups:
        rate = optim["last_layer_lr"] if group["is_last_layer"] else optim["lr"]
        group |= {"lr": rate * group["lr_multiplier"], "weight_decay": optim["wd"] * group["wd_multiplier"]}
    torch.optim.AdamW(groups, betas=optim["betas"], eps=optim["eps"]).step()
    network.update_teacher(optim["ema_momentum"])
    return settings, expected, network, outputs, terms, (norms_before, clipped), norms


def close(found, expected, settings, rtol, atol=0.0):
    loose = settings["rope_dtype"] == "bf16"
    assert_close(
        torch.as_tensor(found, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        rtol=max(rtol, 1e-3) if loose else rtol,
        atol=max(atol, 5e-3) if loose and atol else atol,
    )


def test_outputs(step):
    settings, expected, _, outputs, *_ = step
    for name, found in {
        "student_global.cls_after_head": outputs.student_global_logits,
        "student_global.cls_pre_head": outputs.student_cls,
        "student_global.masked_patch_after_head": outputs.student_patch_logits,
        "student_local.cls_after_head": outputs.student_local_logits,
        "gram.teacher_patches": outputs.gram_patches,
    }.items():
        if name in expected:
            close(found.detach(), expected[name], settings, 1e-4, 2e-5)


def test_loss_terms(step):
    settings, _, _, _, terms, *_ = step
    close(terms["loss"].detach(), settings["total_loss"], settings, 1e-5)
    for ours, official in TERMS.items():
        assert (ours in terms) == (official in settings["losses"]), ours
        if ours in terms:
            close(terms[ours].detach(), settings["losses"][official], settings, 1e-5)


def test_gradients(step):
    settings, expected, _, _, _, (norms_before, clipped), _ = step
    assert set(norms_before) == set(settings["student_grad_l2"])
    for name, norm in settings["student_grad_l2"].items():
        close(norms_before[name], norm, settings, 1e-3, 1e-6)
    for name, gradient in clipped.items():
        if f"grad.{name}" in expected and settings["rope_dtype"] == "fp32":
            assert_close(gradient, expected[f"grad.{name}"], rtol=1e-3, atol=1e-6)


def test_clipped_norms(step):
    settings, *_, norms = step
    for name in PARTS:
        close(norms[name], settings["grad_norm_returned_by_clip"][name], settings, 1e-3)


def test_parameters_and_teacher_after_the_step(step):
    settings, expected, network, *_ = step
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    for name, (norm, _total) in settings["post_step_norm_and_sum"].items():
        close(parameters[name].double().norm(), norm, settings, 1e-5)
    for name, value in expected.items():
        if name.startswith("post."):
            assert_close(parameters[name.removeprefix("post.")], value, rtol=1e-4, atol=2e-5)
