"""Labelled slices whose organs can be told from their pixels, or cannot."""

import torch

N_CLASSES = 4
SIZE, PATCH = 64, 16


def planted_slices(n=6, *, seed=0, contrast=3.0):
    """Body with three organs, each in most slices, at places of chance; grey by class, in noise."""
    generator = torch.Generator().manual_seed(seed)
    slices = []
    for number in range(n):
        label = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
        places = torch.randperm((SIZE // PATCH) ** 2, generator=generator)[:6].view(3, 2)
        for organ, of_organ in enumerate(places.tolist(), start=1):
            for place in of_organ if (number + organ) % 4 else []:
                row, column = (PATCH * x for x in divmod(place, SIZE // PATCH))
                label[:, row : row + PATCH, column : column + PATCH] = organ
        noise = torch.randn(1, SIZE, SIZE, generator=generator)
        slices.append(
            {"image": contrast * label + noise, "label": label, "unit": number, "case_id": "p", "slice": number}
        )
    return slices
