"""Lesson 2, checked: the average, the network, one epoch of training, the logits by hand."""

from __future__ import annotations

import itertools
import numbers

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from camlite import nets
from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ 2.1

global_average_pool = Exercise(
    "2.1",
    "global_average_pool",
    formula="GAP_k = (1/Z) Σ_xy F_k[x, y],  Z = h·w",
    hints=(
        "Each map (h, w) becomes one number, its mean. The images and the channels stay apart.",
        "Of the four axes n, k, x, y the last two disappear. Divide the sum over them by h·w.",
        "Call mean on F with dim=(2, 3).",
    ),
)


@global_average_pool.cases
def _(rng):
    yield Case("two images, three maps of 5×7", normal(rng, 2, 3, 5, 7))
    yield Case("one image, one map", normal(rng, 1, 1, 4, 2))
    yield Case("only negative values", -normal(rng, 3, 2, 2, 3).abs() - 1)
    yield Case("square maps", normal(rng, 4, 4, 4, 4))
    dead = 1e4 * normal(rng, 2, 3, 2, 5)
    dead[:, 1] = 0
    yield Case("a map without any answer, huge values", dead)


@global_average_pool.reference
def _(F):
    N, K, h, w = F.shape
    return torch.stack([torch.stack([F[n, k].sum() / (h * w) for k in range(K)]) for n in range(N)])


global_average_pool.teaches(
    {
        "mean over axes 2 and 3: sum": "You took the sum. The average divides by the number of "
        "places, h·w.",
        "mean over axes 2 and 3: axes 1": "You averaged over the channels. Each channel keeps its "
        "own number; the places are averaged.",
        "result: mean 0": "You averaged over the images too. Each image has its own numbers.",
        "mean over axes 2 and 3: amax": "You took the maximum. That is global max pooling: it "
        "keeps one place and forgets all others.",
        "mean over axes 2 and 3: axes 3": "You averaged the columns away, but not the rows. Global "
        "means: over the whole map.",
        "mean over axes 2 and 3: axes 2": "You averaged the rows away, but not the columns. Global "
        "means: over the whole map.",
        "mean over axes 2 and 3: square of height": "You divided by h·h. The maps need not be "
        "square: there are h·w places.",
        "mean over axes 2 and 3: square of width": "You divided by w·w. The maps need not be "
        "square: there are h·w places.",
        "relu(F)": "You cut off negative values. The average takes all values as they are; the "
        "ReLU is another step.",
        "result: mean 1": "You averaged over channels and places: one number for each image. Each "
        "channel keeps its own number.",
        "result: mean 0 1": "You averaged everything to a single number. Only the last two axes, "
        "the places, disappear.",
    }
)

global_average_pool.wrongs(
    axes_of_length_one=(
        lambda F: F.mean(dim=(2, 3), keepdim=True),
        "The two axes of the place are still there, with length 1. The result has shape (N, K).",
    ),
    channels_last=(
        lambda F: F.mean(dim=(1, 2)),
        "You averaged over axes 1 and 2, as if the channels came last. Here they are axis 1: "
        "average over axes 2 and 3.",
    ),
    divided_by_every_value=(
        lambda F: F.sum(dim=(2, 3)) / F.numel(),
        "You divided by the number of all values in F. The average of one map divides by its own "
        "places, h·w.",
    ),
    mean_of_the_active_places=(
        lambda F: (F * (F > 0)).sum(dim=(2, 3)) / (F > 0).sum(dim=(2, 3)).clamp_min(1),
        "You averaged only the places that are not zero or negative. All h·w places count, the "
        "silent ones too.",
    ),
    median=(
        lambda F: F.flatten(2).median(dim=2).values,
        "You took the middle value (the median). The average adds all values and divides by h·w.",
    ),
)

global_average_pool.accepts_all(
    one_mean=lambda F: F.mean(dim=(2, 3)),
    pooling_layer=lambda F: nn.AdaptiveAvgPool2d(1)(F).flatten(1),
    one_axis_after_the_other=lambda F: F.mean(3).mean(2),
    einsum=lambda F: torch.einsum("nkxy->nk", F) / (F.shape[2] * F.shape[3]),
    numpy_mean=lambda F: np.asarray(F).reshape(F.shape[0], F.shape[1], -1).mean(-1),
    large_window=lambda F: functional.avg_pool2d(F, F.shape[2:])[:, :, 0, 0],
)


# ------------------------------------------------------------------ 2.2


class Trial:
    """Random weights and images, which the probe uses; GapNet itself is called without arguments."""

    def __init__(self, rng, *shape):
        self.images = normal(rng, *shape)
        self.weights = {
            name: 1.5 * p.detach().clone() for name, p in nets.GapNet().named_parameters()
        }

    def __repr__(self):
        return ""


gap_net = Exercise(
    "2.2",
    "GapNet",
    formula="F = features(x), four 3×3 convolutions with ReLU;  Y = W · GAP(F) + b",
    hints=(
        "In __init__ you make the layers and keep them in self; in forward you say in which order the images "
        "run through them. Eight layers in a row are an nn.Sequential.",
        "The channels go 1 → 16 → 32 → 64 → 128. Each convolution is nn.Conv2d(before, after, kernel_size=3, "
        "padding=1), and an nn.ReLU() follows each. The classifier is nn.Linear(128, 10).",
        "self.features = nn.Sequential(conv, relu, conv, relu, conv, relu, conv, relu), self.classifier = the "
        "linear layer. In forward: F from self.features, then the mean over the last two axes, then "
        "self.classifier. Nothing after it.",
    ),
)


@gap_net.cases
def _(rng):
    yield Case("two images of 28×28", Trial(rng, 2, 1, 28, 28))
    yield Case("three images of 10×17: another size, not square", Trial(rng, 3, 1, 10, 17))
    yield Case("one image of 5×4", Trial(rng, 1, 1, 5, 4))


@gap_net.probe
def look_at_network(answer, trial):
    """Its parameters; then its maps and its logits with weights that are put in by their shape."""
    model = answer()
    if not isinstance(model, nn.Module):
        return {"GapNet()": f"a {type(model).__name__}, not an nn.Module"}
    seen = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "shapes of weights and biases": shapes_of(model),
    }
    for part in ("features", "classifier"):
        seen[f"self.{part}"] = (
            "is a layer" if isinstance(getattr(model, part, None), nn.Module) else "is missing"
        )
    put_in(model, trial.weights)
    model.eval()
    with torch.no_grad():
        if seen["self.features"] == "is a layer":
            seen["shape of features(x)"] = attempt(
                lambda: str(tuple(model.features(trial.images).shape))
            )
        seen["logits"] = attempt(lambda: model(trial.images))
    return seen


def shapes_of(model):
    return ", ".join(sorted("×".join(map(str, p.shape)) for p in model.parameters()))


def put_in(model, weights):
    """Each parameter gets the reference's weights of the same shape; all shapes are different."""
    by_shape = {tuple(w.shape): w for w in weights.values()}
    with torch.no_grad():
        for p in model.parameters():
            if tuple(p.shape) in by_shape:
                p.copy_(by_shape[tuple(p.shape)])
            else:
                p.zero_()


def attempt(action):
    """The result, or the error as text: one broken part must not hide the others."""
    try:
        return action()
    except NotImplementedError:
        raise
    except Exception as error:
        return f"stopped with {type(error).__name__}: {str(error).splitlines()[0][:120]}"


class Variant(nn.Module):
    """GapNet, with its parts to choose: for the wrong answers."""

    def __init__(
        self,
        channels=(1, 16, 32, 64, 128),
        kernel=3,
        padding=1,
        bias=True,
        between=lambda channels: [],
        last_relu=True,
        relu=True,
        pool=lambda F: F.mean(dim=(2, 3)),
        inputs=128,
        head=None,
        end=lambda Y: Y,
    ):
        super().__init__()
        layers = []
        for before, after in itertools.pairwise(channels):
            layers += [nn.Conv2d(before, after, kernel, padding=padding, bias=bias)]
            layers += between(after)
            layers += [nn.ReLU()] if relu and (last_relu or after != channels[-1]) else []
        self.features = nn.Sequential(*layers)
        self.classifier = head or nn.Linear(inputs, 10)
        self.pool, self.end = pool, end

    def forward(self, x):
        return self.end(self.classifier(self.pool(self.features(x))))


class GapNetReference(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 128, 3, padding=1),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(128, 10)

    def forward(self, x):
        return self.classifier(self.features(x).mean(dim=(2, 3)))


gap_net.reference(GapNetReference)


def images_as_rows(F):
    return F.flatten(1)


gap_net.wrongs(
    SoftmaxAtTheEnd=(
        lambda: Variant(end=lambda Y: Y.softmax(1)),
        "Your network ends with a softmax. Return the logits: the cross-entropy loss does the "
        "softmax itself, and a second one would blur all differences.",
    ),
    LogSoftmaxAtTheEnd=(
        lambda: Variant(end=lambda Y: Y.log_softmax(1)),
        "Your network ends with a log_softmax. Return the logits; the cross-entropy loss does the "
        "rest itself.",
    ),
    ReluAtTheEnd=(
        lambda: Variant(end=torch.relu),
        "Your network ends with a ReLU. Logits may be negative: a negative one says that this "
        "class is unlikely.",
    ),
    NoPadding=(
        lambda: Variant(padding=0),
        "Without padding=1 each convolution cuts off a border of one pixel. The maps must stay as "
        "large as the picture.",
    ),
    LastReluMissing=(
        lambda: Variant(last_relu=False),
        "The ReLU after the last convolution is missing. Each of the four convolutions has one.",
    ),
    NoRelu=(
        lambda: Variant(relu=False),
        "There is no ReLU. Without it four convolutions in a row are no more than a single one "
        "with a larger kernel.",
    ),
    MaxPooling=(
        lambda: Variant(between=lambda channels: [nn.MaxPool2d(2, ceil_mode=True)]),
        "You put max pooling between the convolutions. Each pooling halves the rows and columns, "
        "and the place is known less exactly: this network has none.",
    ),
    Flattened=(
        lambda: Variant(pool=images_as_rows, inputs=128 * 28 * 28),
        "You used flatten. Then the linear layer needs one weight for each place, and the network "
        "takes only pictures of one size. Average each map instead.",
    ),
    FlattenedForSmallPictures=(
        lambda: Variant(pool=images_as_rows, inputs=128 * 8 * 8),
        "You used flatten with 128·8·8 inputs: that fits pictures of 8×8 only. With an average "
        "each map gives one number, so the linear layer has 128 inputs, for pictures of any size.",
    ),
    AxesOfLengthOne=(
        lambda: Variant(pool=lambda F: F.mean(dim=(2, 3), keepdim=True)),
        "The average comes with two axes of length 1, and the linear layer wants (N, 128). Take "
        "the mean over dim=(2, 3), or flatten after the pooling layer.",
    ),
    ChannelsAveraged=(
        lambda: Variant(pool=lambda F: F.mean(dim=1)),
        "You averaged over the channels too or instead. Each of the 128 maps gives its own number.",
    ),
    BatchNormalisation=(
        lambda: Variant(between=lambda channels: [nn.BatchNorm2d(channels)]),
        "You added batch normalisation. It is a good layer, but this network has only convolutions "
        "and ReLUs before the average: its parameters are counted in the text.",
    ),
    MaximumOfEachMap=(
        lambda: Variant(pool=lambda F: F.amax(dim=(2, 3))),
        "You took the maximum of each map. That is global max pooling. Here take the mean.",
    ),
    SumOfEachMap=(
        lambda: Variant(pool=lambda F: F.sum(dim=(2, 3))),
        "You took the sum of each map. The average divides by the number of places; without that "
        "the logits grow with the picture.",
    ),
    NoBias=(
        lambda: Variant(bias=False),
        "Your convolutions have no bias. Leave bias=True, which is the default: 240 parameters are "
        "missing.",
    ),
    LinearWithoutBias=(
        lambda: Variant(head=nn.Linear(128, 10, bias=False)),
        "Your linear layer has no bias. Leave bias=True, which is the default: 10 parameters are "
        "missing.",
    ),
    ColourPictures=(
        lambda: Variant(channels=(3, 16, 32, 64, 128)),
        "Your first convolution takes 3 channels, for colour pictures. The digits are grey: it "
        "takes 1 channel.",
    ),
    LargerKernels=(
        lambda: Variant(kernel=5, padding=2),
        "Your kernels are 5×5. Take kernel_size=3.",
    ),
    ThreeConvolutions=(
        lambda: Variant(channels=(1, 16, 32, 64), inputs=64),
        "The last convolution is missing: four are asked for, to 16, 32, 64 and 128 channels.",
    ),
    TwiceTheChannels=(
        lambda: Variant(channels=(1, 32, 64, 128, 256), inputs=256),
        "Your channels go 32, 64, 128, 256. They should go 16, 32, 64, 128.",
    ),
    TwoLinearLayers=(
        lambda: Variant(head=nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))),
        "There are two linear layers at the end. One is enough, and only with exactly one of them "
        "lesson 3 works.",
    ),
)


@gap_net.wrong(
    "The logits are right, but the average lies inside of features. self.features must return the maps, "
    "(N, 128, H, W): the next lessons look at them."
)
class AverageInsideFeatures(Variant):
    def __init__(self):
        super().__init__()
        self.features.append(nn.AdaptiveAvgPool2d(1))


@gap_net.wrong(
    "The network is right, but its parts have other names. Call them self.features and self.classifier: "
    "the rest of the course asks for them by these names."
)
class OtherNames(nn.Module):
    def __init__(self):
        super().__init__()
        right = GapNetReference()
        self.convolutions, self.head = right.features, right.classifier

    def forward(self, x):
        return self.head(self.convolutions(x).mean(dim=(2, 3)))


@gap_net.accepts
class HeadFirst(nn.Module):
    """The order in which the parts are made does not matter."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(128, 10)
        self.pool = nn.AdaptiveAvgPool2d(1)
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 3, 1, "same"), nn.ReLU(inplace=True))
            for a, b in ((1, 16), (16, 32), (32, 64), (64, 128))
        ]
        self.features = nn.Sequential(*blocks)

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


@gap_net.accepts
class FeaturesAsAModule(nn.Module):
    class Features(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
            self.c, self.d = nn.Conv2d(32, 64, 3, padding=1), nn.Conv2d(64, 128, 3, padding=1)

        def forward(self, x):
            for convolution in (self.a, self.b, self.c, self.d):
                x = torch.relu(convolution(x))
            return x

    def __init__(self):
        super().__init__()
        self.features, self.classifier = self.Features(), nn.Linear(128, 10)

    def forward(self, x):
        F = self.features(x)
        return functional.linear(F.flatten(2).mean(2), self.classifier.weight, self.classifier.bias)


gap_net.accepts_all(library_network=lambda: nets.GapNet())


# ------------------------------------------------------------------ 2.3


class Rate:
    """Which optimizer the probe makes."""

    def __init__(self, rate):
        self.rate = rate

    def __repr__(self):
        return f"SGD(lr={self.rate:g})"


class Watched(nn.Module):
    """Passes images on to a network, and remembers each batch that is used for learning."""

    def __init__(self, net):
        super().__init__()
        self.net, self.batches, self.modes, self.backwards = net, [], [], 0

    def forward(self, x):
        Y = self.net(x)
        if torch.is_grad_enabled():
            self.batches.append(x.detach().clone())
            self.modes.append(self.training)
            Y.register_hook(self.count)
        return Y

    def count(self, gradient):
        self.backwards += 1


class WatchedSGD(torch.optim.SGD):
    """Tells `report` before each step."""

    def __init__(self, parameters, rate, report):
        super().__init__(parameters, lr=rate)
        self.report = report

    def step(self, closure=None):
        loss = None
        if closure is not None:  # a closure computes the gradients before the step
            with torch.enable_grad():
                loss = closure()
        self.report()
        super().step()
        return loss


train_epoch = Exercise(
    "2.3",
    "train_epoch",
    formula="for each batch: loss, old gradients to zero, backward, step; return Σ over images of the loss / N",
    hints=(
        "Walk through the images in pieces of batch_size. For each piece: forward, clear, backward, step. Write down "
        "the loss of each piece, with its number of images.",
        "A random order is torch.randperm(len(images)); .split(batch_size) cuts it into batches of indices. The "
        "loss of a batch is a mean, so multiply it with len(batch) before you add it up, and divide by len(images) "
        "at the end.",
        "model.train(); then for each batch: loss = functional.cross_entropy of the model's logits and the labels of "
        "the batch; zero_grad and step belong to the optimizer, backward to the loss; total += loss.item() times "
        "the size of the batch.",
    ),
)


@train_epoch.cases
def _(rng):
    def net(pixels, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(pixels, 8), nn.Tanh(), nn.Linear(8, classes))

    def labels(n, classes):
        return torch.randint(classes, (n,), generator=rng)

    yield Case(
        "11 images in batches of 4: the last one is smaller; the learning rate is 0, so nothing changes",
        net(30, 5),
        2 * normal(rng, 11, 1, 5, 6),
        labels(11, 5),
        Rate(0.0),
        4,
    )
    yield Case(
        "6 images in one batch", net(12, 3), normal(rng, 6, 1, 3, 4), labels(6, 3), Rate(0.5), 6
    )
    yield Case(
        "7 images in batches of 3: one image is left over",
        net(16, 4),
        2 * normal(rng, 7, 2, 2, 4),
        labels(7, 4),
        Rate(0.0),
        3,
    )


@train_epoch.probe
def watch_training(answer, net, images, labels, rate, batch_size):
    """What was learned from, with which gradients, and what came back.

    Nothing here depends on the order of the images, so shuffling changes nothing.
    """
    torch.manual_seed(int(1e6 * images.abs().mean()))  # the learner's shuffling
    model = Watched(net).eval()
    untouched = {k: v.clone() for k, v in model.state_dict().items()}
    steps = []
    optimizer = WatchedSGD(model.parameters(), rate.rate, lambda: steps.append(gradients(model)))
    returned = answer(model, images, labels, optimizer, batch_size)

    batches = [which(batch, images) for batch in model.batches]
    trained = [p.detach().clone() for p in model.parameters()]
    model.load_state_dict(untouched)
    seen = {
        "how often each image was used": times_used(batches, len(images)),
        "sizes of the batches": " ".join(
            str(len(b)) for b in sorted(batches, key=len, reverse=True)
        ),
        "backward passes": model.backwards,
        "steps of the optimizer": len(steps),
        "mode of the model": mode(model.modes),
    }
    seen["gradient at each step"] = kind_of_gradients(model, steps, batches, images, labels)
    if rate.rate > 0:
        seen["weights afterwards"] = kind_of_change(model, trained, steps, rate.rate)
    seen["returned"] = kind_of_loss(model, returned, batches, images, labels, batch_size)
    return seen


def kind_of_change(model, trained, steps, rate):
    """Whether the optimizer moved the weights, and nobody else. `model` has the first weights."""
    moved = [p.detach().clone() for p in model.parameters()]
    for step in steps:
        moved = [p if g is None else p - rate * g for p, g in zip(moved, step, strict=True)]
    if not equal(trained, moved):
        return "changed by something else than the optimizer's steps"
    return "moved by the optimizer" if steps else "as before"


def gradients(model):
    return [None if p.grad is None else p.grad.detach().clone() for p in model.parameters()]


def which(batch, images):
    """The numbers of the images in a batch; -1 for one that is not among them."""
    if batch.shape[1:] != images.shape[1:]:
        return [-1]
    same = (batch[:, None] == images[None]).flatten(2).all(2)
    return [int(row.nonzero()[0]) if row.any() else -1 for row in same]


def times_used(batches, count):
    used = [i for batch in batches for i in batch]
    if -1 in used:
        return "there were images that are not in the data"
    times = {used.count(i) for i in range(count)}
    if times == {1}:
        return "once"
    missing = sum(i not in used for i in range(count))
    if missing:
        return f"{missing} of {count} images were not used"
    return f"{max(times)} times" if len(times) == 1 else f"{min(times)} to {max(times)} times"


def mode(modes):
    if not modes:
        return "it was not used with gradients switched on"
    return "training" if all(modes) else "evaluation" if not any(modes) else "sometimes training"


def losses(model, batches, images, labels):
    """The loss of every image of every batch, as tensors."""
    return [
        functional.cross_entropy(model.net(images[b]), labels[b], reduction="none") for b in batches
    ]


def kind_of_gradients(model, steps, batches, images, labels):
    """To which of the usual gradients those at the steps are equal, in words."""
    if not steps:
        return "there was no step"
    if len(steps) != len(batches) or any(-1 in b for b in batches):
        return "steps and batches do not belong together"
    parameters = list(model.parameters())
    nothing = [torch.zeros_like(p) for p in parameters]

    def gradients_of(loss):
        return [
            torch.autograd.grad(loss(batch, step), parameters)
            for batch, step in zip(batches, steps, strict=True)
        ]

    def mean(batch, step):
        return functional.cross_entropy(model.net(images[batch]), labels[batch])

    def total(batch, step):
        return len(batch) * mean(batch, step)

    def softmax_first(batch, step):
        return functional.cross_entropy(model.net(images[batch]).softmax(1), labels[batch])

    def other_labels(batch, step):
        foreign = labels_behind(model, step, images[batch], labels[batch])
        return functional.cross_entropy(model.net(images[batch]), foreign)

    means = gradients_of(mean)
    running = [[sum(g) for g in zip(*means[: n + 1], strict=True)] for n in range(len(means))]
    for says, candidate in (  # each is computed only if those before do not fit
        ("of this batch", lambda: means),
        ("of this batch and all batches before it", lambda: running),
        ("zero", lambda: [nothing] * len(means)),
        ("of the batch before", lambda: [nothing, *means[:-1]]),
        ("of the sum of the losses, not of their mean", lambda: gradients_of(total)),
        ("of softmax followed by cross_entropy", lambda: gradients_of(softmax_first)),
        ("of these images with the labels of other images", lambda: gradients_of(other_labels)),
    ):
        if all(equal(step, wanted) for step, wanted in zip(steps, candidate(), strict=True)):
            return says
    return "not the gradient of this batch's cross-entropy"


def labels_behind(model, step, images, labels):
    """The labels that would give the gradient of this step, if there are such; else those given.

    The gradient of the last layer's weight is (P − T)ᵀ H / B, with the probabilities P, its inputs H
    and one row with a single 1 in T for each of the B images. So T can be found.
    """
    if step[-2] is None:
        return labels
    with torch.no_grad():
        H = model.net[:-1](images)
        P = model.net[-1](H).softmax(dim=1)
        T = (P.T @ H - len(images) * step[-2]) @ torch.linalg.pinv(H)  # (classes, B)
    one_hot = functional.one_hot(T.argmax(dim=0), len(T)).T
    return T.argmax(dim=0) if (T - one_hot).abs().max() < 0.05 else labels


def equal(step, wanted):
    largest = max(float(g.abs().max()) for g in wanted)
    return all(
        ((0 if g is None else g) - w).abs().max() <= 1e-4 * largest + 1e-8
        for g, w in zip(step, wanted, strict=True)
    )


def kind_of_loss(model, returned, batches, images, labels, batch_size):
    """What the returned number is, in words. `model` has the weights it had at first."""
    if isinstance(returned, torch.Tensor):
        return "a tensor, not a float"
    if isinstance(returned, (list, tuple)):
        return "a list, not a float"
    if returned is None:
        return "nothing (None)"
    if isinstance(returned, bool) or not isinstance(returned, (numbers.Real, np.floating)):
        return f"a {type(returned).__name__}, not a float"
    with torch.no_grad():
        every = losses(model, [list(range(len(images)))], images, labels)[0]
        usable = bool(batches) and not any(-1 in b for b in batches)
        parts = losses(model, batches, images, labels) if usable else [every]
        twice = functional.cross_entropy(model.net(images).softmax(1), labels)
    means = torch.stack([p.mean() for p in parts])
    for says, value in (
        ("the mean loss of all images", every.mean()),
        ("the mean of the batches' mean losses", means.mean()),
        ("the sum of all images' losses", every.sum()),
        ("the sum of the batches' mean losses", means.sum()),
        ("the mean loss of the last batch", means[-1]),
        ("the mean loss of the first batch", means[0]),
        (
            "the sum of the batches' mean losses, divided by the number of images",
            means.sum() / len(images),
        ),
        (
            "the batches' mean losses, each times batch_size, divided by the number of images",
            means.sum() * batch_size / len(images),
        ),
        ("the sum of the batches' mean losses, each times batch_size", means.sum() * batch_size),
        (
            "the sum of all images' losses, divided by the number of batches",
            every.sum() / len(parts),
        ),
        ("the mean loss after a second softmax", twice),
    ):
        if abs(float(returned) - float(value)) <= 1e-4 * abs(float(value)) + 1e-7:
            return says
    return "another number"


def mean_over_images(losses, sizes, batch_size):
    return (losses @ sizes / sizes.sum()).item()


def epoch(
    model,
    images,
    labels,
    optimizer,
    batch_size,
    *,
    order_of=lambda images, batch_size: torch.randperm(len(images)),
    loss_of=functional.cross_entropy,
    clear="before",
    backward=True,
    step=True,
    train=True,
    number=mean_over_images,
):
    """The right answer, with its parts to choose: for the wrong answers.

    `number(losses, sizes, batch_size)` is what comes back: of the batches' losses and sizes.
    """
    if train:
        model.train()
    losses, sizes = [], []
    for batch in order_of(images, batch_size).split(batch_size):
        loss = loss_of(model(images[batch]), labels[batch])
        if clear == "before":
            optimizer.zero_grad()
        if backward:
            loss.backward()
        if clear == "between":
            optimizer.zero_grad()
        if step:
            optimizer.step()
        losses.append(loss.item())
        sizes.append(float(len(batch)))
    return number(torch.tensor(losses), torch.tensor(sizes), batch_size)


@train_epoch.reference
def _(model, images, labels, optimizer, batch_size):
    model.train()
    total = 0.0
    for start in range(0, len(images), batch_size):
        batch = slice(start, start + batch_size)
        loss = functional.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images[batch])
    return total / len(images)


def with_mistakes(train, clear, number):
    return lambda *args: epoch(*args, train=train, clear=clear, number=number)


train_epoch.products(
    with_mistakes,
    train={
        "training": (True, ""),
        "evaluation_mode": (
            False,
            "You did not switch the model to training mode: model.train() stands before the first "
            "batch.",
        ),
    },
    clear={
        "cleared": ("before", ""),
        "gradients_pile_up": (
            "never",
            "You did not set the old gradients to zero. PyTorch adds the new ones to them, so each "
            "step also follows all batches before.",
        ),
    },
    number={
        "right": (mean_over_images, ""),
        "mean_of_batch_means": (
            lambda losses, sizes, batch_size: losses.mean().item(),
            "The mean of the batch losses is not the mean over the images: the last batch is "
            "smaller, and its images count too much. Weigh each loss with the size of its batch.",
        ),
        "sum_of_batch_means": (
            lambda losses, sizes, batch_size: losses.sum().item(),
            "You returned the sum of the batches' mean losses. Weigh each with the size of its "
            "batch, and divide by the number of images.",
        ),
        "nothing_returned": (
            lambda losses, sizes, batch_size: None,
            "Nothing comes back. Return the mean loss of all images, after the loop.",
        ),
        "last_loss": (
            lambda losses, sizes, batch_size: losses[-1].item(),
            "You returned the loss of the last batch only. Add up the losses of all batches.",
        ),
        "sum_of_losses": (
            lambda losses, sizes, batch_size: (losses @ sizes).item(),
            "You returned the sum of all losses. Divide it by the number of images.",
        ),
        "a_tensor": (
            lambda losses, sizes, batch_size: losses @ sizes / sizes.sum(),
            "You returned a tensor. It would keep the whole computation graph in memory: take the "
            "number out of it with .item().",
        ),
    },
)


def returning(number):
    return lambda *args: epoch(*args, number=lambda *seen: number(*seen).item())


def only_full_batches(images, batch_size):
    return torch.randperm(len(images))[: len(images) // batch_size * batch_size]


def some_twice_some_never(images, batch_size):
    half = len(images) // 2 + 1
    return torch.cat([torch.zeros(half, dtype=torch.long), torch.arange(len(images) - half)])


train_epoch.wrongs(
    cleared_too_late=(
        lambda *args: epoch(*args, clear="between"),
        "You set the gradients to zero after backward and before the step: the optimizer finds "
        "nothing and does not move.",
    ),
    batches_divided_by_images=(
        returning(lambda losses, sizes, batch_size: losses.sum() / sizes.sum()),
        "You added the mean losses of the batches and divided by the number of images: that is "
        "too small. Multiply each mean loss with the size of its batch first.",
    ),
    times_batch_size=(
        returning(lambda losses, sizes, batch_size: losses.sum() * batch_size / sizes.sum()),
        "You multiplied the loss of each batch by batch_size. The last batch may be smaller: "
        "multiply by its own size, len(batch).",
    ),
    divided_by_the_batches=(
        returning(lambda losses, sizes, batch_size: losses @ sizes / len(losses)),
        "You added up the losses of all images and divided by the number of batches. Divide by the "
        "number of images.",
    ),
    no_step=(
        lambda *args: epoch(*args, step=False),
        "The optimizer makes no step. Without step() the gradients are computed, and nothing is "
        "learned from them.",
    ),
    no_backward=(
        lambda *args: epoch(*args, backward=False),
        "There is no backward(): the optimizer has no gradients, and nothing is learned.",
    ),
    last_batch_dropped=(
        lambda *args: epoch(*args, order_of=only_full_batches),
        "The images of the last, smaller batch are left out. Every image has its turn once in an "
        "epoch.",
    ),
    softmax_twice=(
        lambda *args: epoch(*args, loss_of=lambda Y, y: functional.cross_entropy(Y.softmax(1), y)),
        "You used softmax before cross_entropy. cross_entropy wants logits and does the softmax "
        "itself; twice is once too often.",
    ),
    loss_is_a_sum=(
        lambda *args: epoch(
            *args,
            loss_of=lambda Y, y: functional.cross_entropy(Y, y, reduction="sum"),
            number=lambda losses, sizes, batch_size: (losses.sum() / sizes.sum()).item(),
        ),
        "You took the sum of the losses of a batch as its loss. Then the step is larger for larger "
        "batches; use the mean, which cross_entropy gives by default.",
    ),
    first_batch_only=(
        lambda *args: epoch(*args, order_of=lambda images, batch_size: torch.arange(batch_size)),
        "You left the loop after the first batch. Is the return indented too far?",
    ),
    one_large_batch=(
        lambda *args: epoch(*args[:-1], len(args[1])),
        "You used all images at once. Take batch_size images, make a step, take the next ones.",
    ),
    drawn_with_replacement=(
        lambda *args: epoch(*args, order_of=some_twice_some_never),
        "You drew random images for each batch, so some have several turns and others none. "
        "Shuffle once, then cut into batches.",
    ),
)


@train_epoch.wrong(
    "You shuffled the images, but not their labels with them: the network learns from wrong labels. Use "
    "the same order for both."
)
def labels_not_shuffled(model, images, labels, optimizer, batch_size):
    shuffled = images[torch.randperm(len(images))]
    return in_the_given_order(model, shuffled, labels, optimizer, batch_size)


@train_epoch.wrong(
    "The step comes before backward: each step uses the gradient of the batch before, and the first has "
    "none. First backward, then step."
)
def step_before_backward(model, images, labels, optimizer, batch_size):
    model.train()
    total = 0.0
    for batch in torch.randperm(len(images)).split(batch_size):
        loss = functional.cross_entropy(model(images[batch]), labels[batch])
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()
        total += loss.item() * len(batch)
    return total / len(images)


@train_epoch.wrong(
    "You made one step at the end of the epoch. Each batch has its own step: clear, backward and step all "
    "stand inside of the loop."
)
def one_step_at_the_end(model, images, labels, optimizer, batch_size):
    optimizer.zero_grad()
    mean = epoch(model, images, labels, optimizer, batch_size, clear="never", step=False)
    optimizer.step()
    return mean


@train_epoch.wrong(
    "You went through all images twice. One epoch is once; how many epochs there are is decided outside of "
    "this function."
)
def two_epochs(*args):
    epoch(*args)
    return epoch(*args)


@train_epoch.accepts
def in_the_given_order(*args):
    return epoch(*args, order_of=lambda images, batch_size: torch.arange(len(images)))


@train_epoch.accepts
def data_loader(model, images, labels, optimizer, batch_size):
    model.train()
    criterion, total = nn.CrossEntropyLoss(), 0.0
    for x, y in DataLoader(TensorDataset(images, labels), batch_size=batch_size, shuffle=True):
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(x)
    return total / len(images)


@train_epoch.accepts
def cleared_after_the_step(model, images, labels, optimizer, batch_size):
    model.train(True)
    seen = []
    for start in range(0, len(images), batch_size):
        x, y = images[start : start + batch_size], labels[start : start + batch_size]
        loss = functional.nll_loss(functional.log_softmax(model(x), dim=1), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seen += [loss.detach().item()] * len(x)
    return np.mean(seen)


@train_epoch.accepts
def by_hand_with_numpy_order(model, images, labels, optimizer, batch_size):
    model.train()
    order = np.random.default_rng(0).permutation(len(images))
    total, count = 0.0, 0
    while count < len(images):
        batch = order[count : count + batch_size]
        Y = model(images[batch])
        each = Y.logsumexp(1) - Y[torch.arange(len(batch)), labels[batch]]
        model.zero_grad()
        each.mean().backward()
        optimizer.step()
        total += each.sum().item()
        count += len(batch)
    return total / count


@train_epoch.accepts
def step_with_a_closure(model, images, labels, optimizer, batch_size):
    model.train()
    total = 0.0
    for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            return loss

        total += optimizer.step(closure).item() * len(x)
    return total / len(images)


@train_epoch.accepts
def sorted_by_class_on_purpose(model, images, labels, optimizer, batch_size):
    order = labels.argsort()
    return float(epoch(model, images[order], labels[order], optimizer, batch_size))


# ------------------------------------------------------------------ 2.4

logits_by_hand = Exercise(
    "2.4",
    "logits_by_hand",
    formula="Y[n, c] = Σ_k W[c, k] · (1/Z) Σ_xy F[n, k, x, y] + b[c]",
    hints=(
        "Two steps: first each map becomes its mean, then each class takes a weighted sum of the means and adds its "
        "bias.",
        "The means have shape (N, K), W has shape (C, K). The axis k disappears; n and c stay. This is a matrix "
        "product with W transposed.",
        "Take the mean of F over its last two axes, multiply (@) with W.T, add b.",
    ),
    rtol=1e-5,
)


@logits_by_hand.cases
def _(rng):
    yield Case(
        "two images, four maps of 5×7, three classes",
        normal(rng, 2, 4, 5, 7),
        normal(rng, 3, 4),
        normal(rng, 3),
    )
    yield Case(
        "as many classes as maps", normal(rng, 3, 4, 2, 6), normal(rng, 4, 4), normal(rng, 4)
    )
    yield Case(
        "three images, three maps, three classes",
        normal(rng, 3, 3, 2, 5),
        normal(rng, 3, 3),
        normal(rng, 3),
    )
    yield Case("one image, one map", normal(rng, 1, 1, 3, 2), normal(rng, 5, 1), normal(rng, 5))
    yield Case(
        "only negative logits",
        normal(rng, 2, 3, 4, 3).abs(),
        -normal(rng, 2, 3).abs(),
        -normal(rng, 2).abs(),
    )


@logits_by_hand.reference
def _(F, W, b):
    N, K, h, w = F.shape
    return torch.stack(
        [
            torch.stack(
                [
                    sum(W[c, k] * F[n, k].sum() / (h * w) for k in range(K)) + b[c]
                    for c in range(len(W))
                ]
            )
            for n in range(N)
        ]
    )


logits_by_hand.teaches(
    {
        "mean over axes 2 and 3: square of height": "You divided by h·h. The maps need not be "
        "square: there are h·w places.",
        "mean over axes 2 and 3: square of width": "You divided by w·w. The maps need not be "
        "square: there are h·w places.",
        "W reshaped back": "You changed the order of the numbers in W with reshape. That is not "
        "the transpose: use W.T.",
        "result: transpose": "The axes are exchanged: the result has one row for each image, "
        "(N, C).",
    }
)


def means(F):
    return F.mean(dim=(2, 3))


def linear_layer(pool, bias, end):
    return lambda F, W, b: end(pool(F) @ W.T + bias * b)


logits_by_hand.products(
    linear_layer,
    pool={
        "mean": (means, ""),
        "sum_of_each_map": (
            lambda F: F.sum(dim=(2, 3)),
            "You took the sum of each map instead of its mean: the logits come out too large.",
        ),
        "maximum_of_each_map": (
            lambda F: F.amax(dim=(2, 3)),
            "You took the maximum of each map. The network has global average pooling.",
        ),
    },
    bias={
        "added": (1, ""),
        "bias_forgotten": (
            0,
            "You forgot the bias: each class has one number b_c that is added at the end.",
        ),
        "bias_subtracted": (-1, "You subtracted the bias. The linear layer adds it."),
    },
    end={
        "logits": (lambda Y: Y, ""),
        "softmax_at_the_end": (
            lambda Y: Y.softmax(1),
            "You made probabilities with softmax. The logits come before it.",
        ),
        "relu_at_the_end": (
            torch.relu,
            "You cut off the negative logits. There is no ReLU behind the linear layer.",
        ),
    },
)

logits_by_hand.wrongs(
    weights_not_transposed=(
        lambda F, W, b: means(F) @ W + b,
        "You used W without transposing it. W has shape (C, K): its rows belong to the classes, so "
        "the means (N, K) are multiplied with W.T.",
    ),
    weights_first=(
        lambda F, W, b: W @ means(F) + b,
        "You multiplied W @ g. The means g are (N, K) and W is (C, K): their inner sizes are K and "
        "C, and the result would not have one row for each image. Multiply g @ W.T: (N, K) @ "
        "(K, C) is (N, C).",
    ),
    weights_first_means_transposed=(
        lambda F, W, b: W @ means(F).T + b,
        "W @ g.T has one row for each class, (C, N), so the bias of a class is added to an image. "
        "Multiply g @ W.T: (N, K) @ (K, C) is (N, C).",
    ),
    element_by_element=(
        lambda F, W, b: means(F)[:, None, :] * W[None] + b[None, :, None],
        "You multiplied element by element. Over k the formula has a sum: that is the matrix "
        "product, @.",
    ),
    predicted_classes=(
        lambda F, W, b: (means(F) @ W.T + b).argmax(1),
        "You returned the predicted classes (argmax). Return the logits of all classes, (N, C).",
    ),
    bias_at_every_place=(
        lambda F, W, b: means(F) @ W.T + b * F.shape[2] * F.shape[3],
        "You added the bias at every place and then summed: it is counted h·w times. Add it once, "
        "after the mean.",
    ),
    channels_averaged_too=(
        lambda F, W, b: means(F) @ W.T / F.shape[1] + b,
        "You averaged over the channels too. Over k the formula has a sum.",
    ),
    bias_averaged=(
        lambda F, W, b: means(F) @ W.T + b / (F.shape[2] * F.shape[3]),
        "You divided the bias by the number of places too. Only the maps are averaged.",
    ),
    divided_by_all_values=(
        lambda F, W, b: torch.einsum("nkxy,ck->nc", F, W) / F.numel() + b,
        "You divided by the number of all values in F. The average of one map divides by its own "
        "places, h·w.",
    ),
)


logits_by_hand.accepts_all(
    in_steps=lambda F, W, b: means(F) @ W.T + b,
    linear_function=lambda F, W, b: functional.linear(
        functional.adaptive_avg_pool2d(F, 1).flatten(1), W, b
    ),
    one_einsum=lambda F, W, b: torch.einsum("nkxy,ck->nc", F, W) / F[0, 0].numel() + b,
    numpy_answer=lambda F, W, b: F.numpy().mean(axis=(2, 3)) @ W.numpy().T + b.numpy(),
    # the other order of the two sums: lesson 3
    weigh_first_then_average=lambda F, W, b: functional.conv2d(F, W[:, :, None, None], b).mean(
        dim=(2, 3)
    ),
    turned_at_the_end=lambda F, W, b: (W @ F.double().mean(dim=(2, 3)).T.float() + b[:, None]).T,
)


@logits_by_hand.accepts
def image_by_image(F, W, b):
    rows = []
    for n in range(F.shape[0]):
        v = F[n].flatten(1).mean(1)
        rows.append(W.mv(v) + b)
    return torch.stack(rows)


def test_lesson(proof):
    proof()
