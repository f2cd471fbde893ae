"""Draw the intensities of a phantom's tissues, one random table per case."""

from __future__ import annotations

import numpy as np


def ct_tissues(rng: np.random.Generator) -> dict[str, float]:
    """Draw values in HU; one scan in twelve has no contrast medium, the others are late arterial to portal venous."""
    flow = 0.0 if rng.random() < 1 / 12 else float(rng.uniform(0.8, 1.5))
    plain = (0, 50, 33, 33, 10, 40, 58, 42, 43, 41, 42, 38, 38, 40, 8, 40)
    gain = (0, 65, 115, 115, 0, 28, 52, 30, 105, 80, 60, 42, 42, 45, 4, 40)
    tissue = {f"organ {k}": p + flow * g for k, (p, g) in enumerate(zip(plain, gain, strict=True))}
    tissue |= {
        "air": -1000.0,
        "gas": -880.0,
        "lung": float(rng.uniform(-870, -790)),
        "fat": float(rng.uniform(-112, -92)),
    }
    tissue |= {"muscle": 52 + 12 * flow, "heart": 44 + 95 * flow, "bowel": 42 + 42 * flow, "bowel content": 22.0}
    tissue |= {
        "stool": float(rng.uniform(-120, 60)),
        "cortex": 480.0,
        "marrow": float(rng.uniform(130, 220)),
        "disc": 82.0,
    }
    tissue |= {"canal": 28.0, "medulla": 30 + 90 * flow, "liver vein": 44 + 95 * flow, "texture": 9.0, "spread": 6.0}
    return tissue | {"table": 60.0, "table foam": -940.0}


def mr_tissues(rng: np.random.Generator) -> dict[str, float]:
    """Draw arbitrary units; dark fluid and bright fat (T1 weighted) or dark liver and bright fluid (T2 weighted)."""
    t1 = (0, 230, 250, 250, 150, 270, 400, 240, 200, 210, 420, 250, 250, 270, 110, 250)
    t2 = (0, 430, 480, 480, 880, 300, 240, 330, 90, 120, 330, 280, 280, 350, 920, 420)
    is_t1 = bool(rng.random() < 0.5)
    gain = float(rng.uniform(0.6, 1.6))
    tissue = {f"organ {k}": float(v) for k, v in enumerate(t1 if is_t1 else t2)}
    tissue |= {"fat": 760.0 if is_t1 else 620.0, "muscle": 260.0 if is_t1 else 170.0, "heart": 190.0, "lung": 25.0}
    tissue |= {"bowel": 270.0, "bowel content": 150.0 if is_t1 else 640.0, "stool": 230.0, "gas": 12.0, "cortex": 60.0}
    tissue |= {"marrow": 480.0, "disc": 200.0 if is_t1 else 340.0, "canal": 130.0 if is_t1 else 850.0}
    tissue |= {"medulla": 190.0 if is_t1 else 620.0, "liver vein": 180.0 if is_t1 else 110.0, "texture": 22.0}
    return {k: v * gain for k, v in tissue.items()} | {"air": 0.0, "spread": 22.0 * gain}
