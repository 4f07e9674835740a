"""Methods for transformers: each against a network written out by hand, and what they refuse."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite.cutting.attention import blocks, run_and_read
from camlite.errors import ArchitectureError, LayerNotFound

CLASS = 1


def ready(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights far from the usual start, at which attention is even and heads are 0; float64."""
    g = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        p.data = 0.4 * torch.randn(p.shape, generator=g)
    return model.double().eval()


def pictures(size: int, n: int = 2) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(3)).double()


def tiny(pooling: str = "class") -> nn.Module:
    return ready(camlite.nets.TinyViT(pooling=pooling))


def torchvision_vit() -> nn.Module:
    return ready(
        torchvision.models.VisionTransformer(
            image_size=16,
            patch_size=4,
            num_layers=3,
            num_heads=2,
            hidden_dim=8,
            mlp_dim=12,
            num_classes=4,
        )
    )


def timm_vit(**options) -> nn.Module:
    timm = pytest.importorskip("timm", reason="pip install camlite[zoo]")
    small = dict(img_size=16, patch_size=4, embed_dim=8, depth=3, num_heads=2, num_classes=4)
    return ready(timm.models.VisionTransformer(**{**small, **options}))


class Library(nn.Module):
    """torch's own encoder layers, with or without the batch first."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).permute(0, 2, 1)
        if not self.batch_first:
            tokens = tokens.transpose(0, 1)
        return self.head(self.encoder(tokens).mean(1 if self.batch_first else 0))


# name: (model, images, blocks, how the logits are read, tokens in front of the patches)
CASES = {
    "tiny": lambda: (tiny(), pictures(24), ["blocks.0", "blocks.1"], "class", 1),
    "tiny mean": lambda: (tiny("mean"), pictures(24), ["blocks.0", "blocks.1"], "mean", 1),
    "torchvision": lambda: (
        torchvision_vit(),
        pictures(16),
        [f"encoder.layers.encoder_layer_{i}" for i in range(3)],
        "class",
        1,
    ),
    "timm": lambda: (timm_vit(), pictures(16), [f"blocks.{i}" for i in range(3)], "class", 1),
    "timm mean": lambda: (
        timm_vit(global_pool="avg", class_token=False, init_values=0.3),
        pictures(16),
        [f"blocks.{i}" for i in range(3)],
        "mean",
        0,
    ),
    "library": lambda: (
        ready(Library(batch_first=True)),
        pictures(16),
        ["encoder.layers.0", "encoder.layers.1"],
        "mean",
        0,
    ),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]()


# ------------------------------------------------------------------ the networks by hand


def attend(Q, K, V, E):
    """Softmax attention head by head with E added to A: E is 0, and ∂Y/∂E is ∂Y/∂A."""
    A = torch.stack([(q @ k.T / q.shape[1] ** 0.5).softmax(1) for q, k in zip(Q, K, strict=True)])
    return A, torch.cat([(a + e) @ v for a, e, v in zip(A, E, V, strict=True)], 1)


def heads_of(tokens, weight, bias, heads):
    """Q, K and V of one image's tokens (T, D), each (heads, T, D / heads)."""
    D = tokens.shape[1]
    parts = tokens @ weight.T + bias
    return [torch.stack(list(parts[:, i * D : (i + 1) * D].split(D // heads, 1))) for i in range(3)]


def block_by_hand(block, z, E):
    """One block on one image's tokens z (T, D) -> A, and the tokens after it."""
    if isinstance(block, camlite.nets.Block):
        parts = block.query_key_value
        A, mixed = attend(*heads_of(block.norm_1(z), parts.weight, parts.bias, 4), E)
        z = z + block.out(mixed)
        return A, z + block.mlp(block.norm_2(z))
    if isinstance(block, nn.TransformerEncoderLayer):
        a = block.self_attn
        A, mixed = attend(*heads_of(z, a.in_proj_weight, a.in_proj_bias, 2), E)
        z = block.norm1(z + a.out_proj(mixed))
        return A, block.norm2(z + block.linear2(block.linear1(z).relu()))
    if hasattr(block, "self_attention"):  # torchvision
        a = block.self_attention
        A, mixed = attend(*heads_of(block.ln_1(z), a.in_proj_weight, a.in_proj_bias, 2), E)
        z = z + a.out_proj(mixed)
        return A, z + block.mlp(block.ln_2(z))
    qkv = block.attn.qkv  # timm
    A, mixed = attend(*heads_of(block.norm1(z), qkv.weight, qkv.bias, 2), E)
    z = z + block.ls1(block.attn.proj(mixed))
    return A, z + block.ls2(block.mlp(block.norm2(z)))


def tokens_before(model, x, first):
    """What the first block takes, for one image x (1, 3, H, W): (T, D)."""
    taken = []
    handle = model.get_submodule(first).register_forward_pre_hook(lambda m, a: taken.append(a[0]))
    model(x)
    handle.remove()
    return taken[0][0].detach()


def head_by_hand(model, tokens):
    """The logits (C,) of the tokens (T, D) behind the last block."""
    tokens = tokens[None]
    if isinstance(model, camlite.nets.TinyViT):
        tokens = model.norm(tokens)
        read = tokens[:, 0] if model.pooling == "class" else tokens[:, 1:].mean(1)
        return model.classifier(read)[0]
    if isinstance(model, Library):
        return model.head(tokens.mean(1))[0]
    if isinstance(model, torchvision.models.VisionTransformer):
        return model.heads(model.encoder.ln(tokens)[:, 0])[0]
    return model.forward_head(model.norm(tokens))[0]


def by_hand(model, x, names, E):
    """Logits of one image, and its A in each block, with E_l added to A_l."""
    z, A = tokens_before(model, x, names[0]), []
    for name, E_l in zip(names, E, strict=True):
        A_l, z = block_by_hand(model.get_submodule(name), z, E_l)
        A.append(A_l)
    return head_by_hand(model, z), A


def zeros(model, x, names):
    T = len(tokens_before(model, x, names[0]))
    heads = 4 if isinstance(model, camlite.nets.TinyViT) else 2
    return [torch.zeros(heads, T, T).double().requires_grad_() for _ in names]


# ------------------------------------------------------------------ what is read


def test_attention_is_read_and_the_output_stays(case):
    model, x, names, _, _ = case
    Y, A = run_and_read(model, x)
    torch.testing.assert_close(Y, model(x))
    assert blocks(model, x) == names
    for n in range(len(x)):
        logits, expected = by_hand(model, x[n : n + 1], names, zeros(model, x[n : n + 1], names))
        torch.testing.assert_close(logits, Y[n])
        for A_l, e in zip(A, expected, strict=True):
            torch.testing.assert_close(A_l[n], e)


def test_a_block_of_the_small_network_says_the_same_as_its_own_attention():
    model, x = tiny(), pictures(24)
    _, A = run_and_read(model, x)
    torch.testing.assert_close(A[0], model.blocks[0].attention(model.tokens(x)))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("qk_norm", [False, True])
def test_timm_with_and_without_its_fast_kernel(fused, qk_norm):
    model, x = timm_vit(qk_norm=qk_norm), pictures(16)
    taken = []
    for block in model.blocks:
        block.attn.fused_attn = False  # its own plain way shows A to the dropout
        block.attn.attn_drop.register_forward_hook(lambda m, a, out: taken.append(out))
    model(x)
    for block in model.blocks:
        block.attn.fused_attn = fused
    expected, taken = taken, []
    for A_l, e in zip(run_and_read(model, x)[1], expected, strict=True):
        torch.testing.assert_close(A_l, e)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", [None, "bool", "float"])
def test_the_fast_kernel_with_masks(causal, kind):
    if causal and kind:
        pytest.skip("torch refuses both")

    class One(nn.Module):
        def forward(self, x):
            z = x.flatten(2).transpose(1, 2)[:, None]
            mask = torch.ones(16, 16).tril().bool() if kind == "bool" else None
            mask = torch.linspace(-1, 1, 256).view(16, 16).double() if kind == "float" else mask
            out = functional.scaled_dot_product_attention(
                z, z, z, attn_mask=mask, is_causal=causal, scale=0.7
            )
            return out.mean((1, 2))

    x = pictures(4)
    Y, A = run_and_read(One(), x)
    torch.testing.assert_close(Y, One()(x))
    torch.testing.assert_close(A[0].sum(3), torch.ones(2, 1, 16).double())


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_transformers_of_hugging_face(kernel):
    transformers = pytest.importorskip("transformers", reason="pip install camlite[zoo]")
    config = transformers.ViTConfig(
        image_size=16,
        patch_size=4,
        hidden_size=8,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=12,
        num_labels=4,
        attn_implementation=kernel,
    )

    class Logits(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = transformers.ViTForImageClassification(config)

        def forward(self, x):
            return self.net(x).logits

    model, x = ready(Logits()), pictures(16)
    taken = model.net(x, output_attentions=True).attentions if kernel == "eager" else None
    Y, A = run_and_read(model, x)
    torch.testing.assert_close(Y, model(x))
    for A_l, e in zip(A, taken or A, strict=True):
        torch.testing.assert_close(A_l.to(e), e)  # "eager" takes the softmax in float32
    assert len(blocks(model, x)) == 3
    for maps in (camlite.grad_attention(model, x), camlite.legrad(model, None, x)):
        assert maps.dtype == torch.float64
        assert maps.max() > 0


# ------------------------------------------------------------------ gradient-weighted attention


def grad_attention_by_loop(model, x, names, read, first):
    """One image: R with three loops; the gradient from the network by hand."""
    E = zeros(model, x, names)
    logits, A = by_hand(model, x, names, E)
    G = torch.autograd.grad(logits[CLASS], E)
    T = A[0].shape[1]
    R = torch.eye(T).double()
    for A_l, G_l in zip(A, G, strict=True):
        bar = torch.zeros(T, T).double()
        for a, g in zip(A_l.detach(), G_l, strict=True):
            bar += (a * g).clamp(min=0) / len(A_l)
        added = torch.zeros_like(R)
        for i in range(T):
            for j in range(T):
                added[i, j] = sum(bar[i, k] * R[k, j] for k in range(T))
        R = R + added
    if read == "class":
        return R[0, first:]
    return (R - torch.eye(T))[first:, first:].mean(0)


def test_grad_attention_is_the_loop(case):
    model, x, names, read, first = case
    maps = camlite.grad_attention(model, x, CLASS, read=read)
    for n in range(len(x)):
        slow = grad_attention_by_loop(model, x[n : n + 1], names, read, first)
        torch.testing.assert_close(maps[n].flatten(), slow)
    assert maps.max() > 0


def test_the_gradient_with_respect_to_attention_is_a_difference_quotient():
    model, x, names, _, _ = CASES["torchvision"]()
    E = zeros(model, x[:1], names)
    logits, _ = by_hand(model, x[:1], names, E)
    G = torch.autograd.grad(logits[CLASS], E)
    ε = 1e-6
    for l, h, i, j in ((0, 0, 2, 5), (1, 1, 0, 3), (2, 0, 0, 16)):
        with torch.no_grad():
            moved = [e.clone() for e in E]
            moved[l][h, i, j] += ε
            rise = (by_hand(model, x[:1], names, moved)[0] - logits)[CLASS] / ε
        torch.testing.assert_close(rise, G[l][h, i, j], rtol=1e-4, atol=1e-6)


def test_one_block_with_one_head_is_gradient_times_attention():
    model, x = timm_vit(depth=1, num_heads=1), pictures(16)
    Y, (A,) = run_and_read(model, x)
    (G,) = torch.autograd.grad(Y[:, CLASS].sum(), A)
    expected = (G * A).relu()[:, 0, 0, 1:].unflatten(1, (4, 4))
    torch.testing.assert_close(camlite.grad_attention(model, x, CLASS), expected.detach())


@pytest.mark.parametrize(
    ("name", "read", "message"),
    [
        ("tiny", "mean", 'not read from the patches: give read="class"'),
        ("tiny mean", "class", 'not read from a class token: give read="mean"'),
        ("timm mean", "class", 'not read from a class token: give read="mean"'),
        ("torchvision", "mean", 'not read from the patches: give read="class"'),
    ],
)
def test_rows_that_are_not_read_are_refused(name, read, message):
    model, x, *_ = CASES[name]()
    with pytest.raises(ArchitectureError, match=message):
        camlite.grad_attention(model, x, read=read)


def test_no_gradient_at_all_gives_the_identity_of_the_class_token():
    model, x = tiny(), pictures(24)
    for p in model.classifier.parameters():
        p.data.zero_()
    assert not camlite.grad_attention(model, x).any()
    assert not camlite.legrad(model, None, x).any()


# ------------------------------------------------------------------ LeGrad


def legrad_by_loop(model, x, names, taken, first):
    """One image: each block alone, from tokens without a graph; heads and rows in loops."""
    z, total = tokens_before(model, x, names[0]), 0
    for name, E_l in zip(names, zeros(model, x, names), strict=True):
        A_l, z = block_by_hand(model.get_submodule(name), z.detach(), E_l)
        if name not in taken:
            continue
        mean = z.mean(0, keepdim=True).expand_as(z)
        (G_l,) = torch.autograd.grad(head_by_hand(model, mean)[CLASS], E_l)
        L = torch.zeros(A_l.shape[1]).double()
        for g in G_l:
            for row in g:
                L += row.clamp(min=0) / (len(G_l) * len(row))
        total = total + L / len(taken)
    return total[first:]


@pytest.mark.parametrize("which", [None, slice(0, 1), slice(-1, None), slice(0, 2)])
def test_legrad_is_the_loop(case, which):
    model, x, names, _, first = case
    taken = names if which is None else names[which]
    maps = camlite.legrad(model, None if which is None else taken, x, CLASS)
    for n in range(len(x)):
        slow = legrad_by_loop(model, x[n : n + 1], names, taken, first)
        torch.testing.assert_close(maps[n].flatten(), slow)
    assert maps.max() > 0


def test_legrad_takes_names_modules_and_one_block():
    model, x, names, *_ = CASES["tiny"]()
    M = camlite.legrad(model, names, x, CLASS)
    modules = [model.get_submodule(name) for name in names]
    assert torch.equal(M, camlite.legrad(model, modules, x, CLASS))
    assert torch.equal(M, camlite.legrad(model, names[::-1], x, CLASS))
    one = camlite.legrad(model, names[0], x, CLASS)
    torch.testing.assert_close(M, (one + camlite.legrad(model, names[1], x, CLASS)) / 2)


# ------------------------------------------------------------------ the contract


def grad_attention(model, x, target=CLASS, read="class", **options):
    return camlite.grad_attention(model, x, target, read=read, **options)


def legrad(model, x, target=CLASS, read="class", **options):
    return camlite.legrad(model, None, x, target, **options)


METHODS = pytest.mark.parametrize("method", [grad_attention, legrad])


@METHODS
def test_batch_float32_classes_and_modes(case, method):
    model, x, _, read, _ = case
    exact = method(model, x, read=read)
    alone = torch.cat([method(model, one[None], read=read) for one in x])
    torch.testing.assert_close(exact, alone)
    assert not exact.requires_grad
    assert exact.min() >= 0
    mixed = method(model, x, torch.tensor([0, 2]), read=read)
    torch.testing.assert_close(mixed[1], method(model, x[1:], 2, read=read)[0])
    by_function = method(model, x, lambda S: S[:, CLASS], read=read)
    torch.testing.assert_close(by_function, exact)
    with torch.inference_mode():
        torch.testing.assert_close(method(model, x.clone(), read=read), exact)
    with torch.no_grad():
        torch.testing.assert_close(method(model, x, read=read), exact)
    model.float()
    single = method(model, x.float(), read=read)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(method(model, x.float(), read=read), single)


@METHODS
@pytest.mark.parametrize("frozen", [False, True])
def test_nothing_is_left_behind(case, method, frozen):
    model, x, _, read, _ = case
    expected = method(model, x, read=read)
    model.train().requires_grad_(not frozen)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    random, given = torch.get_rng_state(), x.clone()
    torch.testing.assert_close(method(model, x, read=read), expected)
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(given, x)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(m.training for m in model.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(p.grad is None and p.requires_grad is not frozen for p in model.parameters())


@METHODS
def test_layers_that_change_their_input_in_place(method):
    class InPlace(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def forward(self, z):
            z *= 0.5
            return self.block(z * 2)

    model, x = tiny(), pictures(24)
    expected = method(model, x)
    model.blocks = nn.Sequential(*(InPlace(block) for block in model.blocks))
    torch.testing.assert_close(method(model, x), expected)


@METHODS
def test_registers_and_grids(method):
    model, x = timm_vit(reg_tokens=3), pictures(16)
    with pytest.raises(ArchitectureError, match=r"give grid=\(h, w\)"):
        method(model, x)
    maps = method(model, x, grid=(4, 4))
    assert maps.shape == (2, 4, 4)
    wide = timm_vit(img_size=(16, 24))
    X = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)).double()
    maps = method(wide, X, grid=(4, 6))
    assert maps.shape == (2, 4, 6)
    with pytest.raises(ArchitectureError, match="25 tokens do not fit the grid 9×9"):
        method(wide, X, grid=(9, 9))


def test_the_map_lies_as_the_image_does():
    """A patch that alone differs is where the map of a network without positions changes."""
    model = tiny()
    model.positions.data.zero_()
    x = torch.zeros(1, 3, 24, 24).double()
    x[:, :, 4:8, 16:20] = 1.0  # row 1, column 4 of the 6×6 patches
    for maps in (grad_attention(model, x), legrad(model, x)):
        others = maps.clone()
        others[0, 1, 4] = maps[0, 0, 0]
        torch.testing.assert_close(others, maps[0, 0, 0].expand_as(others))
        assert (maps[0, 1, 4] - maps[0, 0, 0]).abs() > 1e-6


# ------------------------------------------------------------------ what is refused


def swin():
    torch.manual_seed(0)
    return torchvision.models.SwinTransformer(
        patch_size=[4, 4],
        embed_dim=8,
        depths=[2, 2],
        num_heads=[2, 2],
        window_size=[2, 2],
        num_classes=5,
    ).eval()


@METHODS
def test_networks_without_attention_over_all_tokens(method):
    cnn = camlite.nets.bundled("pond_repaired")
    with pytest.raises(ArchitectureError, match="needs a vision transformer"):
        method(cnn, torch.rand(1, 3, 48, 48))
    with pytest.raises(ArchitectureError, match="taken in windows"):
        method(swin(), torch.rand(1, 3, 32, 32))


@METHODS
def test_bad_input(method):
    model, x = tiny(), pictures(24)
    with pytest.raises(ValueError, match="NaN or infinite"):
        method(model, x * torch.nan)
    with pytest.raises(ValueError, match="out of range"):
        method(model, x, 7)
    with pytest.raises(ValueError, match="images have dtype"):
        method(model, x.float())
    model.classifier.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match="NaN or infinite scores"):
        method(model, x)


class Masked(Library):
    """An nn.MultiheadAttention that is not plain softmax(QKᵀ/√d)."""

    def forward(self, x):
        tokens = self.patches(x).flatten(2).permute(0, 2, 1)
        mask = torch.ones(16, 16).triu(1).bool()
        return self.head(self.encoder(tokens, mask=mask).mean(1))


@METHODS
def test_multi_head_attention_with_a_mask_is_refused(method):
    with pytest.raises(ArchitectureError, match="with a mask or extra keys"):
        method(ready(Masked(batch_first=True)), pictures(16), read="mean")


def test_tokens_first_serve_grad_attention_and_not_legrad():
    """(T, N, D): the attention is the same; a block's mean over axis 1 would mix the images."""
    model, x = ready(Library(batch_first=False)), pictures(16)
    same = ready(Library(batch_first=True))
    same.load_state_dict(model.state_dict())
    expected = grad_attention(same, x, read="mean")
    torch.testing.assert_close(grad_attention(model, x, read="mean"), expected)
    with pytest.raises(ArchitectureError, match="image by image"):
        legrad(model, x)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([], ArchitectureError, r"the blocks are \['blocks.0', 'blocks.1'\]"),
        (["norm"], ArchitectureError, "not blocks with one attention each"),
        (["blocks.0.mlp"], ArchitectureError, "not blocks with one attention each"),
        (["blocks.7"], LayerNotFound, "no layer 'blocks.7'"),
        ([3], LayerNotFound, "must be a name or a module"),
    ],
)
def test_legrad_names_the_blocks(layers, error, message):
    with pytest.raises(error, match=message):
        camlite.legrad(tiny(), layers, pictures(24))


def test_grad_attention_wrong_options():
    with pytest.raises(ValueError, match="read must be one of 'class', 'mean'"):
        camlite.grad_attention(tiny(), pictures(24), read="max")


# ------------------------------------------------------------------ what they show


@METHODS
@pytest.mark.parametrize("name", ["tokens_0", "tokens_1", "tokens_2"])
def test_a_trained_network_looks_at_the_shape_that_is_there(method, name):
    """One shape in four quarters: the highest value lies in its quarter far oftener than 1 in 4."""
    model = camlite.nets.bundled(name)
    data = camlite.data.shapes(100, seed=100, shown=1)
    maps = method(model, data.images, data.shown.long().argmax(1))
    quarter = functional.max_pool2d(data.object_masks.any(1).float()[:, None], 12)
    inside = functional.interpolate(quarter, size=(6, 6), mode="nearest").flatten(1)
    hits = inside.gather(1, maps.flatten(1).argmax(1, keepdim=True))
    assert hits.mean() > 0.5
