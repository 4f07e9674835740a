"""Lesson 1, checked: parameters, the sliding window, feature maps, the receptive field."""

from __future__ import annotations

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
        "A network is a box of boxes. PyTorch can list all the tensors that training changes, in all "
        "boxes.",
        "model.parameters() gives every weight and every bias, one tensor each. You need the number of "
        "entries of each tensor, and their sum.",
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
    yield Case(
        "convolutions without bias",
        nn.Sequential(nn.Conv2d(a, b, (3, 5), bias=False), nn.ReLU(), nn.Conv2d(b, a, 3)),
    )
    yield Case(
        "layers inside of layers, and BatchNorm",
        nn.Sequential(Block(a), nn.Sequential(Block(b), nn.Linear(b, a))),
    )
    yield Case("nothing to learn", nn.Sequential(nn.ReLU(), nn.Flatten()))


@count_parameters.reference
def _(model):
    return sum(math.prod(p.shape) for p in model.parameters())


@count_parameters.wrong(
    "You forgot the biases. A convolution and a linear layer have one bias for each "
    "output, and training changes it too."
)
def biases_forgotten(model):
    return sum(p.numel() for name, p in model.named_parameters() if not name.endswith("bias"))


@count_parameters.wrong(
    "You counted the tensors, not the numbers in them. A weight of shape (16, 1, 3, 3) "
    "holds 144 numbers."
)
def tensors_counted(model):
    return len(list(model.parameters()))


@count_parameters.wrong(
    "You counted buffers too. The running averages of BatchNorm belong to the state of "
    "the model, but they are measured, not learned."
)
def buffers_counted(model):
    return sum(t.numel() for t in model.state_dict().values())


@count_parameters.wrong(
    "You took the length of each tensor. len(p) is only its first axis; all axes multiply."
)
def first_axis_only(model):
    return sum(len(p) for p in model.parameters())


@count_parameters.wrong(
    "You counted inner layers twice: parameters() of a layer already contains those of "
    "the layers inside of it."
)
def inner_layers_twice(model):
    return sum(p.numel() for m in model.modules() for p in m.parameters())


@count_parameters.wrong(
    "You looked at the outermost layers only. A layer can contain other layers, and they learn too."
)
def outer_layers_only(model):
    return sum(p.numel() for m in model.children() for p in m._parameters.values() if p is not None)


@count_parameters.wrong(
    "You counted convolutions and linear layers only. Other layers learn too: look at BatchNorm."
)
def two_kinds_of_layers(model):
    return sum(
        p.numel()
        for m in model.modules()
        if isinstance(m, (nn.Conv2d, nn.Linear))
        for p in m.parameters()
    )


@count_parameters.wrong(
    "You counted the convolutions only. The linear layer at the end learns too."
)
def convolutions_only(model):
    return sum(
        p.numel() for m in model.modules() if isinstance(m, nn.Conv2d) for p in m.parameters()
    )


@count_parameters.wrong(
    "These are bytes: a number in float32 takes four of them. Count the numbers."
)
def bytes_counted(model):
    return sum(p.numel() * p.element_size() for p in model.parameters())


@count_parameters.wrong("You counted the layers. Each layer holds many numbers.")
def layers_counted(model):
    return len(list(model.modules()))


@count_parameters.wrong(
    "You made a list with one entry for each tensor. Add the entries up: one number is asked for."
)
def a_list_of_counts(model):
    return [p.numel() for p in model.parameters()]


@count_parameters.wrong(
    "You counted the first tensor only. Is the return indented too far, inside of the loop?"
)
def first_tensor_only(model):
    return next((p.numel() for p in model.parameters()), 0)


@count_parameters.wrong(
    "You counted the weights of the layers that have `weight` and `bias`. A layer may have parameters with "
    "other names: model.parameters() lists them all."
)
def weight_and_bias_only(model):
    return sum(
        p.numel()
        for name, p in model.named_parameters()
        if name.rsplit(".")[-1] in ("weight", "bias")
    )


@count_parameters.accepts
def only_what_needs_a_gradient(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@count_parameters.accepts
def one_long_vector(model):
    return len(torch.cat([torch.zeros(0)] + [p.flatten() for p in model.parameters()]))


@count_parameters.accepts
def own_parameters_of_each_layer(model):
    total = 0
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            total += np.prod(parameter.shape)
    return int(total)


@count_parameters.accepts
def a_tensor_instead_of_an_int(model):
    return torch.tensor([p.nelement() for p in model.parameters()]).sum()


# ------------------------------------------------------------------ 1.2

cross_correlate = Exercise(
    "1.2",
    "cross_correlate",
    formula="(I ⋆ k)[y, x] = Σ_ij k[i, j] · I[y + i, x + j]",
    hints=(
        "Lay the kernel on the top left corner of the picture, multiply what lies on each other, add it "
        "up: this is the value [0, 0]. Then move the kernel.",
        "The value [y, x] uses the piece of the image from row y to y + kh and from column x to x + kw. "
        "There are H − kh + 1 rows and W − kw + 1 columns of such places.",
        "Make a tensor of zeros of the right size. In two loops over y and x put the sum of "
        "kernel times piece into it, where the piece is image[y : y + kh, x : x + kw].",
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


def slide(image, kernel):
    return functional.conv2d(image[None, None], kernel[None, None])[0, 0]


@cross_correlate.wrong(
    "You turned the kernel by 180°. That is the convolution of mathematics. Here, as in "
    "PyTorch, the kernel stays as it is."
)
def kernel_turned(image, kernel):
    return slide(image, kernel.flip(0, 1))


@cross_correlate.wrong(
    "You put zeros around the image, so that the result is as large as it. Take only the "
    "places where the whole kernel fits into the image."
)
def padded_to_the_same_size(image, kernel):
    kh, kw = kernel.shape
    top, left = (kh - 1) // 2, (kw - 1) // 2
    return slide(functional.pad(image, (left, kw - 1 - left, top, kh - 1 - top)), kernel)


@cross_correlate.wrong(
    "You put zeros around the image: the kernel hangs over its border. Take only the places "
    "where the whole kernel fits into the image."
)
def padded_on_all_sides(image, kernel):
    return torch.from_numpy(signal.correlate2d(image.numpy(), kernel.numpy(), mode="full"))


@cross_correlate.wrong(
    "The last row and the last column are missing. The kernel fits in H − kh + 1 rows: "
    "count the places for an image of 3 and a kernel of 3."
)
def one_place_too_few(image, kernel):
    return slide(image, kernel)[:-1, :-1]


@cross_correlate.wrong("You took the mean of the products. The formula adds them up.")
def mean_of_the_products(image, kernel):
    return slide(image, kernel) / kernel.numel()


@cross_correlate.wrong(
    "You multiplied matrices. Each weight is multiplied with the one grey value that lies "
    "under it (that is * in Python, not @), and then all products are added."
)
def matrix_product(image, kernel):
    (H, W), (kh, kw) = image.shape, kernel.shape
    return torch.stack(
        [
            torch.stack(
                [(kernel @ image[y : y + kh, x : x + kw].T).sum() for x in range(W - kw + 1)]
            )
            for y in range(H - kh + 1)
        ]
    )


@cross_correlate.wrong(
    "You cut off the negative values. The ReLU comes after the convolution, as a step of its own."
)
def relu_added(image, kernel):
    return slide(image, kernel).relu()


@cross_correlate.wrong("You turned the kernel upside down only. It must not be turned at all.")
def upside_down(image, kernel):
    return slide(image, kernel.flip(0))


@cross_correlate.wrong(
    "You moved the window by its own width. It moves by one pixel, so neighbouring windows overlap."
)
def windows_without_overlap(image, kernel):
    return functional.conv2d(image[None, None], kernel[None, None], stride=tuple(kernel.shape))[
        0, 0
    ]


@cross_correlate.wrong("You added up the pixels under the window without the weights.")
def weights_forgotten(image, kernel):
    return slide(image, torch.ones_like(kernel))


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
    "Your values are right, but your result is as large as the image, with zeros at the right and at "
    "the bottom. It has only H − kh + 1 rows and W − kw + 1 columns."
)
def result_as_large_as_the_image(image, kernel):
    result = torch.zeros_like(image)
    part = slide(image, kernel)
    result[: part.shape[0], : part.shape[1]] = part
    return result


@cross_correlate.wrong(
    "You turned the kernel from left to right only. It must not be turned at all."
)
def left_to_right(image, kernel):
    return slide(image, kernel.flip(1))


@cross_correlate.wrong(
    "Rows and columns of the result are exchanged. The value [y, x] belongs to row y and column x."
)
def rows_and_columns_exchanged(image, kernel):
    return slide(image, kernel).T.contiguous()


@cross_correlate.wrong(
    "You overwrote the sum instead of adding to it: only the last weight of the kernel is left."
)
def last_weight_only(image, kernel):
    kh, kw = kernel.shape
    return kernel[-1, -1] * image[kh - 1 :, kw - 1 :]


@cross_correlate.wrong(
    "You took the largest product under the window. The formula adds all products up."
)
def largest_product(image, kernel):
    kh, kw = kernel.shape
    windows = image.unfold(0, kh, 1).unfold(1, kw, 1)
    return (windows * kernel).amax(dim=(2, 3))


@cross_correlate.accepts
def pytorch_convolution(image, kernel):
    return functional.conv2d(image[None, None], kernel[None, None])[0, 0]


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
def windows_and_einsum(image, kernel):
    kh, kw = kernel.shape
    return torch.einsum("yxij,ij->yx", image.unfold(0, kh, 1).unfold(1, kw, 1), kernel)


@cross_correlate.accepts
def scipy_correlation(image, kernel):
    return signal.correlate2d(image.numpy(), kernel.numpy(), mode="valid")


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
        "Somebody has to stand behind each ReLU and write down what comes out. Either you send x through "
        "the layers yourself, or a hook does the writing.",
        "Step by step: x = layer(x) for each layer of model.features; when layer is an nn.ReLU, append a "
        "copy of x. With hooks: register one on each nn.ReLU in model.modules(), run model(x), remove all.",
        "Inside torch.no_grad(): for layer in model.features: x = layer(x); if isinstance(layer, nn.ReLU): "
        "append x.detach().clone() to the list. Return the list.",
    ),
)


class Stack(nn.Module):
    """Some layers, then an average, then a linear layer. `center` changes the maps in place."""

    def __init__(self, *layers, width, center=False):
        super().__init__()
        self.features, self.classifier, self.center = (
            nn.Sequential(*layers),
            nn.Linear(width, 3),
            center,
        )

    def forward(self, x):
        F = self.features(x)
        if self.center:
            F -= F.mean(dim=(2, 3), keepdim=True)  # saves memory, and overwrites the maps
        return self.classifier(F.amax(dim=(2, 3)))


@feature_maps.cases
def _(rng):
    a, b = integer(rng, 2, 5), integer(rng, 5, 8)
    yield Case(
        "two images of 6×9",
        Stack(nn.Conv2d(1, a, 3), nn.ReLU(), nn.Conv2d(a, b, 3), nn.ReLU(), width=b).eval(),
        normal(rng, 2, 1, 6, 9),
    )
    norm = nn.BatchNorm2d(a)
    norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    yield Case(
        "BatchNorm, pooling, another activation function, ReLU in place",
        Stack(
            nn.Conv2d(3, a, 3, padding=1),
            norm,
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(a, b, 1),
            nn.Tanh(),
            nn.Conv2d(b, a, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.AvgPool2d((1, 2)),
            width=a,
        ).eval(),
        normal(rng, 2, 3, 8, 12),
    )
    yield Case(
        "the network writes over its last maps",
        Stack(nn.Conv2d(1, b, 3), nn.ReLU(), width=b, center=True).eval(),
        normal(rng, 3, 1, 5, 4),
    )


@feature_maps.reference
def _(model, x):
    maps = []
    with torch.no_grad():
        for layer in model.features:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                maps.append(x.clone())
    return maps


def outputs(model, x, wanted, keep, leave=False, grad=False):
    """With hooks: what `keep(inputs, output)` says about each module that is `wanted`."""
    found = []
    hooks = [
        m.register_forward_hook(lambda m, i, o: found.append(keep(i, o)))
        for m in model.modules()
        if wanted(m)
    ]
    with torch.set_grad_enabled(grad):
        model(x)
    for hook in [] if leave else hooks:
        hook.remove()
    return found


def is_relu(module):
    return isinstance(module, nn.ReLU)


def copy_output(inputs, output):
    return output.detach().clone()


@feature_maps.wrong(
    "You took the output of the convolutions, before the ReLU: it has negative values. The "
    "feature maps of this exercise come after the ReLU."
)
def output_of_convolutions(model, x):
    return outputs(model, x, lambda m: isinstance(m, nn.Conv2d), copy_output)


@feature_maps.wrong("You took what goes into the ReLU. Take what comes out of it.")
def input_of_the_relu(model, x):
    found = []
    hooks = [
        m.register_forward_pre_hook(lambda m, i: found.append(i[0].detach().clone()))
        for m in model.modules()
        if is_relu(m)
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    return found


@feature_maps.wrong(
    "A hook was left in the model. It runs at every later call too: call handle.remove() for "
    "each one."
)
def hooks_left_behind(model, x):
    return outputs(model, x, is_relu, copy_output, leave=True)


@feature_maps.wrong(
    "You kept the map itself, not a copy. This network writes over its maps later, and over "
    "yours with them: use clone()."
)
def no_copies(model, x):
    return outputs(model, x, is_relu, lambda i, o: o.detach())


@feature_maps.wrong("You wrote down every layer. Only the outputs of nn.ReLU are asked for.")
def every_layer(model, x):
    maps = []
    for layer in model.features:
        x = layer(x)
        maps.append(x.detach().clone())
    return maps


@feature_maps.wrong("You kept the last map only. The list needs one entry for each ReLU.")
def last_one_only(model, x):
    return outputs(model, x, is_relu, copy_output)[-1:]


@feature_maps.wrong(
    "You kept the first image only. Each entry has shape (N, K, h, w), with all N images."
)
def first_image_only(model, x):
    return outputs(model, x, is_relu, lambda i, o: o[0].detach().clone())


@feature_maps.wrong(
    "The order is turned round. The first entry belongs to the ReLU that runs first."
)
def last_to_first(model, x):
    return outputs(model, x, is_relu, copy_output)[::-1]


@feature_maps.wrong("You averaged over the channels. Each channel is a map of its own.")
def mean_over_channels(model, x):
    return outputs(model, x, is_relu, lambda i, o: o.detach().mean(1))


@feature_maps.wrong(
    "You gave every ReLU the picture itself. Each layer gets what the layer before it made: "
    "x = layer(x)."
)
def each_layer_on_the_picture(model, x):
    return [layer(x).detach().clone() for layer in model.features if is_relu(layer)]


@feature_maps.wrong(
    "You switched the model to training mode and left it there. In that mode BatchNorm measures "
    "new averages, and the maps are different. Leave the model as it was."
)
def left_in_training_mode(model, x):
    model.train()
    return outputs(model, x, is_relu, copy_output)


@feature_maps.wrong(
    "You put a ReLU of your own after each convolution. There may be another layer between the two, such as "
    "BatchNorm: take the output of the network's own nn.ReLU."
)
def own_relu_after_each_convolution(model, x):
    return outputs(
        model, x, lambda m: isinstance(m, nn.Conv2d), lambda i, o: o.detach().relu().clone()
    )


@feature_maps.wrong(
    "You stacked the images into the channels: each entry must have four axes, (N, K, h, w)."
)
def images_and_channels_joined(model, x):
    return outputs(model, x, is_relu, lambda i, o: o.detach().flatten(0, 1).clone())


@feature_maps.wrong(
    "The output of the last ReLU is missing. Does your loop end one layer too early?"
)
def last_map_missing(model, x):
    return outputs(model, x, is_relu, copy_output)[:-1]


@feature_maps.accepts
def with_hooks(model, x):
    return outputs(model, x, is_relu, copy_output)


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
def growing_slices(model, x):
    """The first part of the network, longer and longer."""
    with torch.no_grad():
        return [
            model.features[: i + 1](x) for i, layer in enumerate(model.features) if is_relu(layer)
        ]


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
        "Start with one pixel: r = 1. A 3×3 window adds one neighbour on each side, two in all, but how far "
        "apart are neighbours? Strides make this distance grow.",
        "Keep two numbers, the width r and the distance between neighbours (1 at the beginning). Each layer "
        "adds (k − 1) · distance to r; after that its stride multiplies the distance.",
        "In a loop over (k, s): first r += (k - 1) * distance, then distance *= s. The order of the two "
        "matters.",
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


@receptive_field.wrong(
    "You added the kernel sizes. Two 3×3 layers see 5 pixels, not 6: the middle of the window "
    "is already there. Each layer adds k − 1."
)
def sum_of_kernels(layers):
    return sum(k for k, _ in layers)


@receptive_field.wrong(
    "You multiplied the kernel sizes. Neighbouring windows overlap, so each layer adds a little, "
    "it does not multiply."
)
def product_of_kernels(layers):
    return math.prod(k for k, _ in layers)


@receptive_field.wrong(
    "You left out the strides. After a stride of 2, neighbours in the map are two pixels apart."
)
def strides_left_out(layers):
    return 1 + sum(k - 1 for k, _ in layers)


@receptive_field.wrong(
    "You counted a layer's own stride. It moves the window, but it makes no window wider: only "
    "the strides of the layers before count."
)
def own_stride_counted(layers):
    width, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        width += (kernel - 1) * step
    return width


@receptive_field.wrong(
    "The 1 at the start is missing: without any layer a value sees one pixel, itself."
)
def one_is_missing(layers):
    width, step = 0, 1
    for kernel, stride in layers:
        width += (kernel - 1) * step
        step *= stride
    return width


@receptive_field.wrong(
    "You used the stride of the layer before only. All strides before multiply: after 2 and 2, "
    "neighbours are four pixels apart."
)
def last_stride_only(layers):
    width, step = 1, 1
    for kernel, stride in layers:
        width += (kernel - 1) * step
        step = stride
    return width


@receptive_field.wrong(
    "You added the strides. They multiply: after strides 2 and 3, neighbours are six pixels apart."
)
def strides_added(layers):
    width, before = 1, []
    for kernel, stride in layers:
        width += (kernel - 1) * (sum(before) if before else 1)
        before.append(stride)
    return width


@receptive_field.wrong(
    "You went through the layers from the last to the first. The list begins at the picture, and "
    "the strides nearer to the picture count."
)
def from_the_other_end(layers):
    width, step = 1, 1
    for kernel, stride in reversed(layers):
        width += (kernel - 1) * step
        step *= stride
    return width


@receptive_field.wrong(
    "You used k where the formula has k − 1: the pixel in the middle is counted again for each "
    "layer."
)
def k_instead_of_k_minus_one(layers):
    width, step = 1, 1
    for kernel, stride in layers:
        width += kernel * step
        step *= stride
    return width


@receptive_field.wrong("This is the area, width times width. The width is asked for.")
def area(layers):
    return receptive_field.right(layers) ** 2


@receptive_field.wrong(
    "This is the distance of neighbours in the last map, the product of all strides. The width of the field "
    "is asked for."
)
def distance_of_neighbours(layers):
    return math.prod(s for _, s in layers)


@receptive_field.wrong("You returned the kernel of the last layer. All layers add to the width.")
def last_layer_only(layers):
    return layers[-1][0] if layers else 1


@receptive_field.wrong(
    "You added (k − 1) / 2 for each layer: a window reaches that far on one side. It has two sides."
)
def one_side_only(layers):
    width, step = 1.0, 1
    for kernel, stride in layers:
        width += (kernel - 1) / 2 * step
        step *= stride
    return width


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
