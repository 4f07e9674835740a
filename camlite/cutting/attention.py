"""The attention of a transformer, A = softmax(QKᵀ/√d), with a graph to differentiate it.

Fast kernels never form A. While a model runs here, each of them is written out as two products,
and every A is kept; the output is the same up to rounding. Nothing of the model is changed.

Letters: A (N, heads, T, T), row i says how much token i takes from each token; Z (N, T, D) the
tokens that a block returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from camlite.cutting.names import Layer, is_module, layer_name, not_found
from camlite.cutting.running import (
    check_images,
    evaluation_mode,
    logits_of,
    opened,
    uncompiled,
)
from camlite.errors import ArchitectureError
from camlite.scores import recording

_SOFTMAX = (torch.softmax, Tensor.softmax, functional.softmax)
_NO_ATTENTION = (
    "this network has no attention between its tokens that can be read, softmax(QKᵀ/√d) with as "
    "many rows as columns: the method needs a vision transformer"
)


class _Kept(TorchFunctionMode):
    """Writes out the attention of everything that runs under it, and keeps each A."""

    def __init__(self) -> None:
        super().__init__()
        self.A: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._written_out(*args, **kwargs)
        out = func(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            return self._multi_head(out, *args, **kwargs)
        if func in _SOFTMAX and _is_attention(out, *args, **kwargs):
            self.A.append(out)
        return out

    def _written_out(
        self,
        Q: Tensor,
        K: Tensor,
        V: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """What `scaled_dot_product_attention` computes without dropout."""
        if enable_gqa:
            raise ArchitectureError("attention with fewer keys than queries cannot be read")
        E = Q @ K.transpose(-2, -1) * (Q.shape[-1] ** -0.5 if scale is None else scale)
        if is_causal:
            attn_mask = torch.ones(E.shape[-2:], dtype=torch.bool, device=E.device).tril()
        if attn_mask is not None:
            is_bool = attn_mask.dtype == torch.bool
            E = E.masked_fill(~attn_mask, -torch.inf) if is_bool else E + attn_mask
        A = E.softmax(-1)
        if A.shape[-1] == A.shape[-2]:
            self.A.append(A)
        return A @ V

    def _multi_head(
        self,
        out: Any,
        X: Tensor,
        key: Tensor,
        value: Tensor,
        D: int,
        heads: int,
        *rest: Any,
        **_: Any,
    ) -> Any:
        """`nn.MultiheadAttention` of tokens X (T, N, D) with themselves; `out` is what it gave."""
        W, b, W_out, b_out = rest[0], rest[1], rest[6], rest[7]
        if X is not key or X is not value or W is None:
            return out  # attention to other tokens: not square, not what is asked for
        tokens = functional.linear(X, W, b).unflatten(2, (3, heads, -1))
        Q, K, V = tokens.permute(2, 1, 3, 0, 4)  # (N, heads, T, D / heads) each
        A = (Q @ K.transpose(2, 3) * Q.shape[-1] ** -0.5).softmax(-1)
        mixed = functional.linear((A @ V).permute(2, 0, 1, 3).flatten(2), W_out, b_out)
        size = out[0].detach().abs().max()
        if bool((mixed - out[0]).detach().abs().max() > 1e-3 * size):
            raise ArchitectureError(
                "the attention of an nn.MultiheadAttention with a mask or extra keys cannot be read"
            )
        self.A.append(A)
        return mixed, out[1]


def _is_attention(out: Any, x: Tensor, dim: Any = None, *_: Any, **__: Any) -> bool:
    """A softmax over the last axis of square matrices, (N, heads, T, T) or (N · heads, T, T)."""
    last = dim in (-1, x.dim() - 1) and x.dim() in (3, 4)
    return bool(last and out.shape[-1] == out.shape[-2] > 1)


@contextmanager
def _reading(model: nn.Module, X: Tensor) -> Iterator[_Kept]:
    """The model runs in evaluation mode, with a graph, and its attention is kept."""
    with recording(X), uncompiled(), evaluation_mode(model), _Kept() as kept:
        yield kept


def _by_image(A: Tensor, N: int) -> Tensor:
    """(N, heads, T, T) of what a softmax returned; ArchitectureError for attention in windows."""
    if A.dim() == 3 and len(A) % N == 0:
        A = A.unflatten(0, (N, -1))
    if A.dim() != 4 or len(A) != N:
        raise ArchitectureError(
            f"attention of shape {tuple(A.shape)} for {N} images: it is taken in windows, and no "
            "row of it sees the whole image"
        )
    return A


def run_and_read(model: nn.Module, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The model's output and every A (N, heads, T, T) in the order they ran, with a graph.

    Raises ArchitectureError where the model has no attention over all its tokens, or several sizes.
    """
    model = opened(model)
    check_images(model, images)
    with _reading(model, images) as kept:
        X = _with_graph(images)
        Y = logits_of(model(X), X)
    A = [_by_image(A, len(images)) for A in kept.A]
    if not A:
        raise ArchitectureError(_NO_ATTENTION)
    if len({A_l.shape[2] for A_l in A}) > 1:
        raise ArchitectureError("the number of tokens changes from block to block")
    return Y, A


class Blocks(NamedTuple):
    """What blocks alone have to say; L blocks."""

    logits: Tensor  # (N, C), the model's own
    of_blocks: Tensor  # (L, N, C), the logits of each block's mean token
    A: list[Tensor]  # L times (N, heads, T, T); of_blocks[l] depends on A[l] only


def run_blocks(model: nn.Module, images: Tensor, layers: Layer | Sequence[Layer]) -> Blocks:
    """The logits that the mean token of each block would get, with a graph from its own A on.

    Behind the last block of the model further images join the batch: for each given block its mean
    token, at every place. So the model's own norm and head read it. Each block starts from tokens
    without a graph, so its logits depend on no earlier A. None takes all blocks. Costs one forward
    pass, and one of the first image that looks for the blocks.

    Raises ArchitectureError where a layer is no block with one attention over all tokens.
    """
    model = opened(model)
    check_images(model, images)
    known = blocks(model, images)
    names = _names(model, layers, known)
    first: list[int] = []
    Z: list[Tensor] = []

    def begin(module: nn.Module, args: Any) -> Any:
        first.append(len(kept.A))
        return args[0].detach().requires_grad_().clone(), *args[1:]

    def end(module: nn.Module, args: Any, out: Tensor) -> None:
        Z.append(out.mean(1, keepdim=True).expand_as(out))

    def widen(module: nn.Module, args: Any, out: Tensor) -> Tensor:
        return torch.cat([out, *Z])

    handles = []
    for name in names:
        handles.append(model.get_submodule(name).register_forward_pre_hook(begin))
        handles.append(model.get_submodule(name).register_forward_hook(end))
    handles.append(model.get_submodule(known[-1]).register_forward_hook(widen))
    N, L = len(images), len(names)
    try:
        with _reading(model, images) as kept:
            X = _with_graph(images)
            Y = logits_of(model(X), X)
    finally:
        for handle in handles:
            handle.remove()
    if len(first) != L or len(Y) != N * (L + 1):
        raise ArchitectureError("behind its last block this model does not go on image by image")
    return Blocks(Y[:N], Y[N:].unflatten(0, (L, N)), [_by_image(kept.A[i], N) for i in first])


def _with_graph(images: Tensor) -> Tensor:
    """A copy from which a graph begins; not a leaf, so layers may change it in place."""
    return images.detach().clone().requires_grad_().clone()


def _names(model: nn.Module, layers: Layer | Sequence[Layer], known: list[str]) -> list[str]:
    if layers is None:
        return known
    given: Any = layers if isinstance(layers, (list, tuple)) else [layers]
    names = [layer_name(model, each) for each in given]
    for name in names:
        if not is_module(model, name):
            raise not_found(model, name)
    if not names or not set(names) <= set(known):
        raise ArchitectureError(
            f"{names} are not blocks with one attention each; the blocks are {known}"
        )
    return [name for name in known if name in names]


def blocks(model: nn.Module, images: Tensor) -> list[str]:
    """The names of the blocks: the outermost modules with one attention and as many tokens after
    it as before. In the order in which they run; the first image passes the model once.

    Raises ArchitectureError where there is none, and where attention is taken in windows.
    """
    begun: dict[str, int] = {}
    found: list[str] = []

    def begin(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            begun[name] = len(kept.A)

        return hook

    def end(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, out: Any) -> None:
            shapes = [t.shape for t in (*args[:1], out) if isinstance(t, Tensor) and t.dim() == 3]
            one = len(kept.A) == begun[name] + 1
            if one and len(shapes) == 2 and shapes[0] == shapes[1]:
                found.append(name)

        return hook

    handles = []
    for name, module in model.named_modules():
        if name:
            handles.append(module.register_forward_pre_hook(begin(name)))
            handles.append(module.register_forward_hook(end(name)))
    try:
        with _reading(model, images) as kept:
            model(_with_graph(images[:1]))
    finally:
        for handle in handles:
            handle.remove()
    for A in kept.A:
        _by_image(A, 1)
    inside = [name for name in found if any(name.startswith(f"{other}.") for other in found)]
    outermost = [name for name in found if name not in inside]
    if not outermost or len(set(outermost)) < len(outermost):
        raise ArchitectureError(_NO_ATTENTION)
    return outermost
