"""State dicts under the names that other libraries write."""


def as_transformers(state):
    """The names that ``save_pretrained`` writes."""
    renamed = {}
    for key, tensor in state.items():
        if key.endswith(("periods", "bias_mask")):
            continue
        for old, new in (
            ("storage_tokens", "embeddings.register_tokens"),
            ("cls_token", "embeddings.cls_token"),
            ("patch_embed.proj.", "embeddings.patch_embeddings."),
            ("blocks.", "layer."),
            ("attn.proj.", "attention.o_proj."),
            ("ls1.gamma", "layer_scale1.lambda1"),
            ("ls2.gamma", "layer_scale2.lambda1"),
            ("mlp.fc1.", "mlp.up_proj."),
            ("mlp.fc2.", "mlp.down_proj."),
        ):
            key = key.replace(old, new)
        if key == "mask_token":
            renamed["embeddings.mask_token"] = tensor[None]
        elif ".attn.qkv." in key:
            for letter, part in zip("qkv", tensor.chunk(3), strict=True):
                renamed[key.replace("attn.qkv.", f"attention.{letter}_proj.")] = part
        else:
            renamed[key] = tensor
    return {key: tensor.clone() for key, tensor in renamed.items() if not key.endswith("k_proj.bias")}


def as_timm(state):
    renamed = {}
    for key, tensor in state.items():
        if key == "mask_token" or key.endswith(("periods", "bias_mask")):
            continue
        key = key.replace("storage_tokens", "reg_token").replace("ls1.gamma", "gamma_1").replace("ls2.gamma", "gamma_2")
        if key.endswith("qkv.bias"):
            q, _, v = tensor.chunk(3)
            stem = key.removesuffix("qkv.bias")
            renamed |= {f"{stem}q_bias": q.clone(), f"{stem}v_bias": v.clone()}
        elif ".mlp.w" in key:
            for old, new in (("w1", "fc1_g"), ("w2", "fc1_x"), ("w3", "fc2")):
                key = key.replace(old, new)
            renamed[key] = tensor
        else:
            renamed[key] = tensor
    return renamed
