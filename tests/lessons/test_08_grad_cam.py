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
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(3 * 4 * 5, 6),
        nn.Tanh(),
        nn.Linear(6, 4),
    )


def pooling_net():
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))


@record.cases
def _(rng):
    yield Case(
        "the next layer is a ReLU that works in place",
        flattening_net().eval(),
        "0",
        normal(rng, 2, 1, 6, 7),
    )
    yield Case(
        "the network adds to the layer's output in place",
        Residual().eval(),
        "branch",
        normal(rng, 3, 1, 4, 5),
    )
    yield Case(
        "a layer inside a block, training mode", pooling_net(), "0.1", normal(rng, 1, 1, 5, 4)
    )
    yield Case(
        "all weights are frozen",
        flattening_net().requires_grad_(False).eval(),
        "1",
        normal(rng, 2, 1, 6, 7),
    )
    yield Case(
        "the image requires a gradient already",
        pooling_net().eval(),
        "0.0",
        normal(rng, 2, 1, 5, 4).requires_grad_(),
    )


def hooks_in(model):
    return sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
        for m in model.modules()
    )


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


def recorder(keep, removal="always"):
    """`keep` turns the layer's output into (what is kept, what the network goes on with)."""

    def answer(model, layer, x):
        kept = []

        def hook(module, args, output):
            F, goes_on = keep(output)
            kept.append(F)
            return goes_on

        handle = model.get_submodule(layer).register_forward_hook(hook)
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


@record.reference
def _(model, layer, x):
    return recorder(start_at_the_layer)(model, layer, x)


KEPT = {
    "overwritten": (
        lambda output: (output, output),
        "F was overwritten after you kept it: a later layer works in place. Let the network go on "
        "with a copy.",
    ),
    "copy_beside_the_road": (
        lambda output: (output.clone(), output),
        "You kept a copy, but the network went on without it: Y does not depend on it, so there is "
        "no gradient. Turn it round: keep the tensor itself, pass the copy on.",
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
        "Your F is the start of a graph, but the network goes on with the old tensor: Y does not "
        "depend on F. Pass a copy of F on.",
    ),
    "needs_weights_that_learn": (
        lambda output: (output, output.clone()),
        "With frozen weights no graph is recorded, so your F has no gradient. Make F a starting "
        "point of its own that requires a gradient.",
    ),
}
REMOVED = {
    "always": "",
    "never": " And your hook is still in the model: it will run again at every call.",
    "not_after_an_error": " And when the network stops with an error, your hook stays in the model.",
}


def _register(kept, removal):
    keep, sentence = KEPT[kept]
    answer = recorder(keep, removal)
    answer.__name__ = kept if removal == "always" else f"{kept}_removed_{removal}"
    record.wrong(sentence + REMOVED[removal])(answer)


for _kept in KEPT:
    for _removal in REMOVED:
        _register(_kept, _removal)


@record.wrong(
    "Your hook is still in the model: it will run again at every call, and it keeps the "
    "feature maps in memory. Remove it."
)
def hook_never_removed(model, layer, x):
    return recorder(start_at_the_layer, "never")(model, layer, x)


@record.wrong(
    "When the network stops with an error, your hook stays in the model. Remove it in a "
    "finally block."
)
def hook_left_after_an_error(model, layer, x):
    return recorder(start_at_the_layer, "not_after_an_error")(model, layer, x)


@record.wrong("You kept what goes into the layer. F is what comes out of it.")
def input_of_the_layer(model, layer, x):
    kept = []

    def hook(module, args):
        F = args[0].detach().requires_grad_()
        kept.append(F)
        return (F.clone(),)

    handle = model.get_submodule(layer).register_forward_pre_hook(hook)
    try:
        Y = model(x)
    finally:
        handle.remove()
    return kept[0], Y


@record.wrong(
    "You ran the network without a graph (no_grad), so there is nothing to take a "
    "gradient of. Grad-CAM needs the graph after the layer."
)
def no_graph(model, layer, x):
    with torch.no_grad():
        return recorder(start_at_the_layer)(model, layer, x)


@record.wrong(
    "A backward hook does not go together with a later layer that works in place: "
    "PyTorch stops. You need only a forward hook; the gradient is taken outside."
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


@record.wrong("F and Y are exchanged: return the feature maps first.")
def exchanged(model, layer, x):
    F, Y = recorder(start_at_the_layer)(model, layer, x)
    return Y, F


@record.wrong(
    "You switched the model to evaluation mode and left it so. This function only "
    "looks: the model must be as before."
)
def left_in_eval_mode(model, layer, x):
    return recorder(start_at_the_layer)(model.eval(), layer, x)


@record.wrong(
    "You switched on requires_grad for the frozen weights, and left it on. Let F "
    "require the gradient, not the weights."
)
def weights_unfrozen(model, layer, x):
    return recorder(lambda output: (output, output.clone()))(model.requires_grad_(), layer, x)


@record.wrong(
    "Your function already calls backward: that leaves gradients in the weights. Only "
    "record; the gradient is taken outside."
)
def backward_inside(model, layer, x):
    F, Y = recorder(start_at_the_layer)(model, layer, x)
    Y.sum().backward(retain_graph=True)
    return F, Y


def _register_changed_image(removal):
    def answer(model, layer, x):
        return recorder(lambda output: (output, output.clone()), removal)(
            model, layer, x.requires_grad_()
        )

    answer.__name__ = f"image_changed_removed_{removal}"
    record.wrong(
        "You switched on requires_grad of x, and it stays on: the image belongs to the caller. "
        "Leave x alone; detach the layer's output and let F require the gradient."
        + REMOVED[removal]
    )(answer)


for _removal in REMOVED:
    _register_changed_image(_removal)


@record.wrong(
    "You switched off requires_grad of x. The image belongs to the caller: leave it as it was."
)
def image_switched_off(model, layer, x):
    return recorder(start_at_the_layer)(model, layer, x.requires_grad_(False))


@record.wrong(
    "You called zero_grad: the gradients that the caller had collected in the weights are gone. "
    "torch.autograd.grad leaves .grad alone, so nothing has to be cleaned."
)
def gradients_deleted(model, layer, x):
    model.zero_grad()
    return recorder(start_at_the_layer)(model, layer, x)


@record.wrong(
    "You switched the model to training mode and left it so. This function only looks: the model "
    "must be as before."
)
def left_in_training_mode(model, layer, x):
    return recorder(start_at_the_layer)(model.train(), layer, x)


@record.wrong(
    "You froze the weights and left them frozen. The detach at the layer is enough: the gradient "
    "ends there."
)
def weights_frozen(model, layer, x):
    return recorder(start_at_the_layer)(model.requires_grad_(False), layer, x)


@record.wrong(
    "You catch the network's error, and the caller hears nothing of it. Use try … finally, "
    "without except."
)
def error_swallowed(model, layer, x):
    try:
        return recorder(start_at_the_layer)(model, layer, x)
    except RuntimeError:
        return None


@record.wrong(
    "You catch the network's error and go on; then your own code stops with another error, "
    "which hides the first. Use try … finally, without except."
)
def error_hidden(model, layer, x):
    kept = {}

    def hook(module, args, output):
        kept["F"], goes_on = start_at_the_layer(output)
        return goes_on

    handle = model.get_submodule(layer).register_forward_hook(hook)
    with contextlib.suppress(RuntimeError):
        kept["Y"] = model(x)
    handle.remove()
    return kept["F"], kept["Y"]


@record.wrong("Y are the logits, as the model gives them. You applied a softmax.")
def probabilities(model, layer, x):
    F, Y = recorder(start_at_the_layer)(model, layer, x)
    return F, Y.softmax(1)


@record.wrong(
    "You cut F off when you return it. Return the very tensor from which the network went on: a "
    "detached one is another tensor, and Y does not depend on it."
)
def detached_at_the_end(model, layer, x):
    F, Y = recorder(start_at_the_layer)(model, layer, x)
    return F.detach(), Y


@record.wrong(
    "You detached F after the run, and made it require a gradient then. Y was computed before "
    "that, from another tensor. Do both inside the hook."
)
def started_after_the_run(model, layer, x):
    F, Y = recorder(start_at_the_layer)(model, layer, x)
    return F.detach().requires_grad_(), Y


@record.wrong("You return the feature maps of the first image only. F is (N, K, h, w).")
def first_image_only(model, layer, x):
    F, Y = recorder(start_at_the_layer)(model, layer, x)
    return F[0], Y


@record.wrong(
    "You kept the output itself and called retain_grad. A later layer can still overwrite it, and "
    "with frozen weights PyTorch stops. Make a new starting point: detach, then requires_grad_."
)
def retained(model, layer, x):
    kept = []

    def hook(module, args, output):
        output.retain_grad()
        kept.append(output)

    handle = model.get_submodule(layer).register_forward_hook(hook)
    try:
        Y = model(x)
    finally:
        handle.remove()
    return kept[0], Y


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
    class Recorder:
        def __call__(self, module, args, output):
            self.F = torch.nn.Parameter(output.detach().clone())
            return self.F.clone()

        def __enter__(self):
            self.handle = model.get_submodule(layer).register_forward_hook(self)
            return self

        def __exit__(self, *error):
            self.handle.remove()

    with Recorder() as recorder, torch.enable_grad():
        Y = model(x)
    return recorder.F, Y


@record.accepts
def try_and_finally(model, layer, x):
    store = {}

    def keep(module, inputs, output):
        store["F"] = output.clone().detach().requires_grad_(True)
        return store["F"].clone()

    handle = dict(model.named_modules())[layer].register_forward_hook(keep)
    try:
        store["Y"] = model(x)
    finally:
        handle.remove()
    return store["F"], store["Y"]


@record.accepts
def inside_the_whole_graph(model, layer, x):
    """F stays in the graph of the whole network; a product with 1 is the copy."""
    kept = {}

    def hook(module, args, output):
        kept["F"] = output if output.requires_grad else output.requires_grad_()
        return kept["F"] * 1

    with contextlib.ExitStack() as stack:
        stack.callback(model.get_submodule(layer).register_forward_hook(hook).remove)
        Y = model(x)
    return kept["F"], Y


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
    yield Case(
        "the same gradient at all places", normal(rng, 3, 4, 1, 1).expand(3, 4, 2, 5).clone()
    )
    yield Case("the layer does not matter: all gradients are 0", torch.zeros(1, 2, 3, 3))


@channel_weights.reference
def _(G):
    return G.mean(dim=(2, 3))


@channel_weights.wrong(
    "You summed over the places. The formula has the mean: your weights are "
    "larger by the factor h·w."
)
def sum_instead_of_mean(G):
    return G.sum(dim=(2, 3))


@channel_weights.wrong(
    "You cut off negative gradients before the mean. In Grad-CAM a gradient keeps its sign."
)
def relu_on_gradients(G):
    return G.relu().mean(dim=(2, 3))


@channel_weights.wrong(
    "You cut off negative weights. A channel that speaks against the class "
    "keeps its negative weight; the ReLU comes after the sum over the "
    "channels."
)
def relu_on_weights(G):
    return G.mean(dim=(2, 3)).relu()


@channel_weights.wrong(
    "You took the absolute values. A gradient's sign says whether the channel "
    "speaks for the class or against it."
)
def absolute_gradients(G):
    return G.abs().mean(dim=(2, 3))


@channel_weights.wrong(
    "You took the largest gradient of each channel. The formula takes the mean over all places."
)
def maximum(G):
    return G.amax(dim=(2, 3))


@channel_weights.wrong(
    "You took the mean over the channels. The places disappear, the channels stay."
)
def mean_over_channels(G):
    return G.mean(dim=1)


@channel_weights.wrong("You took the mean over the images too. Each image has its own weights.")
def mean_over_images(G):
    return G.mean(dim=(0, 2, 3)).expand(G.shape[:2])


@channel_weights.wrong(
    "The values are right, but the shape is (N, K, 1, 1). Let the last two axes disappear: (N, K)."
)
def axes_kept(G):
    return G.mean(dim=(2, 3), keepdim=True)


@channel_weights.wrong("Only one axis of space disappeared. Take the mean over rows and columns.")
def mean_over_rows_only(G):
    return G.mean(dim=2)


@channel_weights.wrong(
    "You scaled the weights of each image to length 1. The formula does not: "
    "the size of the gradient is kept."
)
def unit_length(G):
    return functional.normalize(G.mean(dim=(2, 3)), dim=1)


@channel_weights.wrong(
    "You applied a softmax over the channels. Here the weights are the mean gradients themselves."
)
def softmax_over_channels(G):
    return G.mean(dim=(2, 3)).softmax(1)


@channel_weights.wrong("Only the columns disappeared. Take the mean over both axes of space.")
def mean_over_columns_only(G):
    return G.mean(dim=-1)


@channel_weights.wrong(
    "You took the mean over the wrong axes. Axes are counted from 0: images 0, channels 1, rows 2, "
    "columns 3."
)
def axes_counted_from_one(G):
    return G.mean(dim=(1, 2))


@channel_weights.wrong("You took one mean of all numbers. Each channel of each image has its own.")
def one_mean_for_all(G):
    return G.mean().expand(G.shape[:2])


@channel_weights.accepts
def float64_inside(G):
    return G.double().mean((-1, -2)).float()


@channel_weights.accepts
def one_axis_after_the_other(G):
    return nn.Flatten()(nn.AdaptiveAvgPool2d(1)(G.mean(3, keepdim=True)))


@channel_weights.accepts
def pooling_layer(G):
    return functional.adaptive_avg_pool2d(G, 1)[:, :, 0, 0]


@channel_weights.accepts
def divide_by_hand(G):
    N, K, h, w = G.shape
    return G.reshape(N, K, h * w).sum(-1) / (h * w)


@channel_weights.accepts
def loop(G):
    return torch.tensor([[float(g.sum()) / g.numel() for g in image] for image in G])


@channel_weights.accepts
def numpy_inside(G):
    return np.mean(G.numpy(), axis=(-2, -1))


@channel_weights.accepts
def einsum(G):
    return torch.einsum("nkxy->nk", G) / G[0, 0].numel()


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
    yield Case(
        "one channel, one image", normal(rng, 1, 1, 3, 2), normal(rng, 1, 1, 3, 2), relu=False
    )
    yield Case(
        "feature maps after a ReLU, one channel is dead",
        F.relu() * torch.tensor([1.0, 0, 1, 1, 1])[:, None, None],
        G,
    )
    yield Case("only evidence against the class", F.abs(), -G.abs())


def alpha(G):
    return G.mean(dim=(2, 3), keepdim=True)


@grad_cam.reference
def _(F, G, relu=True):
    L = (alpha(G) * F).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You used relu=True and relu=False alike: the ReLU is always applied. Without it "
    "the negative evidence must stay."
)
def always_relu(F, G, relu=True):
    return (alpha(G) * F).sum(1).relu()


@grad_cam.wrong("The ReLU is missing: with relu=True negative values become 0.")
def never_relu(F, G, relu=True):
    return (alpha(G) * F).sum(1)


@grad_cam.wrong(
    "You applied the ReLU to each channel, before the sum. Then channels against the "
    "class cannot cancel those for it. First sum, then ReLU."
)
def relu_before_the_sum(F, G, relu=True):
    L = alpha(G) * F
    return (L.relu() if relu else L).sum(1)


@grad_cam.wrong(
    "You cut off negative weights. They belong into the sum; only its result goes through the ReLU."
)
def relu_on_the_weights(F, G, relu=True):
    return (alpha(G).relu() * F).sum(1) if relu else (alpha(G) * F).sum(1)


@grad_cam.wrong(
    "You multiplied F with the gradient at each place. That is another method, "
    "HiResCAM. Grad-CAM first takes the mean of the gradient."
)
def gradient_at_each_place(F, G, relu=True):
    L = (G * F).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You summed the gradient over the places. α is its mean: your map is larger by the factor h·w."
)
def summed_gradients(F, G, relu=True):
    L = (G.sum(dim=(2, 3), keepdim=True) * F).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You took the mean over the channels. The formula has a sum: your map is smaller "
    "by the factor K."
)
def mean_over_the_channels(F, G, relu=True):
    L = (alpha(G) * F).mean(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You exchanged F and G: the gradient gives the weights, the feature maps give the place."
)
def features_as_weights(F, G, relu=True):
    L = (alpha(F) * G).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You took the absolute value. Evidence against the class is not evidence for it: "
    "ReLU makes it 0."
)
def absolute_value(F, G, relu=True):
    L = (alpha(G) * F).sum(1)
    return L.abs() if relu else L


@grad_cam.wrong("You added the feature maps without their weights.")
def without_weights(F, G, relu=True):
    return F.sum(1).relu() if relu else F.sum(1)


@grad_cam.wrong("You used the weights of the first image for all images.")
def weights_of_the_first_image(F, G, relu=True):
    L = (alpha(G)[:1] * F).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You scaled the map to [0, 1]. That is a later step, for the picture; here the "
    "raw values are asked for."
)
def scaled(F, G, relu=True):
    L = (alpha(G) * F).sum(1)
    return camlite.minmax(L.relu() if relu else L)


@grad_cam.wrong(
    "The sign is turned round: that is the counterfactual map, which shows the "
    "evidence against the class."
)
def counterfactual(F, G, relu=True):
    L = -(alpha(G) * F).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "relu has the wrong sense: relu=True must cut off negative values, relu=False must keep them."
)
def flag_inverted(F, G, relu=True):
    L = (alpha(G) * F).sum(1)
    return L if relu else L.relu()


@grad_cam.wrong("The channel axis is still there: the weighted feature maps must be added up.")
def channels_not_summed(F, G, relu=True):
    L = alpha(G) * F
    return L.relu() if relu else L


@grad_cam.wrong("The channel axis is still there, with length 1. The map is (N, h, w).")
def channel_axis_kept(F, G, relu=True):
    L = (alpha(G) * F).sum(1, keepdim=True)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You took the mean of G over the channels. α is the mean over the places: one number for each "
    "channel."
)
def gradient_mean_over_channels(F, G, relu=True):
    L = (G.mean(1, keepdim=True) * F).sum(1)
    return L.relu() if relu else L


@grad_cam.wrong(
    "You took the absolute value of the weights. A channel with a negative weight speaks against "
    "the class."
)
def absolute_weights(F, G, relu=True):
    L = (alpha(G).abs() * F).sum(1)
    return L.relu() if relu else L


@grad_cam.accepts
def float64_and_where(F, G, relu=True):
    α = G.double().mean((2, 3))[..., None, None]
    L = (F.double() * α).sum(dim=1)
    return torch.where(L > 0, L, 0.0) if relu else L


@grad_cam.accepts
def einsum_over_channels(F, G, relu=True):
    L = torch.einsum("nk,nkxy->nxy", G.flatten(2).mean(-1), F)
    return torch.clamp(L, min=0) if relu else L


@grad_cam.accepts
def matrix_product(F, G, relu=True):
    N, K, h, w = F.shape
    L = (G.flatten(2).mean(2)[:, None] @ F.reshape(N, K, -1)).reshape(N, h, w)
    return L * (L > 0) if relu else L


@grad_cam.accepts
def nested_loops(F, G, relu=True):
    maps = [sum(G[n, k].mean() * F[n, k] for k in range(F.shape[1])) for n in range(len(F))]
    return torch.stack([m.relu() if relu else m for m in maps])


@grad_cam.accepts
def numpy_maximum(F, G, relu=True):
    F, G = F.numpy(), G.numpy()
    L = (G.mean((2, 3))[:, :, None, None] * F).sum(1)
    return np.maximum(L, 0) if relu else L


@grad_cam.accepts
def grouped_convolution(F, G, relu=True):
    """Each image's weights as a 1×1 convolution of its own."""
    N, K, h, w = F.shape
    L = functional.conv2d(F.reshape(1, N * K, h, w), G.mean((2, 3))[:, :, None, None], groups=N)[0]
    return functional.relu(L) if relu else L


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
    yield Case(
        "two colour images of 8×12, maps of 2×3",
        normal(rng, 2, 2, 3).abs(),
        normal(rng, 2, 3, 8, 12),
    )
    yield Case("one grey image, a map of 3×2", normal(rng, 1, 3, 2).abs(), normal(rng, 1, 1, 9, 7))
    yield Case("a signed map", normal(rng, 2, 3, 4), normal(rng, 2, 2, 6, 8))
    yield Case("as many images as channels", normal(rng, 3, 2, 2).abs(), normal(rng, 3, 3, 4, 6))


def larger(M, size, **how):
    return functional.interpolate(M[:, None], size=tuple(size), **how)


@guided_grad_cam.reference
def _(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided


def smaller(guided, size):
    return functional.adaptive_avg_pool2d(guided, tuple(size))


@guided_grad_cam.wrong(
    "You multiplied at the size of the map and enlarged afterwards: the fine "
    "lines of guided are lost. First enlarge M, then multiply."
)
def enlarged_after_multiplying(M, guided):
    coarse = functional.interpolate(guided, size=M.shape[1:], mode="bilinear", align_corners=False)
    return functional.interpolate(
        M[:, None] * coarse, size=guided.shape[-2:], mode="bilinear", align_corners=False
    )


@guided_grad_cam.wrong(
    "You averaged guided down to the size of the map, multiplied and enlarged "
    "afterwards: the fine lines are lost. First enlarge M, then multiply."
)
def pooled_multiplied_enlarged(M, guided):
    return functional.interpolate(
        M[:, None] * smaller(guided, M.shape[1:]),
        size=guided.shape[-2:],
        mode="bilinear",
        align_corners=False,
    )


@guided_grad_cam.wrong(
    "You used the nearest value: the map then shows blocks. Use bilinear interpolation."
)
def nearest(M, guided):
    return larger(M, guided.shape[-2:], mode="nearest") * guided


@guided_grad_cam.wrong(
    "You set align_corners=True: pixels are then points. Pixels are areas: align_corners=False."
)
def corners_aligned(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=True) * guided


@guided_grad_cam.wrong(
    "You used bicubic interpolation. It overshoots: places can get a wrong sign."
)
def bicubic(M, guided):
    return larger(M, guided.shape[-2:], mode="bicubic", align_corners=False) * guided


@guided_grad_cam.wrong(
    "You added the two. Then each of them shows where the other is 0; the "
    "product keeps only what both show."
)
def added(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) + guided


@guided_grad_cam.wrong(
    "You cut off the negative values of guided. The product keeps their sign: "
    "such a pixel should be darker for a higher score."
)
def guided_cut_off(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided.relu()


@guided_grad_cam.wrong("You took the absolute value of guided. The product keeps its sign.")
def guided_without_sign(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided.abs()


@guided_grad_cam.wrong(
    "You applied a ReLU to M. It comes as it is wanted, with its sign: just "
    "enlarge it and multiply."
)
def relu_on_the_map(M, guided):
    return larger(M.relu(), guided.shape[-2:], mode="bilinear", align_corners=False) * guided


@guided_grad_cam.wrong(
    "You scaled M to [0, 1] first. The raw product is asked for; scaling is a "
    "later step, for the picture."
)
def map_scaled_first(M, guided):
    M = camlite.minmax(M)
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided


@guided_grad_cam.wrong("You summed over the colour channels. The result keeps them: (N, C, H, W).")
def colours_summed(M, guided):
    return (larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided).sum(1)


@guided_grad_cam.wrong(
    "The axes do not meet: (N, H, W) against (N, C, H, W) puts the images of M "
    "beside the colours of guided. Keep an axis of length 1 between them."
)
def images_meet_colours(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False)[:, 0] * guided


@guided_grad_cam.wrong(
    "interpolate wants four axes for a picture: (N, channels, h, w). Your M "
    "has no channel axis; give it one of length 1."
)
def without_channel_axis(M, guided):
    return functional.interpolate(M, size=guided.shape[-2:], mode="bilinear") * guided


@guided_grad_cam.wrong("The result is only the enlarged map. Multiply it with guided.")
def only_the_map(M, guided):
    return larger(M, guided.shape[-2:], mode="bilinear", align_corners=False).expand_as(guided)


@guided_grad_cam.wrong(
    "You scaled the product by its largest value. The raw product is asked for; scaling is a "
    "later step, for the picture."
)
def product_scaled(M, guided):
    product = larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided
    return product / product.abs().amax(dim=(1, 2, 3), keepdim=True)


@guided_grad_cam.wrong("You cut off the negative values of the product. It keeps its sign.")
def product_cut_off(M, guided):
    return (larger(M, guided.shape[-2:], mode="bilinear", align_corners=False) * guided).relu()


@guided_grad_cam.accepts
def float64_inside_and_expanded(M, guided):
    heat = larger(M.double(), guided.shape[-2:], mode="bilinear", align_corners=False)
    return heat.expand_as(guided) * guided.double()


@guided_grad_cam.accepts
def with_camlite_up(M, guided):
    return camlite.up(M, guided.shape[-2:]).unsqueeze(1) * guided


@guided_grad_cam.accepts
def images_as_channels(M, guided):
    heat = functional.interpolate(M[None], size=guided.shape[2:], mode="bilinear")[0]
    return torch.einsum("nxy,ncxy->ncxy", heat, guided)


@guided_grad_cam.accepts
def one_image_after_the_other(M, guided):
    enlarge = nn.Upsample(size=tuple(guided.shape[-2:]), mode="bilinear", align_corners=False)
    return torch.stack([enlarge(m[None, None])[0, 0] * g for m, g in zip(M, guided, strict=True)])


@guided_grad_cam.accepts
def numpy_product(M, guided):
    heat = camlite.up(M, guided.shape[-2:]).numpy()
    return heat[:, np.newaxis] * guided.numpy()


def test_lesson(proof):
    proof()
