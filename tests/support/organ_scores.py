"""Scores of three cases, of which the means are known."""

import math

from meddino_components.evaluation import OrganScore

NAN, INF = math.nan, math.inf


def values(dice, hd95_mm, surface_dice):
    return {"dice": dice, "surface_dice_1mm": surface_dice, "hd95_mm": hd95_mm}


SCORES = [
    OrganScore("a", "liver", values(0.9, 4.0, 0.8), 1500.0, 1400.0),
    OrganScore("b", "liver", values(0.7, 8.0, 0.6), 1300.0, 1600.0),
    OrganScore("c", "liver", values(0.5, 6.0, 0.1), 1100.0, 900.0),
    OrganScore("a", "gall bladder", values(0.0, INF, 0.0), 20.0, 0.0),
    OrganScore("b", "gall bladder", values(NAN, NAN, NAN), 0.0, 3.0),
    OrganScore("c", "gall bladder", values(0.6, 2.0, 0.4), 30.0, 25.0),
    OrganScore("a", "bladder", values(NAN, NAN, NAN), 0.0, 0.0),
    OrganScore("b", "bladder", values(NAN, NAN, NAN), 0.0, 0.0),
    OrganScore("c", "bladder", values(NAN, NAN, NAN), 0.0, 0.0),
]
ORGANS = ["liver", "gall bladder", "bladder"]
