"""Lesson 1, checked: parameters, the sliding window, feature maps, the receptive field."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from scipy import signal
from torch import nn
from torch.nn import functional

from camlite.course import Case, Exercise, normal
from camlite.nets import GapNet


def integer(rng, low, high):
    return int(torch.randint(low, high, (1,), generator=rng))


# ------------------------------------------------------------------ 1.1

count_parameters = Exercise(
    "1.1",
    "count_parameters",
    formula="Σ over all parameters of the number of their entries",
    hints=(
        "A network is a box of boxes. PyTorch can list all the tensors that training changes, in "
        "all boxes.",
        "model.parameters() gives every weight and every bias, one tensor each. You need the "
        "number of entries of each tensor, and their sum.",
        "Sum p.numel() over all p in model.parameters().",
    ),
)


class Block(nn.Module):
    """A layer inside of a layer, and one parameter that stands alone."""

    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width, 1, 1))
        self.body = nn.Sequential(
            nn.Conv2d(width, width, (3, 1), bias=False), nn.BatchNorm2d(width)
        )


@count_parameters.cases
def _(rng):
    a, b = integer(rng, 2, 6), integer(rng, 6, 11)
    yield Case("the network of this lesson", GapNet())
    plain = nn.Sequential(nn.Conv2d(a, b, (3, 5), bias=False), nn.ReLU(), nn.Conv2d(b, a, 3))
    yield Case("convolutions without bias", plain)
    nested = nn.Sequential(Block(a), nn.Sequential(Block(b), nn.Linear(b, a)))
    yield Case("layers inside of layers, and BatchNorm", nested)
    yield Case("nothing to learn", nn.Sequential(nn.ReLU(), nn.Flatten()))


@count_parameters.reference
def _(model):
    return sum(math.prod(p.shape) for p in model.parameters())


def entries(tensors):
    return sum(t.numel() for t in tensors)


def parameters_of(model, *kinds):
    return [p for m in model.modules() if isinstance(m, kinds) for p in m.parameters()]


def named(model, *ends):
    return [p for name, p in model.named_parameters() if name.split(".")[-1] in ends]


count_parameters.wrongs(
    biases_forgotten=(
        lambda model: entries(model.parameters()) - entries(named(model, "bias")),
        "You forgot the biases. A convolution and a linear layer have one bias for each output, "
        "and training changes it too.",
    ),
    tensors_counted=(
        lambda model: len(list(model.parameters())),
        "You counted the tensors, not the numbers in them. A weight of shape (16, 1, 3, 3) holds "
        "144 numbers.",
    ),
    buffers_counted=(
        lambda model: entries(model.state_dict().values()),
        "You counted buffers too. The running averages of BatchNorm belong to the state of the "
        "model, but they are measured, not learned.",
    ),
    first_axis_only=(
        lambda model: sum(len(p) for p in model.parameters()),
        "You took the length of each tensor. len(p) is only its first axis; all axes multiply.",
    ),
    inner_layers_twice=(
        lambda model: entries(parameters_of(model, nn.Module)),
        "You counted inner layers twice: parameters() of a layer already contains those of the "
        "layers inside of it.",
    ),
    outer_layers_only=(
        lambda model: entries(p for m in model.children() for p in m.parameters(recurse=False)),
        "You looked at the outermost layers only. A layer can contain other layers, and they learn "
        "too.",
    ),
    two_kinds_of_layers=(
        lambda model: entries(parameters_of(model, nn.Conv2d, nn.Linear)),
        "You counted convolutions and linear layers only. Other layers learn too: look at "
        "BatchNorm.",
    ),
    convolutions_only=(
        lambda model: entries(parameters_of(model, nn.Conv2d)),
        "You counted the convolutions only. The linear layer at the end learns too.",
    ),
    bytes_counted=(
        lambda model: sum(p.numel() * p.element_size() for p in model.parameters()),
        "These are bytes: a number in float32 takes four of them. Count the numbers.",
    ),
    layers_counted=(
        lambda model: len(list(model.modules())),
        "You counted the layers. Each layer holds many numbers.",
    ),
    a_list_of_counts=(
        lambda model: [p.numel() for p in model.parameters()],
        "You made a list with one entry for each tensor. Add the entries up: one number is asked "
        "for.",
    ),
    first_tensor_only=(
        lambda model: next((p.numel() for p in model.parameters()), 0),
        "You counted the first tensor only. Is the return indented too far, inside of the loop?",
    ),
    last_tensor_only=(
        lambda model: ([0] + [p.numel() for p in model.parameters()])[-1],
        "You counted the last tensor only. Each count replaced the one before it: add with +=.",
    ),
    weight_and_bias_only=(
        lambda model: entries(named(model, "weight", "bias")),
        "You counted the weights of the layers that have `weight` and `bias`. A layer may have "
        "parameters with other names: model.parameters() lists them all.",
    ),
)

count_parameters.accepts_all(
    only_what_needs_a_gradient=lambda model: entries(
        p for p in model.parameters() if p.requires_grad
    ),
    one_long_vector=lambda model: len(
        torch.cat([torch.zeros(0)] + [p.flatten() for p in model.parameters()])
    ),
    a_tensor_instead_of_an_int=lambda model: torch.tensor(
        [p.nelement() for p in model.parameters()]
    ).sum(),
)


@count_parameters.accepts
def own_parameters_of_each_layer(model):
    total = 0
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            total += np.prod(parameter.shape)
    return int(total)


# ------------------------------------------------------------------ 1.2

cross_correlate = Exercise(
    "1.2",
    "cross_correlate",
    formula="(I ⋆ k)[y, x] = Σ_ij k[i, j] · I[y + i, x + j]",
    hints=(
        "Lay the kernel on the top left corner of the picture, multiply what lies on each other, "
        "add it up: this is the value [0, 0]. Then move the kernel.",
        "The value [y, x] uses the piece of the image from row y to y + kh and from column x to x "
        "+ kw. There are H − kh + 1 rows and W − kw + 1 columns of such places.",
        "Make a tensor of zeros of the right size. In two loops over y and x put the sum of kernel "
        "times piece into it, where the piece is image[y : y + kh, x : x + kw].",
    ),
)


@cross_correlate.cases
def _(rng):
    yield Case("an image of 7×5, a kernel of 3×2", normal(rng, 7, 5), normal(rng, 3, 2))
    yield Case("a wide image, a wide kernel", normal(rng, 4, 9), normal(rng, 2, 5))
    yield Case("the kernel is as large as the image", normal(rng, 3, 4), normal(rng, 3, 4))
    yield Case("a kernel of one weight", normal(rng, 3, 5), normal(rng, 1, 1))
    yield Case("a square image, a square kernel", normal(rng, 6, 6), normal(rng, 3, 3))


@cross_correlate.reference
def _(image, kernel):
    (H, W), (kh, kw) = image.shape, kernel.shape
    return torch.stack(
        [
            torch.stack([(kernel * image[y : y + kh, x : x + kw]).sum() for x in range(W - kw + 1)])
            for y in range(H - kh + 1)
        ]
    )


def slide(image, kernel, **options):
    return functional.conv2d(image[None, None], kernel[None, None], **options)[0, 0]


def windows(image, kernel):
    """The piece under the kernel for each place of the result: axes y, x, i, j."""
    kh, kw = kernel.shape
    return image.unfold(0, kh, 1).unfold(1, kw, 1)


cross_correlate.teaches(
    {
        "kernel turned": "You turned the kernel by 180°. That is the convolution of mathematics. "
        "Here, as in PyTorch, the kernel stays as it is.",
        "flip(kernel, 0)": "You turned the kernel upside down only. It must not be turned at all.",
        "flip(kernel, 1)": "You turned the kernel from left to right only. It must not be turned "
        "at all.",
        "ones for kernel": "You added up the pixels under the window without the weights.",
        # that is what kernel @ piece.T comes to when all its numbers are added
        "sum(kernel, 0)": "You multiplied matrices. Each weight is multiplied with the one grey "
        "value that lies under it (that is * in Python, not @), and then all products are added.",
        "sum: mean": "You took the mean of the products. The formula adds them up.",
        "sum: amax": "You took the largest product under the window. The formula adds all products "
        "up.",
        "result: relu": "You cut off the negative values. The ReLU comes after the convolution, as "
        "a step of its own.",
        "result: transpose": "Rows and columns of the result are exchanged. The value [y, x] "
        "belongs to row y and column x.",
    }
)
cross_correlate.wrongs(
    padded_on_all_sides=(
        lambda image, kernel: slide(image, kernel, padding=[n - 1 for n in kernel.shape]),
        "You put zeros around the image: the kernel hangs over its border. Take only the places "
        "where the whole kernel fits into the image.",
    ),
    one_place_too_few=(
        lambda image, kernel: slide(image, kernel)[:-1, :-1],
        "The last row and the last column are missing. The kernel fits in H − kh + 1 rows: count "
        "the places for an image of 3 and a kernel of 3.",
    ),
    last_weight_only=(
        lambda image, kernel: windows(image, kernel)[:, :, -1, -1] * kernel[-1, -1],
        "You overwrote the sum instead of adding to it: only the last weight of the kernel is left.",
    ),
    first_place_only=(
        lambda image, kernel: slide(image, kernel)[0, 0],
        "Only the value [0, 0] came back. Is the return indented too far, inside of the loops?",
    ),
    windows_without_overlap=(
        lambda image, kernel: slide(image, kernel, stride=tuple(kernel.shape)),
        "You moved the window by its own width. It moves by one pixel, so neighbouring windows "
        "overlap.",
    ),
)


@cross_correlate.wrong(
    "You put zeros around the image, so that the result is as large as it. Take only the places "
    "where the whole kernel fits into the image."
)
def padded_to_the_same_size(image, kernel):
    kh, kw = kernel.shape
    top, left = (kh - 1) // 2, (kw - 1) // 2
    return slide(functional.pad(image, (left, kw - 1 - left, top, kh - 1 - top)), kernel)


@cross_correlate.wrong(
    "You took the kernel for a square one. It has kh rows and kw columns, and the two may differ."
)
def square_kernel_assumed(image, kernel):
    (H, W), k = image.shape, kernel.shape[0]
    result = torch.zeros(H - k + 1, W - k + 1)
    for y in range(H - k + 1):
        for x in range(W - k + 1):
            result[y, x] = (kernel * image[y : y + k, x : x + k]).sum()
    return result


@cross_correlate.wrong(
    "Your values are right, but your result is as large as the image, with zeros at the right and "
    "at the bottom. It has only H − kh + 1 rows and W − kw + 1 columns."
)
def result_as_large_as_the_image(image, kernel):
    right = slide(image, kernel)
    (H, W), (h, w) = image.shape, right.shape
    return functional.pad(right, (0, W - w, 0, H - h))


cross_correlate.accepts_all(
    pytorch_convolution=slide,
    windows_and_sum=lambda image, kernel: (windows(image, kernel) * kernel).sum((2, 3)),
    windows_and_einsum=lambda image, kernel: torch.einsum(
        "yxij,ij->yx", windows(image, kernel), kernel
    ),
    scipy_correlation=lambda image, kernel: signal.correlate2d(
        image.numpy(), kernel.numpy(), mode="valid"
    ),
)


@cross_correlate.accepts
def four_loops(image, kernel):
    (H, W), (kh, kw) = image.shape, kernel.shape
    result = [[0.0] * (W - kw + 1) for _ in range(H - kh + 1)]
    for y in range(H - kh + 1):
        for x in range(W - kw + 1):
            for i in range(kh):
                for j in range(kw):
                    result[y][x] += float(kernel[i, j] * image[y + i, x + j])
    return torch.tensor(result)


@cross_correlate.accepts
def shifted_images(image, kernel):
    """A loop over the kernel: each weight times the image, moved."""
    (H, W), (kh, kw) = image.shape, kernel.shape
    return sum(
        kernel[i, j] * image[i : H - kh + 1 + i, j : W - kw + 1 + j]
        for i in range(kh)
        for j in range(kw)
    )


@cross_correlate.accepts
def numpy_in_float64(image, kernel):
    windows = np.lib.stride_tricks.sliding_window_view(image.numpy(), tuple(kernel.shape))
    return (windows.astype(np.float64) * kernel.numpy()).sum((2, 3))


# ------------------------------------------------------------------ 1.3

feature_maps = Exercise(
    "1.3",
    "feature_maps",
    formula="the output of each nn.ReLU, first to last",
    hints=(
        "Somebody has to stand behind each ReLU and write down what comes out. Either you send x "
        "through the layers yourself, or a hook does the writing.",
        "Step by step: x = layer(x) for each layer of model.features; when layer is an nn.ReLU, "
        "append a copy of x. With hooks: register one on each nn.ReLU in model.modules(), run "
        "model(x), remove all.",
        "Inside torch.no_grad(): for layer in model.features: x = layer(x); if isinstance(layer, "
        "nn.ReLU): append x.detach().clone() to the list. Return the list.",
    ),
)


class Stack(nn.Module):
    """Some layers, then an average, then a linear layer. `center` changes the maps in place."""

    def __init__(self, *layers, width, center=False):
        super().__init__()
        self.features, self.classifier = nn.Sequential(*layers), nn.Linear(width, 3)
        self.center = center

    def forward(self, x):
        F = self.features(x)
        if self.center:
            F -= F.mean(dim=(2, 3), keepdim=True)  # saves memory, and overwrites the maps
        return self.classifier(F.amax(dim=(2, 3)))


@feature_maps.cases
def _(rng):
    a, b = integer(rng, 2, 5), integer(rng, 5, 8)
    net = Stack(nn.Conv2d(1, a, 3), nn.ReLU(), nn.Conv2d(a, b, 3), nn.ReLU(), width=b).eval()
    yield Case("two images of 6×9", net, normal(rng, 2, 1, 6, 9))
    norm = nn.BatchNorm2d(a)
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    layers = [nn.Conv2d(3, a, 3, padding=1), norm, nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(a, b, 1), nn.Tanh(), nn.Conv2d(b, a, 3, padding=1)]
    layers += [nn.ReLU(inplace=True), nn.AvgPool2d((1, 2))]
    yield Case(
        "BatchNorm, pooling, another activation function, ReLU in place",
        Stack(*layers, width=a).eval(),
        normal(rng, 2, 3, 8, 12),
    )
    net = Stack(nn.Conv2d(1, b, 3), nn.ReLU(), width=b, center=True).eval()
    yield Case("the network writes over its last maps", net, normal(rng, 3, 1, 5, 4))


@feature_maps.reference
def _(model, x):
    maps = []
    with torch.no_grad():
        for layer in model.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                maps.append(x.clone())
    return maps


def outputs(model, x, kind=nn.ReLU, keep=torch.clone, leave=False):
    """With hooks: what `keep` makes of the output of each layer of this kind."""
    found, hooks = [], []
    for layer in model.modules():
        if isinstance(layer, kind):
            hooks.append(
                layer.register_forward_hook(lambda m, i, output: found.append(keep(output)))
            )
    with torch.no_grad():
        model(x)
    for hook in [] if leave else hooks:
        hook.remove()
    return found


def up_to_each_relu(model, x, end):
    """What the first part of the network gives, longer and longer; with end = 1 with its ReLU."""
    places = [i for i, layer in enumerate(model.features) if isinstance(layer, nn.ReLU)]
    return [model.features[: i + end](x).detach() for i in places]


feature_maps.teaches(
    {
        "result: first": "You kept the first image only. Each entry has shape (N, K, h, w), with "
        "all N images.",
        "result: mean 1": "You averaged over the channels. Each channel is a map of its own.",
    }
)
feature_maps.wrongs(
    output_of_convolutions=(
        lambda model, x: outputs(model, x, nn.Conv2d),
        "You took the output of the convolutions, before the ReLU: it has negative values. The "
        "feature maps of this exercise come after the ReLU.",
    ),
    input_of_the_relu=(
        lambda model, x: up_to_each_relu(model, x, 0),
        "You took what goes into the ReLU. Take what comes out of it.",
    ),
    hooks_left_behind=(
        lambda model, x: outputs(model, x, leave=True),
        "A hook was left in the model. It runs at every later call too: call handle.remove() for "
        "each one.",
    ),
    no_copies=(
        lambda model, x: outputs(model, x, keep=torch.detach),
        "You kept the map itself, not a copy. This network writes over its maps later, and over "
        "yours with them: use clone().",
    ),
    every_layer=(
        lambda model, x: outputs(model.features, x, nn.Module)[:-1],
        "You wrote down every layer. Only the outputs of nn.ReLU are asked for.",
    ),
    last_one_only=(
        lambda model, x: outputs(model, x)[-1:],
        "You kept the last map only. The list needs one entry for each ReLU.",
    ),
    last_to_first=(
        lambda model, x: outputs(model, x)[::-1],
        "The order is turned round. The first entry belongs to the ReLU that runs first.",
    ),
    each_layer_on_the_picture=(
        lambda model, x: [
            layer(x).clone() for layer in model.features if isinstance(layer, nn.ReLU)
        ],
        "You gave every ReLU the picture itself. Each layer gets what the layer before it made: "
        "x = layer(x).",
    ),
    left_in_training_mode=(
        lambda model, x: outputs(model.train(), x),
        "You switched the model to training mode and left it there. In that mode BatchNorm "
        "measures new averages, and the maps are different. Leave the model as it was.",
    ),
    own_relu_after_each_convolution=(
        lambda model, x: outputs(model, x, nn.Conv2d, torch.relu),
        "You put a ReLU of your own after each convolution. There may be another layer between the "
        "two, such as BatchNorm: take the output of the network's own nn.ReLU.",
    ),
    images_and_channels_joined=(
        lambda model, x: [F.flatten(0, 1) for F in outputs(model, x)],
        "You stacked the images into the channels: each entry must have four axes, (N, K, h, w).",
    ),
    last_map_missing=(
        lambda model, x: outputs(model, x)[:-1],
        "The output of the last ReLU is missing. Does your loop end one layer too early?",
    ),
)

feature_maps.accepts_all(
    with_hooks=outputs,
    growing_slices=lambda model, x: up_to_each_relu(model, x, 1),
)


@feature_maps.accepts
def hooks_by_name_with_gradients(model, x):
    found, handles = {}, []
    for name, module in model.named_modules():
        if type(module).__name__ == "ReLU":
            handles.append(
                module.register_forward_hook(
                    lambda m, i, o, name=name: found.__setitem__(name, o.detach().cpu().clone())
                )
            )
    model(x)
    [h.remove() for h in handles]
    return tuple(found.values())


@feature_maps.accepts
def step_by_step_with_gradients(model, x):
    maps = []
    for i in range(len(model.features)):
        x = model.features[i](x)
        if isinstance(model.features[i], torch.nn.ReLU):
            maps += [x.clone()]
    return maps


# ------------------------------------------------------------------ 1.4

receptive_field = Exercise(
    "1.4",
    "receptive_field",
    formula="r = 1 + Σ_l (k_l − 1) · Π_{i<l} s_i",
    hints=(
        "Start with one pixel: r = 1. A 3×3 window adds one neighbour on each side, two in all, "
        "but how far apart are neighbours? Strides make this distance grow.",
        "Keep two numbers, the width r and the distance between neighbours (1 at the beginning). "
        "Each layer adds (k − 1) · distance to r; after that its stride multiplies the distance.",
        "In a loop over (k, s): first r += (k - 1) * distance, then distance *= s. The order of "
        "the two matters.",
    ),
)


@receptive_field.cases
def _(rng):
    yield Case("the network of this lesson", [(3, 1)] * 4)
    yield Case("convolution, pooling, convolution, pooling", [(5, 1), (2, 2), (5, 1), (2, 2)])
    yield Case(
        "any kernels and strides", [(integer(rng, 2, 8), integer(rng, 1, 4)) for _ in range(5)]
    )
    yield Case("the stride of the last layer", [(integer(rng, 2, 6), 1), (integer(rng, 2, 6), 3)])
    yield Case("a kernel of 1×1 with stride 2, then one of 3×3", [(1, 2), (3, 1)])
    yield Case("no layer at all", [])


@receptive_field.reference
def _(layers):
    return 1 + sum((k - 1) * math.prod(s for _, s in layers[:l]) for l, (k, _) in enumerate(layers))


def width(start, reach, distance):
    """start + Σ reach(k) · distance(strides of the layers before, own stride)."""

    def answer(layers):
        strides = [s for _, s in layers]
        return start + sum(reach(k) * distance(strides[:l], s) for l, (k, s) in enumerate(layers))

    return answer


# any of these with any other: no number tells the two apart, so the search cannot find them
receptive_field.products(
    width,
    start={
        "one": (1, ""),
        "one_is_missing": (
            0,
            "The 1 at the start is missing: without any layer a value sees one pixel, itself.",
        ),
    },
    reach={
        "k_minus_one": (lambda k: k - 1, ""),
        "k_instead_of_k_minus_one": (
            lambda k: k,
            "You used k where the formula has k − 1: the pixel in the middle is counted again for "
            "each layer.",
        ),
        "one_side_only": (
            lambda k: (k - 1) / 2,
            "You added (k − 1) / 2 for each layer: a window reaches that far on one side. It has "
            "two sides.",
        ),
    },
    distance={
        "product": (lambda before, own: math.prod(before), ""),
        "own_stride_counted": (
            lambda before, own: math.prod(before) * own,
            "You counted a layer's own stride. It moves the window, but it makes no window wider: "
            "only the strides of the layers before count.",
        ),
        "last_stride_only": (
            lambda before, own: before[-1] if before else 1,
            "You used the stride of the layer before only. All strides before multiply: after 2 "
            "and 2, neighbours are four pixels apart.",
        ),
        "strides_added": (
            lambda before, own: sum(before) if before else 1,
            "You added the strides. They multiply: after strides 2 and 3, neighbours are six "
            "pixels apart.",
        ),
    },
)
receptive_field.wrongs(
    sum_of_kernels=(
        lambda layers: sum(k for k, _ in layers),
        "You added the kernel sizes. Two 3×3 layers see 5 pixels, not 6: the middle of the window "
        "is already there. Each layer adds k − 1.",
    ),
    product_of_kernels=(
        lambda layers: math.prod(k for k, _ in layers),
        "You multiplied the kernel sizes. Neighbouring windows overlap, so each layer adds a "
        "little, it does not multiply.",
    ),
    strides_left_out=(
        lambda layers: 1 + sum(k - 1 for k, _ in layers),
        "You left out the strides. After a stride of 2, neighbours in the map are two pixels "
        "apart.",
    ),
    from_the_other_end=(
        lambda layers: receptive_field.right(layers[::-1]),
        "You went through the layers from the last to the first. The list begins at the picture, "
        "and the strides nearer to the picture count.",
    ),
    area=(
        lambda layers: receptive_field.right(layers) ** 2,
        "This is the area, width times width. The width is asked for.",
    ),
    distance_of_neighbours=(
        lambda layers: math.prod(s for _, s in layers),
        "This is the distance of neighbours in the last map, the product of all strides. The width "
        "of the field is asked for.",
    ),
    one_too_many_on_the_way_back=(
        lambda layers: functools.reduce(
            lambda r, layer: r * layer[1] + layer[0] - 1, layers[::-1], 1
        ),
        "You went back from the top with r · s + k − 1. Between r values there are r − 1 steps of "
        "s pixels, and then comes one kernel: (r − 1) · s + k.",
    ),
    last_layer_only=(
        lambda layers: layers[-1][0] if layers else 1,
        "You returned the kernel of the last layer. All layers add to the width.",
    ),
)


@receptive_field.accepts
def backwards(layers):
    """From the top: one value needs (r − 1) s + k values of the layer below."""
    r = 1
    for kernel, stride in reversed(layers):
        r = (r - 1) * stride + kernel
    return r


@receptive_field.accepts
def first_and_last_pixel(layers):
    first = last = 0
    for kernel, stride in layers[::-1]:
        first, last = first * stride, last * stride + kernel - 1
    return torch.tensor(last - first + 1)


@receptive_field.accepts
def numpy_answer(layers):
    k, s = np.array([(1, 1), *layers]).T
    distance = np.concatenate([[1], np.cumprod(s)[:-1]])
    return 1 + ((k - 1) * distance).sum()


@receptive_field.accepts
def by_experiment(layers):
    """Ones as kernels, and the gradient of one value: how many pixels does it reach?"""
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel + 3  # a little more than needed
    x = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride in layers:
        y = functional.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    y[0, 0, 0].backward()
    seen = x.grad.flatten().nonzero()
    return int(seen.max() - seen.min()) + 1


def test_lesson(proof):
    proof()
