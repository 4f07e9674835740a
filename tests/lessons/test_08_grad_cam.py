"""Lesson 8, checked: hooks, channel weights from gradients, Grad-CAM, Guided Grad-CAM."""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import camlite
from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ 8.1

record = Exercise(
    "8.1",
    "record",
    formula="F = output of the layer, Y = classifier(F), hook removed",
    hints=(
        "A forward hook sees what the layer gives. What it returns goes on through the network "
        "instead. So it can keep one tensor and pass on another.",
        "Let F be a new starting point: the same numbers as the output, cut from all that came "
        "before (detach), and it requires a gradient. The network goes on with a copy of F, so a "
        "layer that works in place changes the copy. try … finally removes the hook in any case.",
        "In the hook: make F from output with detach and requires_grad_, store it in a list or "
        "dict outside, return its clone. Around the call of the model: try, and in finally call "
        "remove on the handle that register_forward_hook gave you.",
    ),
)


class Residual(nn.Module):
    """The sum is made in place: `out += …`, as in torchvision's ResNets."""

    def __init__(self):
        super().__init__()
        self.shortcut = nn.Conv2d(1, 3, 1)
        self.branch = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Conv2d(3, 3, 1))
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        out = self.branch(x)
        out += self.shortcut(x)
        return self.fc(out.mean((2, 3)))


def flattening_net():
    features = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.Flatten())
    return nn.Sequential(*features, nn.Linear(3 * 4 * 5, 6), nn.Tanh(), nn.Linear(6, 4))


def pooling_net():
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))


@record.cases
def _(rng):
    x = normal(rng, 2, 1, 6, 7)
    yield Case("the next layer is a ReLU that works in place", flattening_net().eval(), "0", x)
    x = normal(rng, 3, 1, 4, 5)
    yield Case("the network adds to the layer's output in place", Residual().eval(), "branch", x)
    x = normal(rng, 1, 1, 5, 4)
    yield Case("a layer inside a block, training mode", pooling_net(), "0.1", x)
    frozen = flattening_net().requires_grad_(False).eval()
    yield Case("all weights are frozen", frozen, "1", normal(rng, 2, 1, 6, 7))
    x = normal(rng, 2, 1, 5, 4).requires_grad_()
    yield Case("the image requires a gradient already", pooling_net().eval(), "0.0", x)


def hooks_in(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return sum(len(getattr(m, kind)) for m in model.modules() for kind in kinds)


def condition(model):
    return {
        "the mode (train or eval)": [m.training for m in model.modules()],
        "requires_grad of the weights": [p.requires_grad for p in model.parameters()],
        "which weights have a .grad": [p.grad is not None for p in model.parameters()],
        ".grad of the weights": [
            None if p.grad is None else p.grad.tolist() for p in model.parameters()
        ],
        "the weights": [p.detach().clone().tolist() for p in model.parameters()],
    }


def condition_of_image(x):
    return {
        "its requires_grad": x.requires_grad,
        "its .grad": x.grad is not None,
        "its values": x.detach().tolist(),
    }


def gradient(Y, F):
    """∂Y/∂F for the least likely class, or why there is none."""
    if not Y.requires_grad:
        return "none: no graph was recorded for Y"
    if not F.requires_grad:
        return "none: F requires no gradient"
    G = torch.autograd.grad(Y.amin(1).sum(), F, allow_unused=True)[0]
    return "none: Y was not computed from this F" if G is None else G


@record.probe
def _(answer, model, layer, x):
    for weights in model.parameters():  # gradients of the caller, which must stay
        weights.grad = torch.ones_like(weights) if weights.requires_grad else None
    before, image_before = condition(model), condition_of_image(x)
    got = answer(model, layer, x)
    left = hooks_in(model)
    if not (isinstance(got, (tuple, list)) and len(got) == 2 and all(map(torch.is_tensor, got))):
        return {"the pair (F, Y)": f"a {type(got).__name__}"}
    F, Y = got
    parts = {"F": F, "Y": Y, "∂Y/∂F": gradient(Y, F)}
    changed = [name for name, value in condition(model).items() if value != before[name]]
    touched = [k for k, value in condition_of_image(x).items() if value != image_before[k]]
    try:
        answer(model, layer, x.repeat(1, 2, 1, 1))  # too many channels: the network stops
        stopped = "swallowed"
    except RuntimeError:
        stopped = "reaches the caller"
    except (KeyError, IndexError, NameError, TypeError, AttributeError):
        stopped = "hidden by a later error"
    return parts | {
        "hooks left in the model": left,
        "hooks left after an error": hooks_in(model),
        "an error of the network": stopped,
        "changed in the model": ", ".join(changed) or "nothing",
        "changed in the image x": ", ".join(touched) or "nothing",
    }


def start_at_the_layer(output):
    F = output.detach().requires_grad_()
    return F, F.clone()


def recorder(keep, removal="always", register="register_forward_hook"):
    """`keep` turns the layer's output into (what is kept, what the network goes on with)."""

    def answer(model, layer, x):
        kept = []

        def hook(module, *seen):  # the last one seen is the layer's output
            F, goes_on = keep(seen[-1])
            kept.append(F)
            return goes_on

        handle = getattr(model.get_submodule(layer), register)(hook)
        try:
            Y = model(x)
        except RuntimeError:
            if removal == "always":
                handle.remove()
            raise
        if removal != "never":
            handle.remove()
        return kept[0], Y

    return answer


right = record.reference(recorder(start_at_the_layer))


def retained(output):
    output.retain_grad()
    return output, output


HOOK_LEFT = {
    "always": ("always", ""),
    "hook_never_removed": (
        "never",
        "Your hook is still in the model: it will run again at every call, and it keeps the "
        "feature maps in memory. Remove it.",
    ),
    "hook_left_after_an_error": (
        "not_after_an_error",
        "When the network stops with an error, your hook stays in the model. Remove it in a "
        "finally block.",
    ),
}

record.products(
    recorder,
    keep={
        "a start at the layer": (start_at_the_layer, ""),
        "overwritten": (
            lambda output: (output, output),
            "F was overwritten after you kept it: a later layer works in place. Let the network go "
            "on with a copy.",
        ),
        "copy_beside_the_road": (
            lambda output: (output.clone(), output),
            "You kept a copy, but the network went on without it: Y does not depend on it, so "
            "there is no gradient. Turn it round: keep the tensor itself, pass the copy on.",
        ),
        "detached_copy": (
            lambda output: (output.detach().clone(), output),
            "Your F is cut off from Y: after detach nothing asks for its gradient, and the network "
            "does not go on from it.",
        ),
        "start_without_copy": (
            lambda output: (output.detach().requires_grad_(),) * 2,
            "You pass F itself on, and a later layer wants to overwrite it: PyTorch forbids that. "
            "Pass a copy of F on.",
        ),
        "start_not_passed_on": (
            lambda output: (output.detach().requires_grad_(), output),
            "Your F is the start of a graph, but the network goes on with the old tensor: Y does "
            "not depend on F. Pass a copy of F on.",
        ),
        "needs_weights_that_learn": (
            lambda output: (output, output.clone()),
            "With frozen weights no graph is recorded, so your F has no gradient. Make F a "
            "starting point of its own that requires a gradient.",
        ),
        "retained": (
            retained,
            "You kept the output itself and called retain_grad. A later layer can still overwrite "
            "it, and with frozen weights PyTorch stops. Make a new starting point: detach, then "
            "requires_grad_.",
        ),
    },
    removal=HOOK_LEFT,
)


def after(change, keep=start_at_the_layer, removal="always"):
    """The recorder, after `change(model, x)`."""

    def answer(model, layer, x):
        change(model, x)
        return recorder(keep, removal)(model, layer, x)

    return answer


record.products(  # F stays in the graph of the network, and the caller's things are made to need one
    lambda change, removal: after(change, lambda output: (output, output.clone()), removal),
    change={
        "image_changed": (
            lambda model, x: x.requires_grad_(),
            "You switched on requires_grad of x, and it stays on: the image belongs to the caller. "
            "Leave x alone; detach the layer's output and let F require the gradient.",
        ),
        "weights_unfrozen": (
            lambda model, x: model.requires_grad_(),
            "You switched on requires_grad for the frozen weights, and left it on. Let F require "
            "the gradient, not the weights.",
        ),
    },
    removal=HOOK_LEFT,
)

record.wrongs(  # other things of the caller are changed
    left_in_eval_mode=(
        after(lambda model, x: model.eval()),
        "You switched the model to evaluation mode and left it so. This function only looks: the "
        "model must be as before.",
    ),
    left_in_training_mode=(
        after(lambda model, x: model.train()),
        "You switched the model to training mode and left it so. This function only looks: the "
        "model must be as before.",
    ),
    weights_frozen=(
        after(lambda model, x: model.requires_grad_(False)),
        "You froze the weights and left them frozen. The detach at the layer is enough: the "
        "gradient ends there.",
    ),
    image_switched_off=(
        after(lambda model, x: x.requires_grad_(False)),
        "You switched off requires_grad of x. The image belongs to the caller: leave it as it was.",
    ),
    gradients_deleted=(
        after(lambda model, x: model.zero_grad()),
        "You called zero_grad: the gradients that the caller had collected in the weights are "
        "gone. torch.autograd.grad leaves .grad alone, so nothing has to be cleaned.",
    ),
)


@record.wrong(
    "Your function already calls backward: that leaves gradients in the weights. Only record; the "
    "gradient is taken outside."
)
def backward_inside(model, layer, x):
    F, Y = right(model, layer, x)
    Y.sum().backward(retain_graph=True)
    return F, Y


def with_the_pair(change):
    """The right F and Y, and then `change(F, Y)`."""
    return lambda model, layer, x: change(*right(model, layer, x))


record.wrongs(  # another pair than (F, Y)
    input_of_the_layer=(
        recorder(lambda args: start_at_the_layer(args[0]), register="register_forward_pre_hook"),
        "You kept what goes into the layer. F is what comes out of it.",
    ),
    hook_on_the_model=(
        lambda model, layer, x: right(model, "", x),
        "Your hook is on the whole model, so F is its output, the logits. Get the layer by its "
        "name: model.get_submodule(layer).",
    ),
    exchanged=(
        with_the_pair(lambda F, Y: (Y, F)),
        "F and Y are exchanged: return the feature maps first.",
    ),
    probabilities=(
        with_the_pair(lambda F, Y: (F, Y.softmax(1))),
        "Y are the logits, as the model gives them. You applied a softmax.",
    ),
    detached_at_the_end=(
        with_the_pair(lambda F, Y: (F.detach(), Y)),
        "You cut F off when you return it. Return the very tensor from which the network went on: "
        "a detached one is another tensor, and Y does not depend on it.",
    ),
    started_after_the_run=(
        with_the_pair(lambda F, Y: (F.detach().requires_grad_(), Y)),
        "Your F requires a gradient, but Y was computed from another tensor: F is a copy, or it was "
        "detached after the run. Inside the hook, keep the very tensor and pass its copy on.",
    ),
    first_image_only=(
        with_the_pair(lambda F, Y: (F[0], Y)),
        "You return the feature maps of the first image only. F is (N, K, h, w).",
    ),
)


@record.wrong(
    "You ran the network without a graph (no_grad), so there is nothing to take a gradient of. "
    "Grad-CAM needs the graph after the layer."
)
def no_graph(model, layer, x):
    with torch.no_grad():
        return right(model, layer, x)


@record.wrong(
    "A backward hook does not go together with a later layer that works in place: PyTorch stops. "
    "You need only a forward hook; the gradient is taken outside."
)
def backward_hook(model, layer, x):
    kept, gradients = [], []
    module = model.get_submodule(layer)
    forward = module.register_forward_hook(lambda module, args, output: kept.append(output))
    backward = module.register_full_backward_hook(lambda module, below, G: gradients.append(G[0]))
    Y = model(x)
    forward.remove()
    backward.remove()
    return kept[0], Y


@record.wrong(
    "You catch the network's error, and the caller hears nothing of it. Use try … finally, "
    "without except."
)
def error_swallowed(model, layer, x):
    with contextlib.suppress(RuntimeError):
        return right(model, layer, x)


@record.wrong(
    "You catch the network's error and go on; then your own code stops with another error, "
    "which hides the first. Use try … finally, without except."
)
def error_hidden(model, layer, x):
    pair = error_swallowed(model, layer, x)
    return pair[0], pair[1]


@record.accepts
def outer_variable(model, layer, x):
    F = None

    def hook(module, args, output):
        nonlocal F
        F = output.data.clone()
        F.requires_grad = True
        return F + 0

    handle = model.get_submodule(layer).register_forward_hook(hook)
    try:
        return (lambda Y: (F, Y))(model(x))
    finally:
        handle.remove()


@record.accepts
def object_as_hook(model, layer, x):
    class Hook:
        def __call__(self, module, args, output):
            self.F = nn.Parameter(output.detach().clone())
            return self.F.clone()

    hook = Hook()
    with torch.enable_grad(), model.get_submodule(layer).register_forward_hook(hook):
        Y = model(x)
    return hook.F, Y


@record.accepts
def inside_the_whole_graph(model, layer, x):
    """F stays in the graph of the whole network; a product with 1 is the copy."""
    kept = []

    def hook(module, args, output):
        kept.append(output if output.requires_grad else output.requires_grad_())
        return kept[0] * 1

    with model.get_submodule(layer).register_forward_hook(hook):
        Y = model(x)
    return kept[0], Y


@record.accepts
def without_hook(model, layer, x):
    """The layer's forward is replaced for one call."""
    module, kept = model.get_submodule(layer), []
    original = module.forward

    def forward(*args):
        kept.append(original(*args).detach().requires_grad_())
        return kept[0].clone()

    module.forward = forward
    try:
        Y = model(x)
    finally:
        del module.forward
    return [kept[0], Y]


@record.accepts
def cut_with_camlite(model, layer, x):
    features, classifier = camlite.split(model, layer)
    F = features(x).detach().requires_grad_()
    return F, classifier(F)


# ------------------------------------------------------------------ 8.2

channel_weights = Exercise(
    "8.2",
    "channel_weights",
    formula="α_k = (1/Z) Σ_xy G_k[x, y],  Z = h·w",
    hints=(
        "Each channel gets one number: how much the score grows, on average over all places, when "
        "this channel grows.",
        "α[n, k] = (1/Z) Σ_xy G[n, k, x, y]. The axes of the image and of the channel stay, the "
        "two axes of space disappear.",
        "Take the mean of G over its last two axes.",
    ),
)


@channel_weights.cases
def _(rng):
    yield Case("two images, five channels, maps of 4×7", normal(rng, 2, 5, 4, 7))
    yield Case("one image, one channel, negative gradients", -normal(rng, 1, 1, 3, 2).abs())
    G = normal(rng, 3, 6, 1, 1).expand(3, 6, 2, 5).clone()
    yield Case("the same gradient at all places", G)
    yield Case("the layer does not matter: all gradients are 0", torch.zeros(1, 2, 3, 3))


@channel_weights.reference
def _(G):
    return G.mean(dim=(2, 3))


channel_weights.teaches(
    {
        "mean over axes 2 and 3: sum": "You summed over the places. The formula has the mean: your "
        "weights are larger by the factor h·w.",
        "relu(G)": "You cut off negative gradients before the mean. In Grad-CAM a gradient keeps "
        "its sign.",
        "abs(G)": "You took the absolute values. A gradient's sign says whether the channel speaks "
        "for the class or against it.",
        "mean over axes 2 and 3: amax": "You took the largest gradient of each channel. The "
        "formula takes the mean over all places.",
        "mean over axes 2 and 3: axes 1": "You took the mean over the channels. The places "
        "disappear, the channels stay.",
        "mean over axes 2 and 3: axes 2": "Only one axis of space disappeared. Take the mean over "
        "rows and columns.",
        "mean over axes 2 and 3: axes 3": "Only the columns disappeared. Take the mean over both "
        "axes of space.",
        "result: mean 0 for all": "You took the mean over the images too. Each image has its own "
        "weights.",
        "result: softmax 1": "You applied a softmax over the channels. Here the weights are the "
        "mean gradients themselves.",
    }
)

channel_weights.wrongs(
    relu_on_weights=(
        lambda G: G.mean(dim=(2, 3)).relu(),
        "You cut off negative weights. A channel that speaks against the class keeps its negative "
        "weight; the ReLU comes after the sum over the channels.",
    ),
    unit_length=(
        lambda G: functional.normalize(G.mean(dim=(2, 3)), dim=1),
        "You scaled the weights of each image to length 1. The formula does not: the size of the "
        "gradient is kept.",
    ),
    axes_kept=(
        lambda G: G.mean(dim=(2, 3), keepdim=True),
        "The values are right, but the shape is (N, K, 1, 1). Let the last two axes disappear: "
        "(N, K).",
    ),
    axes_counted_from_one=(
        lambda G: G.mean(dim=(1, 2)),
        "You took the mean over the wrong axes. Axes are counted from 0: images 0, channels 1, "
        "rows 2, columns 3.",
    ),
    one_mean_for_all=(
        lambda G: G.mean().expand(G.shape[:2]),
        "You took one mean of all numbers. Each channel of each image has its own.",
    ),
)

channel_weights.accepts_all(
    float64_inside=lambda G: G.double().mean((-1, -2)).float(),
    one_axis_after_the_other=lambda G: G.mean(3).mean(2),
    pooling_layer=lambda G: nn.Flatten()(nn.AdaptiveAvgPool2d(1)(G)),
    pooling_function=lambda G: functional.adaptive_avg_pool2d(G, 1)[:, :, 0, 0],
    divide_by_hand=lambda G: G.flatten(2).sum(-1) / (G.shape[2] * G.shape[3]),
    loop=lambda G: torch.tensor([[float(g.sum()) / g.numel() for g in image] for image in G]),
    numpy_inside=lambda G: np.mean(G.numpy(), axis=(-2, -1)),
    einsum=lambda G: torch.einsum("nkxy->nk", G) / G[0, 0].numel(),
)


# ------------------------------------------------------------------ 8.3

grad_cam = Exercise(
    "8.3",
    "grad_cam",
    formula="L[x, y] = ReLU(Σ_k α_k F_k[x, y]),  α_k = (1/Z) Σ_xy G_k[x, y]",
    hints=(
        "The same sum as in CAM: each feature map times its weight, added up. Only the weights are "
        "new: they come from the gradient.",
        "L = ReLU(Σ_k α_k F_k). First the sum over all channels, then the ReLU, and only if "
        "relu=True. With relu=False negative values stay: evidence against the class.",
        "Get the weights (N, K) from your channel_weights, multiply F by them (as (N, K, 1, 1)), "
        "sum over axis 1, and apply relu at the very end if it is asked for.",
    ),
)


@grad_cam.cases
def _(rng):
    F, G = normal(rng, 2, 5, 4, 7), normal(rng, 2, 5, 4, 7)
    yield Case("two images, signed feature maps of 4×7", F, G)
    yield Case("the signed map", F, G, relu=False)
    one = normal(rng, 2, 1, 1, 3, 2)
    yield Case("one channel, one image", one[0], one[1], relu=False)
    dead = F.relu() * torch.tensor([1.0, 0, 1, 1, 1])[:, None, None]
    yield Case("feature maps after a ReLU, one channel is dead", dead, G)
    yield Case("only evidence against the class", F.abs(), -G.abs())


def alpha(G):
    return G.mean(dim=(2, 3), keepdim=True)


@grad_cam.reference
def _(F, G, relu=True):
    L = (alpha(G) * F).sum(1)
    return L.relu() if relu else L


grad_cam.teaches(
    {
        "result: relu": "You used relu=True and relu=False alike: the ReLU is always applied. "
        "Without it the negative evidence must stay.",
        "ReLU: left out": "The ReLU is missing: with relu=True negative values become 0.",
        "not relu": "relu has the wrong sense: relu=True must cut off negative values, relu=False "
        "must keep them.",
        "mean over axes 2 and 3: sum": "You summed the gradient over the places. α is its mean: "
        "your map is larger by the factor h·w.",
        "mean over axes 2 and 3: axes 1": "You took the mean of G over the channels. α is the mean "
        "over the places: one number for each channel.",
        "mean over axes 2 and 3: then relu": "You cut off negative weights. They belong into the "
        "sum; only its result goes through the ReLU.",
        "mean over axes 2 and 3: then abs": "You took the absolute value of the weights. A channel "
        "with a negative weight speaks against the class.",
        "sum over axis 1: mean": "You took the mean over the channels. The formula has a sum: your "
        "map is smaller by the factor K.",
        "F and G exchanged": "You exchanged F and G: the gradient gives the weights, the feature "
        "maps give the place.",
        "ones for G": "You added the feature maps without their weights.",
        "G: first for all": "You used the weights of the first image for all images.",
        "neg(G)": "The sign is turned round: that is the counterfactual map, which shows the "
        "evidence against the class.",
        "result: minmax": "You scaled the map to [0, 1]. That is a later step, for the picture; "
        "here the raw values are asked for.",
        "result: unsqueeze 1": "The channel axis is still there, with length 1. The map is "
        "(N, h, w).",
    }
)


def rectified(L, relu):
    return L.relu() if relu else L


grad_cam.wrongs(
    relu_before_the_sum=(
        lambda F, G, relu=True: rectified(alpha(G) * F, relu).sum(1),
        "You applied the ReLU to each channel, before the sum. Then channels against the class "
        "cannot cancel those for it. First sum, then ReLU.",
    ),
    relu_on_the_weights=(
        lambda F, G, relu=True: (rectified(alpha(G), relu) * F).sum(1),
        "You cut off negative weights. They belong into the sum; only its result goes through the "
        "ReLU.",
    ),
    gradient_at_each_place=(
        lambda F, G, relu=True: rectified((G * F).sum(1), relu),
        "You multiplied F with the gradient at each place. That is another method, HiResCAM. "
        "Grad-CAM first takes the mean of the gradient.",
    ),
    absolute_value=(
        lambda F, G, relu=True: (alpha(G) * F).sum(1).abs() if relu else (alpha(G) * F).sum(1),
        "You took the absolute value. Evidence against the class is not evidence for it: ReLU "
        "makes it 0.",
    ),
    channels_not_summed=(
        lambda F, G, relu=True: rectified(alpha(G) * F, relu),
        "The channel axis is still there: the weighted feature maps must be added up.",
    ),
)

grad_cam.accepts_all(
    float64_inside=lambda F, G, relu=True: rectified((alpha(G.double()) * F).sum(1), relu),
    einsum_and_clamp=lambda F, G, relu=True: torch.clamp(
        torch.einsum("nk,nkxy->nxy", G.flatten(2).mean(-1), F), min=0 if relu else -torch.inf
    ),
    matrix_product=lambda F, G, relu=True: rectified(
        (G.flatten(2).mean(2)[:, None] @ F.flatten(2)).view_as(F[:, 0]), relu
    ),
    # each image's weights as a 1×1 convolution of its own
    grouped_convolution=lambda F, G, relu=True: rectified(
        functional.conv2d(F.flatten(0, 1)[None], alpha(G), groups=len(F))[0], relu
    ),
)


@grad_cam.accepts
def nested_loops(F, G, relu=True):
    maps = [sum(G[n, k].mean() * F[n, k] for k in range(F.shape[1])) for n in range(len(F))]
    return torch.stack([m.relu() if relu else m for m in maps])


@grad_cam.accepts
def numpy_maximum(F, G, relu=True):
    L = (G.numpy().mean((2, 3), keepdims=True) * F.numpy()).sum(1)
    return np.maximum(L, 0) if relu else L


# ------------------------------------------------------------------ 8.4

guided_grad_cam = Exercise(
    "8.4",
    "guided_grad_cam",
    formula="Up(M) · guided, at each pixel and channel",
    hints=(
        "Two pictures are multiplied: a coarse one that knows the class, and a fine one that knows "
        "the pixels. They must have the same size first.",
        "Enlarge M to (H, W), the last two axes of guided, with bilinear interpolation and "
        "align_corners=False. Then multiply; the map is the same for all C channels of the image.",
        "interpolate wants a channel axis: M[:, None]. After it M is (N, 1, H, W), and the product "
        "with guided (N, C, H, W) is what is asked for.",
    ),
)


@guided_grad_cam.cases
def _(rng):
    M, guided = normal(rng, 2, 2, 3).abs(), normal(rng, 2, 3, 8, 12)
    yield Case("two colour images of 8×12, maps of 2×3", M, guided)
    yield Case("one grey image, a map of 3×2", normal(rng, 1, 3, 2).abs(), normal(rng, 1, 1, 9, 7))
    yield Case("a signed map", normal(rng, 2, 3, 4), normal(rng, 2, 2, 6, 8))
    yield Case("as many images as channels", normal(rng, 3, 2, 2).abs(), normal(rng, 3, 3, 4, 6))


@guided_grad_cam.reference
def _(M, guided):
    size = tuple(guided.shape[-2:])
    return functional.interpolate(M[:, None], size, mode="bilinear", align_corners=False) * guided


def enlarged(M, size):
    """(N, h, w) or (N, C, h, w) -> (N, 1 or C, H, W)."""
    M = M[:, None] if M.dim() == 3 else M
    return functional.interpolate(M, size=tuple(size), mode="bilinear", align_corners=False)


guided_grad_cam.teaches(
    {
        "resizing: nearest": "You used the nearest value: the map then shows blocks. Use bilinear "
        "interpolation.",
        "resizing: aligned": "You set align_corners=True: pixels are then points. Pixels are "
        "areas: align_corners=False.",
        "resizing: bicubic": "You used bicubic interpolation. It overshoots: places can get a "
        "wrong sign.",
        "product: add": "You added the two. Then each of them shows where the other is 0; the "
        "product keeps only what both show.",
        "relu(guided)": "You cut off the negative values of guided. The product keeps their sign: "
        "such a pixel should be darker for a higher score.",
        "abs(guided)": "You took the absolute value of guided. The product keeps its sign.",
        "relu(M)": "You applied a ReLU to M. It comes as it is wanted, with its sign: just enlarge "
        "it and multiply.",
        "minmax(M)": "You scaled M to [0, 1] first. The raw product is asked for; scaling is a "
        "later step, for the picture.",
        "result: sum 1": "You summed over the colour channels. The result keeps them: (N, C, H, W).",
        "ones for guided": "The result is only the enlarged map. Multiply it with guided.",
        "result: / max of size": "You scaled the product by its largest value. The raw product is "
        "asked for; scaling is a later step, for the picture.",
        "result: relu": "You cut off the negative values of the product. It keeps its sign.",
    }
)

guided_grad_cam.wrongs(
    enlarged_after_multiplying=(
        lambda M, guided: enlarged(M[:, None] * enlarged(guided, M.shape[1:]), guided.shape[-2:]),
        "You multiplied at the size of the map and enlarged afterwards: the fine lines of guided "
        "are lost. First enlarge M, then multiply.",
    ),
    pooled_multiplied_enlarged=(
        lambda M, guided: enlarged(
            M[:, None] * functional.adaptive_avg_pool2d(guided, M.shape[1:]), guided.shape[-2:]
        ),
        "You averaged guided down to the size of the map, multiplied and enlarged afterwards: the "
        "fine lines are lost. First enlarge M, then multiply.",
    ),
    not_multiplied=(
        lambda M, guided: enlarged(M, guided.shape[-2:]),
        "The result is only the enlarged map. Multiply it with guided.",
    ),
    sides_exchanged=(
        lambda M, guided: enlarged(M, guided.shape[:-3:-1]) * guided,
        "Height and width are exchanged: size is (H, W), the last two axes of guided in their "
        "order.",
    ),
    images_meet_colours=(
        lambda M, guided: enlarged(M, guided.shape[-2:])[:, 0] * guided,
        "The axes do not meet: (N, H, W) against (N, C, H, W) puts the images of M beside the "
        "colours of guided. Keep an axis of length 1 between them.",
    ),
    without_channel_axis=(
        lambda M, guided: functional.interpolate(M, guided.shape[-2:], mode="bilinear") * guided,
        "interpolate wants four axes for a picture: (N, channels, h, w). Your M has no channel "
        "axis; give it one of length 1.",
    ),
)


guided_grad_cam.accepts_all(
    float64_inside=lambda M, guided: enlarged(M.double(), guided.shape[-2:]) * guided.double(),
    with_camlite_up=lambda M, guided: camlite.up(M, guided.shape[-2:]).unsqueeze(1) * guided,
    images_as_channels=lambda M, guided: torch.einsum(
        "nxy,ncxy->ncxy", enlarged(M[None], guided.shape[2:])[0], guided
    ),
    numpy_product=lambda M, guided: (
        camlite.up(M, guided.shape[-2:]).numpy()[:, np.newaxis] * guided.numpy()
    ),
)


@guided_grad_cam.accepts
def one_image_after_the_other(M, guided):
    enlarge = nn.Upsample(size=tuple(guided.shape[-2:]), mode="bilinear", align_corners=False)
    return torch.stack([enlarge(m[None, None])[0, 0] * g for m, g in zip(M, guided, strict=True)])


def test_lesson(proof):
    proof()
