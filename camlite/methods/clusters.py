"""Which channels belong together, and the sum of each group: for the methods that use groups.

Letters: V (N, K, D) one vector for each channel; l (N, K) the group of each channel; α channel
weights; F (N, K, h, w) feature maps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from camlite.checks import finite
from camlite.maps import weighted_sum
from camlite.perturb import noise, own_generator


def k_means(V: Tensor, groups: int, generator: torch.Generator | None) -> Tensor:
    """The group of each channel, (N, K), by k-means on the vectors V (N, K, h·w), image by image.

    Never more groups than different vectors. The same start for each image of a batch. A channel
    that is 0 everywhere takes no part, it adds nothing to any group: a vector of zeros is equally
    far from all vectors of length 1, so rounding alone would decide where it goes. Two other kinds
    of ties are decided by fixed small numbers, large beside rounding: a vector as far from one
    centre as from another, by a noise of 1e-5 of the vectors' size; and a start in either of two
    neighbours, which leaves the same sum of distances, by weights between 1 and 1.001. So a batch
    gives what its images give alone.
    """
    from sklearn.cluster import KMeans

    finite("the layer's output", V)
    generator = own_generator(generator)
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator, device=generator.device))
    l = torch.zeros(V.shape[:2], dtype=torch.long)
    tilt = 1e-5 * noise(V.shape[1:], None, l.double())
    weight = 1 + 1e-3 * torch.rand(V.shape[1], generator=own_generator(None)).double()
    for n, v in enumerate(V.detach().cpu().double()):
        alive = v.any(1)
        v = v + tilt * v.square().mean().sqrt()
        different = len(V[n].detach().cpu()[alive].unique(dim=0))
        if different > 0:
            start = KMeans(n_clusters=min(groups, different), n_init=3, random_state=seed)
            groups_of = start.fit_predict(v[alive].numpy(), sample_weight=weight[alive].numpy())
            l[n, alive] = torch.from_numpy(groups_of).long()
    return l.to(V.device)


def group_maps(F: Tensor, l: Tensor, α: Tensor | float = 1.0) -> Tensor:
    """Σ_{k∈l} α_k F_k: (N, K, h, w) and the group of each channel (N, K) -> (N, groups, h, w)."""
    groups = range(int(l.max()) + 1)
    return torch.stack([weighted_sum(α * (l == each).to(F), F) for each in groups], 1)
