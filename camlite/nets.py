"""The small networks of the course."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.fx
from torch import Tensor, nn
from tqdm import tqdm

from camlite.checks import at_least_one
from camlite.paths import DATASETS


class GapNet(nn.Module):
    """Four convolutions that keep every pixel, then a global average, then one linear layer.

    This is the network of the MNIST experiment: 3×3 filters, 16 → 32 → 64 → 128 channels, ReLU
    after each, padding 1 and no pooling, so a feature map is as large as the image. GAP turns
    each of the 128 maps into one number, and one linear layer turns these into class scores
    (logits). With one input channel and ten classes it has 98,442 parameters.

    Shapes: images (N, in_channels, H, W) of any size -> logits (N, classes).

    Source: the architecture class activation maps need, Zhou et al. 2016 (arXiv 1512.04150), §2.
    """

    def __init__(self, in_channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        widths = [in_channels, 16, 32, 64, 128]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes)."""
        F = self.features(images)  # (N, 128, H, W)
        return self.classifier(F.mean(dim=(2, 3)))  # GAP, then W F + b


class SceneNet(nn.Module):
    """A small, fast network for the generated scenes; class activation maps work on it.

    Four 3×3 convolutions, each with batch normalisation and ReLU; the first and the third halve
    the width and height, so images of 48×48 give feature maps of 12×12. Then a global average and
    one linear layer, as in `GapNet`. Batch normalisation makes it learn in seconds; call
    `model.eval()` before you explain it. With four classes it has 47,252 parameters.

    `pooling="max"` takes the largest value of each feature map instead of the mean (GMP).

    Shapes: images (N, in_channels, H, W) of any size -> logits (N, classes).
    """

    def __init__(self, in_channels: int = 3, classes: int = 4, pooling: str = "mean") -> None:
        super().__init__()
        if pooling not in ("mean", "max"):
            raise ValueError(f'pooling is "mean" or "max", not {pooling!r}')
        self.pooling = pooling
        widths = [in_channels, 16, 32, 48, 64]
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths, widths[1:], [2, 1, 2, 1], strict=False):
            layers += [
                nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes)."""
        F = self.features(images)  # (N, 64, H/4, W/4)
        pooled = F.mean(dim=(2, 3)) if self.pooling == "mean" else F.amax(dim=(2, 3))
        return self.classifier(pooled)  # GAP or GMP, then W F + b


class BoxNet(SceneNet):
    """A `SceneNet` with a second head that draws a box: it learns from labels and from boxes.

    The second head sees the feature maps with their places: a 1×1 convolution to 8 channels, then
    two linear layers, to the four numbers of the box as shares of the image's side.

    Shapes: images (N, 3, 48, 48) -> logits (N, classes); `boxes(images)` -> (N, 4), x0 y0 x1 y1 in
    pixels, not rounded.
    """

    def __init__(self, classes: int = 4) -> None:
        super().__init__(classes=classes)
        self.localizer = nn.Sequential(
            nn.Conv2d(64, 8, kernel_size=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 12 * 12, 32),
            nn.ReLU(),
            nn.Linear(32, 4),
        )

    def boxes(self, images: Tensor) -> Tensor:
        """Images (N, 3, 48, 48) -> boxes (N, 4) in pixels."""
        return images.shape[-1] * self.localizer(self.features(images))


class HeadNet(nn.Module):
    """One small trunk under five kinds of head, as the large networks have them, and a sixth.

    The trunk is three 3×3 convolutions with batch normalisation and ReLU, the second with stride
    2: an image of 28×28 gives 32 feature maps of 14×14, called F. `head` says what follows:

    - "gap_linear": GAP, one linear layer (ResNet, GoogLeNet). CAM exists.
    - "gap_two_linears": GAP, linear, Hardswish, linear (MobileNetV3). No CAM: two linear layers.
    - "flatten": pooling, flatten, two linear layers (VGG, AlexNet). No GAP, images of 28×28 only.
    - "conv_head": a 1×1 convolution to the classes, ReLU, GAP (SqueezeNet). The map is the head.
    - "functional_relu": the trunk ends before its last ReLU, which is a function of `forward`,
      then GAP and one linear layer (DenseNet). CAM exists behind that ReLU only.
    - "gmp_linear": the largest value of each map (GMP), one linear layer. The rival of GAP in the
      CAM paper; none of the large networks ends so. The logit is not a mean over the places.

    `HEADS` are the five of large networks, `ALL_HEADS` has the sixth too.
    Shapes: images (N, 1, H, W) -> logits (N, classes). Raises ValueError for another head.
    """

    HEADS = ("gap_linear", "gap_two_linears", "flatten", "conv_head", "functional_relu")
    ALL_HEADS = (*HEADS, "gmp_linear")

    def __init__(self, head: str = "gap_linear", classes: int = 10) -> None:
        super().__init__()
        if head not in self.ALL_HEADS:
            raise ValueError(f"there is no head {head!r}; there are {', '.join(self.ALL_HEADS)}")
        K, pool = 32, [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        layers: list[nn.Module] = []
        for before, after, stride in ((1, 16, 1), (16, K, 2), (K, K, 1)):
            layers += [
                nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.functional_relu = head == "functional_relu"
        self.features = nn.Sequential(*(layers[:-1] if self.functional_relu else layers))
        self.classifier = nn.Sequential(
            *{
                "gap_linear": [*pool, nn.Linear(K, classes)],
                "gap_two_linears": [*pool, nn.Linear(K, K), nn.Hardswish(), nn.Linear(K, classes)],
                "flatten": [
                    nn.MaxPool2d(2),
                    nn.Flatten(),
                    nn.Linear(K * 49, 20),
                    nn.ReLU(),
                    nn.Linear(20, classes),
                ],
                "conv_head": [nn.Conv2d(K, classes, kernel_size=1), nn.ReLU(), *pool],
                "functional_relu": [*pool, nn.Linear(K, classes)],
                "gmp_linear": [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(K, classes)],
            }[head]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, H, W) -> logits (N, classes)."""
        F = self.features(images)  # (N, 32, H/2, W/2)
        if self.functional_relu:
            F = nn.functional.relu(F)
        return self.classifier(F)


class LadderNet(nn.Module):
    """A small VGG for the generated scenes: one layer for each of four resolutions.

    Four 3×3 convolutions with 16, 32, 48 and 64 channels, each with batch normalisation and ReLU,
    and a max pooling between them: an image of 48×48 gives feature maps of 48×48, 24×24, 12×12
    and 6×6, after the ReLUs named in `LAYERS`. Then a global average and one linear layer. With
    four classes it has 47,252 parameters.

    Shapes: images (N, in_channels, H, W), H and W divisible by 8 -> logits (N, classes).
    """

    LAYERS = ("features.2", "features.6", "features.10", "features.14")

    def __init__(self, in_channels: int = 3, classes: int = 4) -> None:
        super().__init__()
        widths = [in_channels, 16, 32, 48, 64]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.BatchNorm2d(after)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers[:-1])
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) -> logits (N, classes)."""
        F = self.features(images)  # (N, 64, H/8, W/8)
        return self.classifier(F.mean(dim=(2, 3)))  # GAP, then W F + b


class DiFull(nn.Module):
    """Cells side by side, a head for each, and no way from one cell to the head of another.

    An image is a grid of `cells`×`cells` cells in reading order. `features` runs on every cell
    alone: it pads with its own zeros and sees no pixel of a neighbour. The maps are put together
    to one map F. `head` reads each cell of F alone. Logit number cell·classes + c says "class c in
    this cell". What the other cells show cannot change it: attribution there is impossible, not
    only implausible. ∂Y/∂F outside the cell is exactly 0, and so is HiResCAM. Grad-CAM is not:
    its weights are means over all of F, and they multiply the features of all cells.

    A softmax over all logits mixes the cells again: who explains a probability (Score-CAM, RISE)
    should look at one head alone. With `cell=n` the network has the head of cell n only, and
    `classes` logits. `split(model, "features")` cuts between the two parts. CAM needs one linear
    layer on the mean of all of F, so `cam` refuses this network; `full_grad` does too: its layers
    see one cell at a time.

    Shapes: `features` (N, C, h, w) -> (N, K, h', w'), `head` (N, K, h', w') -> (N, classes);
    images (N, C, cells·h, cells·w) -> logits (N, cells²·classes), or (N, classes) for one `cell`.
    Raises ValueError for a height or width that `cells` does not divide, for fewer than one cell,
    and for a `cell` that is not 0 to cells² − 1.

    Source: Rao et al. 2022, arXiv 2205.10435, setting DiFull. Read in the authors' code: a head
    sees its cell only, the maps are put together, Grad-CAM takes its means over all of them. There
    the grids are 3×3 photographs that pretrained networks recognise, of different classes (the
    first and the last cell may share one), and always one head runs alone, as with `cell`.

    >>> plain = camlite.nets.bundled("pond_repaired")
    >>> nn = torch.nn
    >>> head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), plain.classifier)
    >>> net = camlite.nets.DiFull(plain.features, head).eval()
    >>> net(camlite.data.mosaic(2).images).shape
    torch.Size([2, 16])
    """

    def __init__(
        self, features: nn.Module, head: nn.Module, cells: int = 2, cell: int | None = None
    ) -> None:
        super().__init__()
        at_least_one(cells=cells)
        self.cells = cells
        self.heads = list(range(cells**2)) if cell is None else [cell]
        if self.heads[0] not in range(cells**2):
            raise ValueError(f"cell must be 0 to {cells**2 - 1}, not {cell!r}")
        self.features = _EachCellAlone(features, cells)
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, cells·h, cells·w) -> logits (N, cells²·classes); (N, classes) of one."""
        F = self.features(images)  # (N, K, cells·h', cells·w')
        cells = [cell for row in _grid(F, self.cells) for cell in row]
        return torch.cat([self.head(cells[n]) for n in self.heads], dim=1)


class _EachCellAlone(nn.Module):
    """A network on each cell of a grid: (N, C, g·h, g·w) -> (N, K, g·h', g·w')."""

    maps_cover_the_image = False  # the layers inside see one cell: `full_grad` asks

    def __init__(self, network: nn.Module, cells: int) -> None:
        super().__init__()
        self.network = network
        self.cells = cells

    def forward(self, images: Tensor) -> Tensor:
        rows = [[self.network(cell) for cell in row] for row in _grid(images, self.cells)]
        return torch.cat([torch.cat(row, dim=3) for row in rows], dim=2)


def _grid(images: Tensor, g: int) -> list[list[Tensor]]:
    """The cells of (N, C, g·h, g·w): g rows with g cells (N, C, h, w) each."""
    return [[_cell(images, g, row, column) for column in range(g)] for row in range(g)]


@torch.fx.wrap  # one step for `split`: a question about a size cannot be traced
def _cell(images: Tensor, g: int, row: int, column: int) -> Tensor:
    H, W = images.shape[-2:]
    if H % g or W % g:
        raise ValueError(f"{g}×{g} cells do not fit: the images have {H}×{W} pixels")
    h, w = H // g, W // g
    return images[:, :, row * h : (row + 1) * h, column * w : (column + 1) * w]


class AskedNet(nn.Module):
    """Sees a picture and hears a question: a small network for visual question answering.

    Three convolutions see the picture of 24×24 and give 32 feature maps of 12×12. The question is
    a number; each one has 32 learned gates between 0 and 1, one for each map. Then GAP and one
    linear layer to the answers.

    Shapes: images (N, 3, H, W), questions (N,) -> logits (N, answers).
    """

    def __init__(self, questions: int = 2, answers: int = 3) -> None:
        super().__init__()
        widths = [3, 16, 32, 32]
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths, widths[1:], [2, 1, 1], strict=False):
            layers += [
                nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.eyes = nn.Sequential(*layers)
        self.gates = nn.Embedding(questions, widths[-1])
        self.classifier = nn.Linear(widths[-1], answers)

    def forward(self, images: Tensor, questions: Tensor) -> Tensor:
        """Images (N, 3, H, W) and questions (N,) -> logits (N, answers)."""
        gates = self.gates(questions).sigmoid()  # (N, 32)
        F = self.eyes(images) * gates[:, :, None, None]  # (N, 32, H/2, W/2)
        return self.classifier(F.mean(dim=(2, 3)))


class TinyViT(nn.Module):
    """A vision transformer of two blocks for pictures of 24×24: 36 patches and a class token.

    Each patch of 4×4 pixels becomes a token of 32 numbers; a class token is put first, and learned
    positions are added. In a block every token looks at all others (four heads) and then passes
    two linear layers. `pooling="class"` reads the logits from the class token only, as ViT does;
    "mean" from the mean of the 36 patch tokens, so that CAM exists after `norm`. 20,035 parameters.

    Shapes: images (N, 3, 24, 24) -> logits (N, classes). Raises ValueError for another pooling.
    """

    def __init__(self, classes: int = 3, pooling: str = "class") -> None:
        super().__init__()
        if pooling not in ("class", "mean"):
            raise ValueError(f'pooling is "class" or "mean", not {pooling!r}')
        self.pooling, width = pooling, 32
        self.patches = nn.Conv2d(3, width, kernel_size=4, stride=4)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 37, width))
        self.blocks = nn.Sequential(*(Block(width) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, classes)

    def tokens(self, images: Tensor) -> Tensor:
        """Images (N, 3, 24, 24) -> the class token and 36 patch tokens, (N, 37, width)."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        first = self.class_token.expand(len(patches), -1, -1)
        return torch.cat([first, patches], dim=1) + self.positions

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, 24, 24) -> logits (N, classes)."""
        tokens = self.norm(self.blocks(self.tokens(images)))
        read = tokens[:, 0] if self.pooling == "class" else tokens[:, 1:].mean(dim=1)
        return self.classifier(read)


class Block(nn.Module):
    """One block of a transformer: attention over the tokens, then two linear layers.

    Shapes: tokens (N, T, width) -> tokens of the same shape.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def _parts(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Attention (N, heads, T, T), whose rows sum to 1, and values (N, heads, T, D)."""
        parts = self.query_key_value(self.norm_1(tokens)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        return scores.softmax(dim=3), value

    def attention(self, tokens: Tensor) -> Tensor:
        """How much token i (row) takes from token j (column): (N, heads, T, T)."""
        return self._parts(tokens)[0]

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, width) -> tokens (N, T, width)."""
        attention, value = self._parts(tokens)
        tokens = tokens + self.out((attention @ value).transpose(1, 2).flatten(2))
        return tokens + self.mlp(self.norm_2(tokens))


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epochs: int = 12,
    rate: float = 1e-2,
    seed: int = 0,
    batch_size: int = 32,
    progress: str = "",
) -> list[float]:
    """Train with Adam and cross entropy; returns the mean loss of each epoch.

    The learning rate rises and falls again (one cycle, Smith and Topin 2017, arXiv 1708.07120).
    `seed` sets the order of the images; seed the model's own weights with `torch.manual_seed`
    before you make it. The model is in eval mode afterwards. A name in `progress` shows a bar.
    """
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * -(-len(images) // batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    losses = []
    for _ in tqdm(range(epochs), desc=progress, unit="epoch", disable=not progress):
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(batch_size):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        losses.append(total / len(images))
    model.eval()
    return losses


def count_parameters(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of the images (N, C, H, W) whose largest logit is the label (N,): 0 to 1."""
    was_training = model.training
    model.eval()
    hits = [
        (model(x).argmax(1) == y).sum().item()
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
    ]
    model.train(was_training)
    return sum(hits) / len(labels)


def bundled(name: str) -> nn.Module:
    """A small network that comes with camlite, trained by a script in datasets/, in eval mode.

    `gapnet_mnist` and `gapnet_digits` read images (N, 1, 28, 28) in [0, 1]. `pond_biased`,
    `pond_repaired`, `rail_biased` and `rail_repaired` are `SceneNet`s and read the generated
    scenes (N, 3, 48, 48); so do `pond_gap_1` and the other `pond_…`, with GAP or GMP, and
    `pond_rival`, a `BoxNet`. `lookalikes_0`, `_1` and `_2` are `SceneNet`s for the pictures of
    `camlite.data.lookalikes`. `ladder_0`, `_1` and `_2` are `LadderNet`s for the generated scenes.
    `heads_gap_linear` and the other five `heads_…` are `HeadNet`s and
    read small digits somewhere in an image, (N, 1, 28, 28). `asked_0`, `tokens_0` and `printed_0`
    (and `_1`, `_2`) are an `AskedNet` and a `TinyViT` for `camlite.data.shapes`, and a `SceneNet`
    for `camlite.data.printed_words`. What each one learned from, and how
    well it does, stands in datasets/<name>.json. Raises ValueError for another name.
    """
    path = DATASETS / f"{name}.pt"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in DATASETS.glob("*.pt")))
        raise ValueError(f"there is no bundled network {name!r}; there are {known}")
    weights = torch.load(path, weights_only=True)
    model: nn.Module = GapNet()
    if name.startswith("asked_"):
        model = AskedNet()
    elif name.startswith("tokens_"):
        model = TinyViT()
    elif name == "pond_rival":
        model = BoxNet()
    elif name.startswith(("pond_", "rail_", "lookalikes_", "printed_")):
        pooling = "max" if "gmp" in name else "mean"
        model = SceneNet(classes=len(weights["classifier.bias"]), pooling=pooling)
    elif name.startswith("ladder_"):
        model = LadderNet()
    elif name.startswith("heads_"):
        model = HeadNet(name.removeprefix("heads_"))
    model.load_state_dict(weights)
    return model.eval()
