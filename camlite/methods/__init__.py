"""One explicit function per method, grouped by where the channel weights come from.

The examples in the docstrings are run by the tests. `model` is a small network that comes with
camlite, `images` are two pictures of its pond, a frog and a bird:

>>> import torch, camlite
>>> model = camlite.nets.bundled("pond_repaired")  # four classes; its last maps: "features"
>>> images = camlite.data.scenes("pond", "flipped", count=2).images
>>> images.shape, model(images).argmax(1)
(torch.Size([2, 3, 48, 48]), tensor([0, 1]))
"""

from camlite.methods.attention import grad_attention, legrad
from camlite.methods.eigen import eigen_cam, eigen_grad_cam, kpca_cam, lafam
from camlite.methods.floors import center_gaussian, random_cam
from camlite.methods.gradient import (
    cam,
    finer_cam,
    grad_cam,
    grad_cam_plus_plus,
    hires_cam,
    integrated_grad_cam,
    layer_cam,
    shapley_cam,
    smooth_grad_cam_plus_plus,
    xgrad_cam,
)
from camlite.methods.groups import group_cam
from camlite.methods.layers import full_grad, poly_cam, refine_cam, winsor_cam, zoom_cam
from camlite.methods.pixels import (
    deconvnet,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    occlusion,
    rise,
    saliency,
    smooth_grad,
)
from camlite.methods.score import ablation_cam, is_cam, recipro_cam, score_cam, ss_cam
from camlite.methods.unpublished import cluster_cam, cosine_cam, expected_grad_cam

__all__ = [
    "ablation_cam",
    "cam",
    "center_gaussian",
    "cluster_cam",
    "cosine_cam",
    "deconvnet",
    "eigen_cam",
    "eigen_grad_cam",
    "expected_grad_cam",
    "finer_cam",
    "full_grad",
    "grad_attention",
    "grad_cam",
    "grad_cam_plus_plus",
    "group_cam",
    "guided_backprop",
    "guided_grad_cam",
    "hires_cam",
    "integrated_grad_cam",
    "integrated_gradients",
    "is_cam",
    "kpca_cam",
    "lafam",
    "layer_cam",
    "legrad",
    "occlusion",
    "poly_cam",
    "random_cam",
    "recipro_cam",
    "refine_cam",
    "rise",
    "saliency",
    "score_cam",
    "shapley_cam",
    "smooth_grad",
    "smooth_grad_cam_plus_plus",
    "ss_cam",
    "winsor_cam",
    "xgrad_cam",
    "zoom_cam",
]
