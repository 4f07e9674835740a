"""Maps from the attention of a vision transformer: what a token takes from which patch.

Letters: A_l (N, heads, T, T) the attention of block l, row i says how much token i takes from each
token j; Y (N,) the score; Ā (N, T, T) a mean over the heads; R (N, T, T) relevance. The last h·w
of the T tokens are the patches; those in front are a class token and registers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from camlite.checks import finite, one_of
from camlite.cutting.attention import run_and_read, run_blocks
from camlite.cutting.tokens import patch_grid
from camlite.errors import ArchitectureError
from camlite.scores import Target, chosen, recording, score
from camlite.split import Layer


def grad_attention(
    model: nn.Module,
    images: Tensor,
    target: Target = None,
    *,
    read: str = "class",
    grid: tuple[int, int] | None = None,
) -> Tensor:
    """Gradient-weighted attention, passed from block to block: R ← R + Ā R, from R = I.

    Ā_l = mean over the heads of ReLU(∂Y/∂A_l ∘ A_l) (Eq. 5 of the paper), and Eq. 6 adds what each
    block passes on. The map is the row of R of the token from which the logits are read, at the
    patches: read="class" takes the class token, "mean" the mean of the patches' rows (without the
    identity that R starts with) for networks that average patches. `grid` is (h, w) of the patches;
    None takes a square.

    Doubts: attention says how tokens mix, not what the linear layers between make of them; a head
    whose gradient is negative counts nothing; the skip connections weigh 1 whatever they carry. An
    attention that only pools, with fewer rows than columns (SigLIP, CaiT), is not looked at.

    Shapes: images (N, C, H, W) -> maps (N, h, w) ≥ 0. Works on networks that compute
    softmax(QKᵀ/√d): torchvision's and timm's ViT, `nets.TinyViT`. Raises ArchitectureError for
    others (no attention; attention in windows), and where read="class" names a token that is
    not read.
    Source: Chefer, Gur & Wolf 2021, arXiv 2103.15679; read in the authors' notebook for ViT
    (commit 58eaea8), which names rules 5 and 6; `read="mean"` is this package's.

    >>> vit, shapes = camlite.nets.bundled("tokens_0"), camlite.data.shapes(count=2).images
    >>> maps = camlite.grad_attention(vit, shapes)
    >>> maps.shape
    torch.Size([2, 6, 6])
    """
    one_of("read", read, ("class", "mean"))
    with recording(images):
        logits, A = run_and_read(model, images)
        Y = score(logits, chosen(logits.detach(), target))
        G = torch.autograd.grad(Y.sum(), A, materialize_grads=True)
        (h, w), first = patch_grid(A[0].shape[2], grid)
        _require_read(G[-1], first, read)
        I = torch.eye(A[0].shape[2], dtype=images.dtype, device=images.device)
        R = I.expand(len(images), -1, -1)
        for A_l, G_l in zip(A, G, strict=True):
            finite("the gradient of the score", G_l)
            bar = (G_l * A_l.detach()).relu().mean(1)  # Eq. 5
            R = R + bar.to(R.dtype) @ R  # Eq. 6; some networks take the softmax in float32
    rows = R[:, 0] if read == "class" else (R - I)[:, first:].mean(1)
    return rows[:, first:].unflatten(1, (h, w))


def _require_read(G: Tensor, first: int, read: str) -> None:
    """ArchitectureError where the rows that are asked for do not reach the logits."""
    rows = G[:, :, :1] if read == "class" else G[:, :, first:]
    if (read == "class" and first == 0) or (bool(G.any()) and not bool(rows.any())):
        what, other = ("a class token", "mean") if read == "class" else ("the patches", "class")
        raise ArchitectureError(f'the logits are not read from {what}: give read="{other}"')


def legrad(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    target: Target = None,
    *,
    grid: tuple[int, int] | None = None,
) -> Tensor:
    """LeGrad: where more attention would raise the score, L = mean_l mean_heads,i ReLU(∂Y_l/∂A_l).

    Y_l is the score that the mean token of block l gets from the network's own norm and head; the
    gradient goes through block l alone. Its positive part is averaged over blocks, heads and rows
    i, and taken at the patches. The attention itself does not enter, only its gradient. `layer` is
    a block or a list of them, or None for all; the authors' code takes the last two. `grid` is
    (h, w) of the patches; None takes a square.

    Doubts: the head was trained on the last block's class token, and reads mean tokens of all
    blocks here; a gradient with respect to A moves off the rows that sum to 1.

    Shapes: images (N, C, H, W) -> maps (N, h, w) ≥ 0; the authors scale to [0, 1] afterwards.
    Raises ArchitectureError where a block has not exactly one attention over all tokens.
    Source: Bousselham et al., ICCV 2025, arXiv 2404.03214, as in the authors' code for CLIP
    (commit a9edb03: mean over all tokens, sum over blocks); equations not checked in the paper.
    Their variant for attentional pooling (SigLIP, CoCa) is not here.

    >>> vit, shapes = camlite.nets.bundled("tokens_0"), camlite.data.shapes(count=2).images
    >>> maps = camlite.legrad(vit, ["blocks.0", "blocks.1"], shapes)
    >>> maps.shape
    torch.Size([2, 6, 6])
    """
    with recording(images):
        run = run_blocks(model, images, layer)
        c = chosen(run.logits.detach(), target)
        Y = torch.stack([score(logits, c) for logits in run.of_blocks])  # (L, N)
        G = torch.autograd.grad(Y.sum(), run.A, materialize_grads=True)
    (h, w), first = patch_grid(run.A[0].shape[2], grid)
    for G_l in G:
        finite("the gradient of the score", G_l)
    L = torch.stack([G_l.relu().mean((1, 2)) for G_l in G]).mean(0)  # (N, T)
    return L[:, first:].unflatten(1, (h, w)).to(images.dtype)
