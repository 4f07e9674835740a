"""Lesson 7, checked: saliency, SmoothGrad, three rules at a ReLU, occlusion."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import camlite
from camlite.course import Case, Exercise, normal


def of_class(logits, c):
    """The logit of each image's class: (N, C) -> (N,)."""
    return logits[torch.arange(len(logits)), torch.as_tensor(c).expand(len(logits))]


def bent_net(sizes, classes, scale=1.0):
    """A network whose gradient is another one at every pixel, colour, image and class."""
    inside = int(np.prod(sizes))
    net = nn.Sequential(nn.Flatten(), nn.Linear(inside, 12), nn.Tanh(), nn.Linear(12, classes))
    with torch.no_grad():
        net[1].weight.mul_(2)
        net[3].weight.mul_(3 * scale)
    return net.eval()


def gradient(f, x, c, score=of_class):
    """∂score/∂x, (N, C, H, W)."""
    x = x.detach().clone().requires_grad_()
    return torch.autograd.grad(score(f(x), c).sum(), x)[0]


# scores that are taken for the logit of class c: (how, what to say)
SCORES = {
    "logit": (of_class, ""),
    "probability": (
        lambda Y, c: of_class(Y.softmax(1), c),
        "You used the probability. Y_c is the logit, the number before the softmax.",
    ),
    "log_probability": (
        lambda Y, c: of_class(Y.log_softmax(1), c),
        "You used the logarithm of the probability. Y_c is the logit, the number before the "
        "softmax.",
    ),
    "winner": (
        lambda Y, c: Y.amax(1),
        "You took the largest logit. c says which class is asked for, and it need not be the "
        "winner.",
    ),
    "all_classes": (
        lambda Y, c: Y.sum(1),
        "You added the logits of all classes. Only Y_c is asked for.",
    ),
    "class_of_the_first_image": (
        lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)[0]],
        "You took the class of the first image for all images. c can hold one class for each.",
    ),
    "classes_of_all_images": (
        lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)].sum(1),
        "Y[:, c] takes the classes of all images from every row. For one logit of each image the "
        "rows need numbers too: Y[torch.arange(N), c].",
    ),
}

# ------------------------------------------------------------------ 7.1

saliency = Exercise(
    "7.1",
    "saliency",
    formula="S[n, x, y] = max over colours of |∂Y_c/∂x|, for each image",
    hints=(
        "How much does the logit of class c move when one number of the image moves a little? "
        "That is the derivative with respect to the image. Then forget the sign, and keep the "
        "strongest colour of each pixel.",
        "Make a start with the numbers of x, as in the cells above (detach, clone, "
        "requires_grad_). Compute the logits from it, pick Y[rows, c], sum over the images, and ask "
        "torch.autograd.grad for the derivative with respect to the start.",
        "G = torch.autograd.grad(sum of the picked logits, start)[0] is (N, C, H, W). Take abs "
        "first, then the largest value over axis 1.",
    ),
)


@saliency.cases
def _(rng):
    x = normal(rng, 2, 3, 5, 4)
    yield Case("two colour images, one class for both", bent_net((3, 5, 4), 4), x, 2)
    x, c = normal(rng, 3, 3, 4, 6), torch.tensor([3, 0, 2])
    in_training = bent_net((3, 4, 6), 5)
    in_training(x).sum().backward()
    yield Case("three images, a class for each; the weights have a .grad", in_training, x, c)
    frozen = bent_net((1, 3, 7), 3).requires_grad_(False)
    yield Case("one grey image, all weights are frozen", frozen, normal(rng, 1, 1, 3, 7), 1)
    x = normal(rng, 2, 2, 4, 3)
    yield Case("very small gradients", bent_net((2, 4, 3), 4, 1e-6), x, torch.tensor([1, 3]))
    net = bent_net((3, 3, 5), 4)
    x = normal(rng, 2, 3, 3, 5)
    yield Case("f is a function, it leaves the first colour out", lambda x: net(x * COLOURS), x, 0)


COLOURS = torch.tensor([0.0, 1, 1])[:, None, None]


@saliency.reference
def _(f, x, c):
    start = x.detach().clone().requires_grad_()
    Y = f(start)
    picked = Y[torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))]
    G = torch.autograd.grad(picked.sum(), start)[0]
    return G.abs().amax(1)


saliency.products(
    lambda score, colours: lambda f, x, c: colours(gradient(f, x, c, score)),
    score=SCORES,
    colours={
        "largest size": (lambda G: G.abs().amax(1), ""),
        "largest_with_sign": (
            lambda G: G.amax(1),
            "You took the largest signed value. A strong negative derivative is lost: first the "
            "absolute value, then the maximum.",
        ),
        "abs_after_the_maximum": (
            lambda G: G.amax(1).abs(),
            "You took the absolute value after the maximum. A strong negative colour has lost "
            "against a weak positive one by then: first abs, then the maximum.",
        ),
        "sum_of_sizes": (
            lambda G: G.abs().sum(1),
            "You added the sizes over the colours. The formula takes the largest one.",
        ),
        "mean_of_sizes": (
            lambda G: G.abs().mean(1),
            "You took the mean of the sizes over the colours. The formula takes the largest one.",
        ),
        "sum_with_sign": (
            lambda G: G.sum(1),
            "You added the colours with their signs: they cancel. First the absolute value, then "
            "the largest colour.",
        ),
        "length_over_colours": (
            lambda G: G.norm(dim=1),
            "You took the length of the three derivatives, the root of the sum of their squares. "
            "The formula takes the largest absolute value.",
        ),
        "colours_kept": (
            lambda G: G.abs(),
            "The colours are still there: (N, C, H, W). Keep the largest value over the colours, "
            "so that one number is left for each pixel.",
        ),
        "positive_part": (
            lambda G: G.relu().amax(1),
            "You cut off the negative derivatives. Saliency asks how sensitive the logit is, up "
            "or down: take the absolute value.",
        ),
    },
)


def with_backward(before=lambda f: None, after=lambda f: None):
    """Right values, but with the .grad of all weights."""

    def answer(f, x, c):
        before(f)
        start = x.detach().clone().requires_grad_()
        of_class(f(start), c).sum().backward()
        after(f)
        return start.grad.abs().amax(1)

    return answer


def zero_grad_of_a_network(f):
    if isinstance(f, nn.Module):
        f.zero_grad()


THROWN_AWAY = (
    "zero_grad() throws away the .grad of all weights, also what the caller had in it. Leave the "
    "weights alone: torch.autograd.grad(number, start)."
)


def flag_set(f, x, c):
    return torch.autograd.grad(of_class(f(x.requires_grad_()), c).sum(), x)[0].abs().amax(1)


def largest_is_one(f, x, c):
    S = gradient(f, x, c).abs().amax(1)
    return S / S.amax((1, 2), keepdim=True)


def with_grad(end, start=lambda x: x.detach().clone().requires_grad_()):
    """Saliency with another end: of the picked logits and the start."""

    def answer(f, x, c):
        own = start(x)
        return end(of_class(f(own), c), own).abs().amax(1)

    return answer


saliency.wrongs(
    pair_of_max=(
        lambda f, x, c: gradient(f, x, c).abs().max(1),
        "max(dim) gives a pair, the values and their places. Take .values, or use amax.",
    ),
    tuple_kept=(
        with_grad(lambda picked, start: torch.autograd.grad(picked.sum(), start)),
        "torch.autograd.grad gives a tuple, with one gradient for each start. Take the first one: "
        "[0].",
    ),
    not_summed=(
        with_grad(lambda picked, start: torch.autograd.grad(picked, start)[0]),
        "A gradient belongs to one number, and you gave it one for each image. Sum the picked "
        "logits first.",
    ),
    no_start=(
        with_grad(lambda picked, x: torch.autograd.grad(picked.sum(), x)[0], lambda x: x),
        "PyTorch has not followed x: it is no start. Make one with "
        "x.detach().clone().requires_grad_(), and give that to f and to grad.",
    ),
    no_gradient_kept=(
        with_grad(lambda picked, start: None),  # what copy.grad is; torch also warns of it
        "There is no .grad (None): a copy made after requires_grad_() is no start. First the "
        "copy, then requires_grad_(), and torch.autograd.grad(number, start).",
    ),
    class_must_be_a_tensor=(
        lambda f, x, c: gradient(f, x, c.expand(len(x))).abs().amax(1),
        "c can be a plain number, which has no expand: torch.as_tensor(c) makes a tensor of both.",
    ),
    class_must_be_a_number=(
        lambda f, x, c: gradient(f, x, int(c)).abs().amax(1),
        "c can hold one class for each image, and int(c) takes a single number: "
        "torch.as_tensor(c).expand(N) suits both.",
    ),
    backward_fills_the_weights=(
        with_backward(),
        "The values are right, but backward() also fills the .grad of all weights of the network: "
        "the next training step would be wrong. torch.autograd.grad(number, start) leaves them "
        "alone.",
    ),
    zero_grad_afterwards=(with_backward(after=lambda f: f.zero_grad()), THROWN_AWAY),
    zero_grad_of_networks_afterwards=(
        with_backward(after=zero_grad_of_a_network),
        f"The values are right, but {THROWN_AWAY}",
    ),
    zero_grad_before=(with_backward(before=lambda f: f.zero_grad()), THROWN_AWAY),
    first_colour_only=(
        lambda f, x, c: gradient(f, x, c).abs()[:, 0],
        "You took the first colour of each pixel. The strongest one counts.",
    ),
    flag_of_x_changed=(
        flag_set,
        "The values are right, but requires_grad_() has changed the caller's x. Make a start of "
        "your own: x.detach().clone().requires_grad_().",
    ),
    scaled_to_one=(
        largest_is_one,
        "You divided by the largest value. That is for the picture; here the derivative itself is "
        "asked for.",
    ),
    axis_of_colours_kept=(
        lambda f, x, c: gradient(f, x, c).abs().amax(1, keepdim=True),
        "The values are right, but the axis of the colours is still there, with length 1. The "
        "result is (N, H, W).",
    ),
    gradient_times_image=(
        lambda f, x, c: (gradient(f, x, c) * x).abs().amax(1),
        "You multiplied the derivative by the image. That is another method, gradient times "
        "input. Saliency is the derivative alone.",
    ),
    largest_over_images=(
        lambda f, x, c: gradient(f, x, c).abs().amax(0),
        "You took the maximum over the images, axis 0. The colours are axis 1.",
    ),
    squared=(
        lambda f, x, c: gradient(f, x, c).square().amax(1),
        "You squared the derivative. The formula takes its absolute value.",
    ),
    mean_over_the_images=(
        lambda f, x, c: gradient(f, x, c).abs().amax(1) / len(x),
        "You took the mean over the images before the derivative, so each gradient is smaller by "
        "the factor N. Take the sum: the logit of an image depends on its own pixels only.",
    ),
)


@saliency.accepts
def image_by_image(f, x, c):
    classes = torch.as_tensor(c).expand(len(x)).tolist()
    maps = []
    for one, k in zip(x, classes, strict=True):
        start = one[None].clone().requires_grad_()
        (G,) = torch.autograd.grad(f(start)[0, k], start)
        maps.append(G[0].abs().max(0).values)
    return torch.stack(maps)


@saliency.accepts
def backward_with_inputs(f, x, c):
    start = x.clone().detach().requires_grad_(True)
    of_class(f(start), c).sum().backward(inputs=[start])
    return start.grad.abs().max(dim=1)[0]


saliency.accepts_all(
    numpy_inside=lambda f, x, c: np.abs(gradient(f, x, c).numpy()).max(1),
    one_hot=lambda f, x, c: (
        gradient(f, x, c, lambda Y, c: Y * functional.one_hot(torch.as_tensor(c), Y.shape[1]))
        .abs()
        .amax(1)
    ),
    gather=lambda f, x, c: (
        gradient(f, x, c, lambda Y, c: Y.gather(1, torch.as_tensor(c).expand(len(Y))[:, None]))
        .abs()
        .amax(dim=1)
    ),
    vector_jacobian=lambda f, x, c: (
        torch.func.grad(lambda x: of_class(f(x), c).sum())(x).abs().amax(1)
    ),
)


# ------------------------------------------------------------------ 7.2

smooth_grad = Exercise(
    "7.2",
    "smooth_grad",
    formula="(1/n) Σ_i ∂Y_c/∂x at x + σ ε_i, with ε_i = torch.randn(x.shape, generator=generator)",
    hints=(
        "Ask the derivative not at one point but at many points near it, and take the mean of the "
        "answers. Each point is the image plus fresh noise.",
        "In a loop over the samples: draw ε anew with torch.randn(x.shape, generator=generator), "
        "and take the gradient at x + sigma · ε. Add the gradients with their signs, and divide "
        "the sum by samples.",
        "Begin with zeros like x. For each sample draw noise, call gradient(f, …, c) on x plus "
        "sigma times the noise, and add what it gives. At the end divide by the number of "
        "samples.",
    ),
)


@smooth_grad.cases
def _(rng):
    def given(N, C, H, W, classes, scale=1.0):
        return bent_net((C, H, W), classes, scale), normal(rng, N, C, H, W)

    def seeded(seed):
        return torch.Generator().manual_seed(seed)

    f, x = given(2, 3, 4, 4, 4)
    yield Case("two colour images, four samples", f, x, 1, 4, 0.3, seeded(1))
    f, x = given(3, 1, 4, 8, 5)
    c = torch.tensor([4, 0, 2])
    yield Case("three grey images, a class for each, 3 samples", f, x, c, 3, 0.5, seeded(2))
    f, x = given(1, 2, 2, 8, 3)
    yield Case("one image, one sample, strong noise", f, x, 0, 1, 2.0, seeded(3))
    f, x = given(2, 1, 8, 2, 3, 1e-5)
    yield Case("small gradients, 7 samples", f, 0.2 * x, torch.tensor([2, 0]), 7, 0.1, seeded(4))
    f, x = given(2, 3, 4, 4, 4)
    yield Case("sigma is 0: no noise", f, x, 3, 5, 0.0, seeded(5))


@smooth_grad.probe
def _(answer, f, x, c, samples, sigma, generator):
    """Random numbers of torch's own start at one place, so a forgotten generator is known."""
    torch.manual_seed(7)
    before = generator.get_state()
    result = answer(f, x, c, samples, sigma, generator)
    # a result that is none at all is the first thing to speak about
    nothing = getattr(result, "shape", None) != x.shape
    used = nothing or sigma == 0 or not torch.equal(before, generator.get_state())
    return {"the noise": "of the generator" if used else "not of the generator", "result": result}


@smooth_grad.reference
def _(f, x, c, samples, sigma, generator):
    total = torch.zeros_like(x)
    for _ in range(samples):
        noise = torch.randn(x.shape, generator=generator)
        total = total + gradient(f, x + sigma * noise, c)
    return total / samples


def mean_gradient(change=lambda G: G, noise=None, moved=None, score=of_class):
    """SmoothGrad with another change of each gradient, other noise, or another way to add it."""
    noise = noise or (lambda x, g: torch.randn(x.shape, generator=g))
    moved = moved or (lambda x, noise, sigma: x + sigma * noise)

    def answer(f, x, c, samples, sigma, generator):
        each = [
            change(gradient(f, moved(x, noise(x, generator), sigma), c, score))
            for _ in range(samples)
        ]
        return torch.stack(each).mean(0)

    return answer


smooth_grad.products(
    lambda change, moved: mean_gradient(change, moved=moved),
    change={
        "signed": (lambda G: G, ""),
        "mean_of_sizes": (
            torch.abs,
            "You took the absolute value of each gradient, before the mean. Then the noise cannot "
            "cancel. Keep the signs; for a picture take the absolute value after the mean.",
        ),
        "mean_of_squares": (
            torch.square,
            "You averaged the squared gradients. SmoothGrad averages the gradients themselves.",
        ),
        "positive_only": (
            torch.relu,
            "You cut off the negative gradients. SmoothGrad keeps the sign.",
        ),
        "largest_colour": (
            lambda G: G.abs().amax(1),
            "You took the largest colour of each gradient, without sign. The result is the signed "
            "mean gradient with all colours, (N, C, H, W).",
        ),
    },
    moved={
        "sigma times noise": (lambda x, noise, sigma: x + sigma * noise, ""),
        "sigma_as_variance": (
            lambda x, noise, sigma: x + sigma**0.5 * noise,
            "You took sigma for the variance. It is the standard deviation: multiply the noise by "
            "sigma itself.",
        ),
        "sigma_squared": (
            lambda x, noise, sigma: x + sigma**2 * noise,
            "You multiplied the noise by sigma². Multiply it by sigma.",
        ),
        "sigma_of_the_range": (
            lambda x, noise, sigma: x + sigma * float(x.max() - x.min()) * noise,
            "You multiplied sigma by the range of the image. Here sigma is the standard deviation "
            "itself; camlite's own function takes a share of the range.",
        ),
        "sigma_left_out": (
            lambda x, noise, sigma: x + noise,
            "You left sigma out: the noise has standard deviation 1, whatever is asked for.",
        ),
        "noise_times_image": (
            lambda x, noise, sigma: x * (1 + sigma * noise),
            "You multiplied the noise by the image. It is added, and it is equally strong "
            "everywhere.",
        ),
        "cut_to_the_range": (
            lambda x, noise, sigma: (x + sigma * noise).clamp(0, 1),
            "You cut the noisy image to [0, 1]. Then the noise is not symmetric any more where "
            "the image is black or white. The formula takes x + σ ε as it is.",
        ),
    },
)


def image_changed(f, x, c, samples, sigma, generator):
    total = torch.zeros_like(x)
    for _ in range(samples):
        x += sigma * torch.randn(x.shape, generator=generator)
        total += gradient(f, x, c)
    return total / samples


def of_draws(made):
    """An answer `made(G, x, noise)` of the gradient, the image, and σ ε for all samples."""

    def answer(f, x, c, samples, sigma, generator):
        draws = [sigma * torch.randn(x.shape, generator=generator) for _ in range(samples)]
        return made(lambda start: gradient(f, start, c), x, torch.stack(draws))

    return answer


def gradients(G, x, noise):
    """At all noisy images, one after the other: (samples, N, C, H, W)."""
    return torch.stack([G(x + one) for one in noise])


def wrong_classes(f, x, c, samples, sigma, generator):
    noise = torch.cat([torch.randn(x.shape, generator=generator) for _ in range(samples)])
    classes = torch.as_tensor(c).expand(len(x)).repeat_interleave(samples)
    G = gradient(f, x.repeat(samples, 1, 1, 1) + sigma * noise, classes)
    return G.unflatten(0, (samples, len(x))).mean(0)


smooth_grad.wrongs(
    **{
        name: (mean_gradient(score=score), sentence)
        for name, (score, sentence) in SCORES.items()
        if sentence
    },
    generator_ignored=(
        mean_gradient(noise=lambda x, g: torch.randn_like(x)),
        "You drew the noise without the generator. Give it to torch.randn(x.shape, "
        "generator=generator), or nobody can draw your map again.",
    ),
    generator_of_its_own=(
        mean_gradient(noise=lambda x, g: torch.randn(x.shape, generator=torch.Generator())),
        "You made a generator of your own, which gives the same numbers each time. Draw with the "
        "one that the caller gives.",
    ),
    generator_begins_anew=(
        mean_gradient(noise=lambda x, g: torch.randn(x.shape, generator=g.manual_seed(0))),
        "You set the generator back to its seed for each sample, so all samples have the same "
        "noise. Only draw with it.",
    ),
    no_noise=(
        lambda f, x, c, samples, sigma, generator: gradient(f, x, c),
        "This is the gradient at the image itself. The mean is over noisy copies of it.",
    ),
    uniform_noise=(
        mean_gradient(noise=lambda x, g: torch.rand(x.shape, generator=g)),
        "You drew from torch.rand: between 0 and 1, never negative. The noise is normal: "
        "torch.randn.",
    ),
    noise_of_one_image_for_all=(
        mean_gradient(noise=lambda x, g: torch.randn(x.shape[1:], generator=g)),
        "All images got the same noise. torch.randn(x.shape, …) draws noise of its own for each.",
    ),
    noise_of_one_colour_for_all=(
        mean_gradient(noise=lambda x, g: torch.randn(x[:, :1].shape, generator=g)),
        "All colours of a pixel got the same noise. torch.randn(x.shape, …) draws noise of its own "
        "for each.",
    ),
    image_itself_changed=(
        image_changed,
        "x += … writes the noise into the image itself: the noise of all samples adds up, and the "
        "caller's image is lost. Compute x + sigma · ε anew for each sample.",
    ),
    wrong_classes_in_one_batch=(
        wrong_classes,
        "In your batch the images follow each other as 1 2 1 2, the classes as 1 1 2 2. "
        "classes.repeat(samples) has the order of the images.",
    ),
    one_sample_missing=(
        of_draws(lambda G, x, noise: sum(gradients(G, x, noise)[1:], 0 * x) / len(noise)),
        "One sample is missing: range(1, n) makes n − 1 steps. Use range(n).",
    ),
    one_noise_for_all_samples=(
        lambda f, x, c, samples, sigma, g: gradient(f, x + sigma * normal(g, *x.shape), c),
        "You drew the noise once, before the loop. All samples are the same then, and their mean "
        "is one of them. Draw anew for each sample.",
    ),
    returned_in_the_loop=(
        of_draws(lambda G, x, noise: G(x + noise[0]) / len(noise)),
        "This is the first gradient, divided by the number of samples. Is the return inside the "
        "loop? It ends the function at once.",
    ),
    noise_adds_up=(
        of_draws(lambda G, x, noise: gradients(G, x, noise.cumsum(0)).mean(0)),
        "The noise adds up: each sample starts from the noisy image of the one before. Add the "
        "noise to the clean x each time.",
    ),
    sum_of_gradients=(
        of_draws(lambda *given: gradients(*given).sum(0)),
        "This is the sum of the gradients. Divide by the number of samples.",
    ),
    divided_by_one_less=(
        of_draws(lambda G, x, noise: gradients(G, x, noise).sum(0) / (len(noise) - 1)),
        "You divided by samples − 1. A mean divides by the number of samples.",
    ),
    median=(
        of_draws(lambda *given: gradients(*given).median(0).values),
        "You took the median of the gradients. SmoothGrad is their mean.",
    ),
    noise_on_the_map=(
        of_draws(lambda G, x, noise: G(x) + noise.mean(0)),
        "You added the noise to the gradient. It belongs on the image, before the network.",
    ),
    clean_one_counted=(
        of_draws(lambda G, x, noise: (G(x) + gradients(G, x, noise).sum(0)) / (len(noise) + 1)),
        "You counted the clean image as one more sample. Only the noisy copies are averaged.",
    ),
    only_the_last=(
        of_draws(lambda G, x, noise: G(x + noise[-1])),
        "Only the last sample is left. Add the gradients of all samples.",
    ),
    gradient_of_the_mean_image=(
        of_draws(lambda G, x, noise: G(x + noise.mean(0))),
        "You averaged the noisy images and took one gradient. The gradient of the mean is not the "
        "mean of the gradients.",
    ),
    largest_of_the_mean=(
        of_draws(lambda *given: gradients(*given).mean(0).abs().amax(1)),
        "You took the largest colour at the end. The result is the signed mean gradient with all "
        "colours, (N, C, H, W); the picture is made later.",
    ),
    abs_of_the_mean=(
        of_draws(lambda *given: gradients(*given).mean(0).abs()),
        "You took the absolute value at the end. The result keeps its sign; the picture is made "
        "later.",
    ),
)


@smooth_grad.accepts
def one_large_batch(f, x, c, samples, sigma, generator):
    """All samples at once; torch draws the same numbers (sizes divisible by 16)."""
    noise = torch.randn((samples, *x.shape), generator=generator)
    many = (x + sigma * noise).flatten(0, 1)
    classes = torch.as_tensor(c).expand(len(x)).repeat(samples)
    return gradient(f, many, classes).unflatten(0, (samples, len(x))).mean(0)


@smooth_grad.accepts
def mean_as_it_goes(f, x, c, samples, sigma, generator):
    mean = torch.zeros_like(x, dtype=torch.double)
    for i in range(samples):
        start = x + sigma * torch.randn(x.shape, generator=generator)
        mean += (gradient(f, start, c) - mean) / (i + 1)
    return mean.float()


@smooth_grad.accepts
def noise_filled_in_place(f, x, c, samples, sigma, generator):
    each = []
    for _ in range(samples):
        noise = torch.empty_like(x).normal_(0, 1, generator=generator)
        start = (x + sigma * noise).requires_grad_()
        of_class(f(start), c).sum().backward(inputs=[start])
        each.append(start.grad)
    return torch.stack(each).mean(dim=0).numpy()


# ------------------------------------------------------------------ 7.3

relu_rule = Exercise(
    "7.3",
    "relu_rule",
    formula="gradient 1[f > 0] R · deconvnet 1[R > 0] R · guided 1[f > 0] 1[R > 0] R",
    hints=(
        "A ReLU is a gate. On the way forward it is open where its input f is positive. The three "
        "rules differ in who decides on the way back: f, the signal R itself, or both.",
        "1[f > 0] is 1 where activation > 0 and 0 elsewhere; 1[R > 0] asks the same of the "
        "signal. Multiply the signal by the conditions that the rule names. Any other name: "
        "raise ValueError.",
        "Three branches of an if, each returns signal times (activation > 0), or signal times "
        "(signal > 0), or signal times both; after them raise ValueError with the rule in it.",
    ),
)


@relu_rule.cases
def _(rng):
    f, R = normal(rng, 2, 3, 4, 5), normal(rng, 2, 3, 4, 5)
    f[:, 1, :2] = 0  # exactly zero: the gate is closed
    for rule in ("gradient", "deconvnet", "guided"):
        yield Case(f"{rule}, f and R of both signs, some f are 0", f, R, rule)
    tiny = 1e-6 * normal(rng, 3, 7)
    for rule in ("guided", "deconvnet", "gradient"):
        yield Case(f"{rule}, f is the output of a ReLU", normal(rng, 3, 7).relu(), tiny, rule)
    yield Case("a rule that nobody knows", normal(rng, 4, 5), normal(rng, 4, 5), "relu")
    yield Case("only the beginning of a rule", normal(rng, 4, 5), normal(rng, 4, 5), "guide")


@relu_rule.reference
def _(activation, signal, rule):
    if rule == "gradient":
        return signal * (activation > 0)
    if rule == "deconvnet":
        return signal * (signal > 0)
    if rule == "guided":
        return signal * (activation > 0) * (signal > 0)
    raise ValueError(f"unknown rule {rule!r}")


def ruled(gradient=None, deconvnet=None, guided=None, other=None):
    """The three rules, some of them written otherwise."""

    def refuse(f, R):
        raise ValueError("an unknown rule")

    table = {
        "gradient": gradient or (lambda f, R: R * (f > 0)),
        "deconvnet": deconvnet or (lambda f, R: R * (R > 0)),
        "guided": guided or (lambda f, R: R * (f > 0) * (R > 0)),
    }
    return lambda activation, signal, rule: table.get(rule, other or refuse)(activation, signal)


CLOSED_AT_ZERO = (
    "You let the signal through where f is exactly 0. A ReLU that gives 0 is closed: ask f > 0, "
    "not f ≥ 0."
)

relu_rule.wrongs(
    gradient_and_deconvnet_exchanged=(
        ruled(lambda f, R: R * (R > 0), lambda f, R: R * (f > 0)),
        "You exchanged gradient and deconvnet. The gradient asks where the ReLU was open on the "
        "way forward (f); the DeconvNet only looks at the signal that comes back (R).",
    ),
    deconvnet_asks_f_too=(
        ruled(deconvnet=lambda f, R: R * (f > 0) * (R > 0)),
        "Your deconvnet asks f as well. That is the guided rule. The DeconvNet forgets what came "
        "forward: only R > 0 counts.",
    ),
    guided_by_the_product=(
        ruled(guided=lambda f, R: R * (f * R > 0)),
        "Your guided rule asks whether f · R is positive. Two negative numbers have a positive "
        "product: ask both, f > 0 and R > 0.",
    ),
    guided_with_or=(
        ruled(guided=lambda f, R: R * ((f > 0) | (R > 0))),
        "Your guided rule lets a signal through where one condition holds. Both must hold.",
    ),
    guided_is_the_gradient=(
        ruled(guided=lambda f, R: R * (f > 0)),
        "Your guided rule is the gradient: negative signals pass. Guided also asks R > 0.",
    ),
    guided_is_the_deconvnet=(
        ruled(guided=lambda f, R: R * (R > 0)),
        "Your guided rule is the DeconvNet's: it does not ask f. Guided needs both conditions.",
    ),
    negative_signals_pass_nowhere=(
        ruled(gradient=lambda f, R: R * (f > 0) * (R > 0)),
        "Your gradient cuts off negative signals. The true derivative has both signs: only f "
        "decides.",
    ),
    gradient_has_no_gate=(
        ruled(gradient=lambda f, R: R),
        "Your gradient lets the whole signal through. A ReLU that was closed, f ≤ 0, sends back "
        "nothing.",
    ),
    sign_of_f=(
        ruled(gradient=lambda f, R: R * f.sign()),
        "You multiplied by the sign of f: −1 where the ReLU is closed. A closed gate sends back 0.",
    ),
    deconvnet_of_f=(
        ruled(deconvnet=lambda f, R: f.relu()),
        "Your deconvnet is the ReLU of f. It is the ReLU of the signal R: the DeconvNet forgets f.",
    ),
    deconvnet_of_sizes=(
        ruled(deconvnet=lambda f, R: R.abs()),
        "Your deconvnet makes negative signals positive. It lets them not pass: 0.",
    ),
    only_the_open_places=(
        ruled(lambda f, R: R[f > 0], lambda f, R: R[R > 0], lambda f, R: R[(f > 0) & (R > 0)]),
        "signal[condition] leaves only the open places, in one long row. Multiply by the "
        "condition, and the closed ones are 0.",
    ),
    and_of_tensors=(
        ruled(guided=lambda f, R: R * (f > 0 and R > 0)),
        "Python's “and” asks for one truth value, and a tensor has many. Write (f > 0) & (R > 0) "
        "with the brackets, or multiply both conditions.",
    ),
    written_into_the_signal=(
        ruled(
            lambda f, R: R.mul_(f > 0), lambda f, R: R.relu_(), lambda f, R: R.relu_().mul_(f > 0)
        ),
        "The values are right, but you changed the caller's signal. Make a new tensor: "
        "signal * condition.",
    ),
    gate_open_at_zero=(
        ruled(lambda f, R: R * (f >= 0), guided=lambda f, R: R * (f >= 0) * (R > 0)),
        CLOSED_AT_ZERO,
    ),
    multiplied_by_f=(
        ruled(lambda f, R: R * f.relu(), guided=lambda f, R: R.relu() * f.relu()),
        "You multiplied the signal by the value of f. The derivative of a ReLU is 1 where it is "
        "open: multiply by the condition f > 0.",
    ),
    f_instead_of_the_signal=(
        ruled(
            lambda f, R: f * (f > 0), lambda f, R: f * (R > 0), lambda f, R: f * (f > 0) * (R > 0)
        ),
        "Your result holds the values of f. What goes back is the signal R; f only opens the gate.",
    ),
    only_the_gates=(
        ruled(
            lambda f, R: (f > 0).float(),
            lambda f, R: (R > 0).float(),
            lambda f, R: ((f > 0) & (R > 0)).float(),
        ),
        "These are the gates, 0 or 1. Multiply the signal by them.",
    ),
    sizes_of_the_signal=(
        ruled(lambda f, R: R.abs() * (f > 0)),
        "You took the size of the signal. In the gradient it keeps its sign.",
    ),
    conditions_turned=(
        ruled(
            lambda f, R: R * (f < 0), lambda f, R: R * (R < 0), lambda f, R: R * (f < 0) * (R < 0)
        ),
        "The gates are turned round: they are open where the numbers are positive.",
    ),
    unknown_rule_is_the_gradient=(
        ruled(other=lambda f, R: R * (f > 0)),
        "A rule that nobody knows gave the gradient. A typing error must not look like a result: "
        "raise ValueError.",
    ),
    unknown_rule_is_guided=(
        ruled(other=lambda f, R: R * (f > 0) * (R > 0)),
        "A rule that nobody knows gave the guided signal. A typing error must not look like a "
        "result: raise ValueError.",
    ),
    unknown_rule_passes_all=(
        ruled(other=lambda f, R: R),
        "A rule that nobody knows let the whole signal through. A typing error must not look like "
        "a result: raise ValueError.",
    ),
    error_is_returned=(
        ruled(other=lambda f, R: ValueError("unknown rule")),
        "You returned the error, so the caller would go on with it as a signal. Write raise "
        "ValueError(…): that stops the program.",
    ),
    unknown_rule_is_nothing=(
        ruled(other=lambda f, R: None),
        "A rule that nobody knows gave None. raise ValueError(…) instead: then the caller sees "
        "the mistake at once.",
    ),
)

relu_rule.accepts_all(
    relu_of_the_signal=ruled(
        deconvnet=lambda f, R: R.relu(), guided=lambda f, R: R.clamp(min=0) * (f > 0).float()
    ),
    where=ruled(
        lambda f, R: torch.where(f > 0, R, 0.0),
        lambda f, R: torch.where(R > 0, R, torch.zeros_like(R)),
        lambda f, R: torch.where((f > 0) & (R > 0), R, 0.0),
    ),
    sign_and_heaviside=ruled(
        lambda f, R: R * torch.heaviside(f, torch.zeros(1)),
        guided=lambda f, R: R.relu() * f.relu().sign(),
    ),
    numpy_inside=ruled(
        lambda f, R: R.numpy() * (f.numpy() > 0), lambda f, R: np.maximum(R.numpy(), 0)
    ),
    masked=ruled(
        lambda f, R: R.masked_fill(f <= 0, 0),
        guided=lambda f, R: R.masked_fill((f <= 0) | (R <= 0), 0).double(),
    ),
)


# ------------------------------------------------------------------ 7.4

occlusion = Exercise(
    "7.4",
    "occlusion",
    formula="M[n, r, s] = f(x)_c − f(x with the patch at (r · stride, s · stride) filled)_c",
    hints=(
        "Hide one square of the image, ask the network again, and note what the logit has lost. "
        "Then move the square.",
        "The top edges are range(0, H − patch + 1, stride), the left edges range(0, W − patch + "
        "1, stride): only squares that fit. For each place: a copy of x, fill in "
        "[:, :, top : top + patch, left : left + patch], and the drop f(x) − f(copy) of class c.",
        "Pick the whole logits first, (N,). In two loops clone x, write fill into the square, "
        "pick the logits again, subtract. Stack the drops over the columns, then over the rows, "
        "so that the images stay axis 0: (N, rows, columns).",
    ),
)


@occlusion.cases
def _(rng):
    def given(N, C, H, W, classes):
        return bent_net((C, H, W), classes), normal(rng, N, C, H, W)

    f, x = given(2, 3, 6, 9, 4)
    yield Case("two colour images of 6×9, patch 2, stride 2, grey", f, x, 1, 2, 2, 0.5)
    f, x = given(3, 1, 7, 5, 5)
    c = torch.tensor([4, 0, 2])
    yield Case("the last squares do not fit; a class for each image", f, x, c, 3, 2, 0.0)
    f, x = given(1, 2, 5, 8, 3)
    yield Case("one image, the stride is larger than the patch", f, x, 0, 1, 3, -1.0)
    f, x = given(2, 1, 4, 6, 4)
    yield Case("overlapping squares", f, x, torch.tensor([3, 1]), 3, 1, 2.0)
    f, x = given(2, 3, 4, 4, 3)
    yield Case("one square as large as the image", lambda x: f(x), x, 2, 4, 1, 0.25)


def edges(side, patch, stride):
    return range(0, side - patch + 1, stride)


@occlusion.reference
def _(f, x, c, patch, stride, fill):
    whole = of_class(f(x), c)
    rows = []
    for top in edges(x.shape[2], patch, stride):
        row = []
        for left in edges(x.shape[3], patch, stride):
            hidden = x.clone()
            hidden[:, :, top : top + patch, left : left + patch] = fill
            row.append(whole - of_class(f(hidden), c))
        rows.append(torch.stack(row, 1))
    return torch.stack(rows, 1)


def cover(x, top, left, patch, fill):
    hidden = x.clone()
    hidden[:, :, top : top + patch, left : left + patch] = fill
    return hidden


def drops(value=torch.sub, hide=cover, places=edges, score=of_class, order=lambda t, s: (t, s)):
    """Occlusion with another value, another way to hide, other places, another score."""

    def answer(f, x, c, patch, stride, fill):
        whole = score(f(x), c)
        table = [
            [
                value(whole, score(f(hide(x, *order(top, left), patch, fill)), c))
                for left in places(x.shape[3], patch, stride)
            ]
            for top in places(x.shape[2], patch, stride)
        ]
        return torch.stack([torch.stack(row, 1) for row in table], 1)

    return answer


def drawn_over(x, top, left, patch, fill):
    """In place: the squares before stay filled."""
    x[:, :, top : top + patch, left : left + patch] = fill
    return x


def all_but_the_patch(x, top, left, patch, fill):
    shown = torch.full_like(x, fill)
    place = (..., slice(top, top + patch), slice(left, left + patch))
    shown[place] = x[place]
    return shown


def square(x, top, left, patch):
    """1 in the square, 0 elsewhere."""
    return cover(torch.zeros_like(x), top, left, patch, 1.0)


def first_colour_only(x, top, left, patch, fill):
    hidden = x.clone()
    hidden[:, 0, top : top + patch, left : left + patch] = fill
    return hidden


def centred(x, top, left, patch, fill):
    """Around the place, and cut off at the border."""
    hidden = x.clone()
    rows, columns = (slice(max(0, n - patch // 2), n - patch // 2 + patch) for n in (top, left))
    hidden[:, :, rows, columns] = fill
    return hidden


HIDE = {
    "filled": (cover, ""),
    "always_zero": (
        lambda x, top, left, patch, fill: cover(x, top, left, patch, 0.0),
        "You filled the square with 0. The caller says with fill what stands in it.",
    ),
    "fill_added": (
        lambda x, top, left, patch, fill: x + fill * square(x, top, left, patch),
        "You added fill to the square, so the image still shines through. The square holds "
        "nothing but fill.",
    ),
    "fill_multiplied": (
        lambda x, top, left, patch, fill: x * (1 + (fill - 1) * square(x, top, left, patch)),
        "You multiplied the square by fill, so the image still shines through. The square holds "
        "nothing but fill.",
    ),
    "all_but_the_patch": (
        all_but_the_patch,
        "You hid everything but the square. It is the other way round: the square is hidden, all "
        "else stays.",
    ),
    "first_colour_only": (
        first_colour_only,
        "You filled only the first colour. The square hides all colours: [:, :, rows, columns].",
    ),
    "one_pixel_too_many": (
        lambda x, top, left, patch, fill: cover(x, top, left, patch + 1, fill),
        "Your square is one pixel too large. A slice ends before its second number: top : top + "
        "patch holds patch rows.",
    ),
    "one_pixel_too_few": (
        lambda x, top, left, patch, fill: cover(x, top, left, patch - 1, fill),
        "Your square is one pixel too small. A slice ends before its second number already: top : "
        "top + patch holds patch rows.",
    ),
    "rows_for_columns": (
        lambda x, top, left, patch, fill: cover(x, left, top, patch, fill),
        "Your square stands at row s, column r. In [:, :, rows, columns] the rows, top, come "
        "first.",
    ),
    "mean_of_the_image": (
        lambda x, top, left, patch, fill: cover(x, top, left, patch, x.mean((2, 3), True)),
        "You filled the square with the mean colour. The caller says with fill what stands in it.",
    ),
    "centred": (
        centred,
        "You centred the square on the place. The place is its top left corner.",
    ),
}

VALUES = {
    "drop": (torch.sub, ""),
    "rise": (
        lambda whole, after: after - whole,
        "The sign is turned round. A square that helps the class has a positive drop: "
        "f(x) − f(hidden).",
    ),
    "score_after": (
        lambda whole, after: after,
        "These are the logits of the hidden images. The drop is asked for: subtract them from the "
        "logit of the whole image.",
    ),
    "size_of_the_drop": (
        lambda whole, after: (whole - after).abs(),
        "You took the size of the drop. A negative drop tells something: the class gains when "
        "this square is hidden.",
    ),
    "positive_drops": (
        lambda whole, after: (whole - after).relu(),
        "You cut off the negative drops. They tell something: the class gains when this square "
        "is hidden.",
    ),
    "relative_drop": (
        lambda whole, after: (whole - after) / whole,
        "You divided by the logit of the whole image. The plain drop is asked for.",
    ),
}

occlusion.products(drops, value=VALUES, hide=HIDE)


def height_for_both(f, x, c, patch, stride, fill):
    """As if the image were square."""
    places = edges(x.shape[2], patch, stride)
    return drops(places=lambda *_: places)(f, x, c, patch, stride, fill)


def number_for_place(f, x, c, patch, stride, fill):
    """r and s are not multiplied by the stride."""
    return drops(hide=lambda x, r, s, *rest: cover(x, r // stride, s // stride, *rest))(
        f, x, c, patch, stride, fill
    )


LAST_PLACE = (
    "The last place is missing. range ends before its second number, so it must be "
    "side − patch + 1."
)


def last_place_missing(f, x, c, patch, stride, fill):
    """A table of zeros, made before the loops: it may have no place at all."""
    rows, columns = (len(range(0, side - patch, stride)) for side in x.shape[2:])
    return drops()(f, x, c, patch, stride, fill)[:, :rows, :columns]


def copied_once(f, x, c, patch, stride, fill):
    hidden = x.clone()
    return drops(hide=lambda _, *place: drawn_over(hidden, *place))(f, x, c, patch, stride, fill)


def filled_image_first(f, x, c, patch, stride, fill):
    """Compared with an image that is all fill."""
    M = drops()(f, x, c, patch, stride, fill)
    gone = of_class(f(x), c) - of_class(f(torch.full_like(x, fill)), c)
    return M - gone[:, None, None]


def turned(f, x, c, patch, stride, fill):
    return drops()(f, x, c, patch, stride, fill).transpose(1, 2)


def as_large_as_the_image(f, x, c, patch, stride, fill):
    M = drops()(f, x, c, patch, stride, fill)
    return camlite.up(M, tuple(x.shape[2:]))


def on_the_pixels(f, x, c, patch, stride, fill):
    M, whole = torch.zeros_like(x[:, 0]), of_class(f(x), c)
    for top in edges(x.shape[2], patch, stride):
        for left in edges(x.shape[3], patch, stride):
            drop = whole - of_class(f(cover(x, top, left, patch, fill)), c)
            M[:, top : top + patch, left : left + patch] = drop[:, None, None]
    return M


def images_last(f, x, c, patch, stride, fill):
    return drops()(f, x, c, patch, stride, fill).movedim(0, 2)


occlusion.wrongs(
    **{
        name: (drops(score=score), sentence)
        for name, (score, sentence) in SCORES.items()
        if sentence and name not in ("all_classes", "classes_of_all_images")
    },
    squares_stay=(
        drops(hide=drawn_over),
        "The squares before stay filled, and the caller's image is changed: you write into x "
        "itself. Take x.clone() for each place.",
    ),
    copied_once=(
        copied_once,
        "The squares before stay filled: you made one copy for all places. Take x.clone() anew for "
        "each place.",
    ),
    filled_image_first=(
        filled_image_first,
        "You compared with an image that is all fill. The drop is f(x) − f(hidden), with the whole "
        "image x.",
    ),
    height_for_both=(
        height_for_both,
        "You counted the columns with the height of the image. Columns need its width: x.shape[3].",
    ),
    number_for_place=(
        number_for_place,
        "Your squares lie at (r, s). They lie at (r · stride, s · stride).",
    ),
    stride_ignored=(
        drops(places=lambda side, patch, stride: range(side - patch + 1)),
        "You moved the square by one pixel. It moves by stride.",
    ),
    moved_by_the_patch=(
        drops(places=lambda side, patch, stride: range(0, side - patch + 1, patch)),
        "You moved the square by its own size. It moves by stride, which can be smaller or larger.",
    ),
    last_place_missing_in_a_list=(
        drops(places=lambda side, patch, stride: range(0, side - patch, stride)),
        LAST_PLACE,
    ),
    last_place_missing_in_a_table=(last_place_missing, LAST_PLACE),
    beyond_the_border=(
        drops(places=lambda side, patch, stride: range(0, side, stride)),
        "Your last squares stand beyond the border: only a part of them lies on the image. Keep "
        "the places where the whole square fits.",
    ),
    rows_and_columns_exchanged=(
        turned,
        "Rows and columns are exchanged. The result is (N, rows, columns).",
    ),
    as_large_as_the_image=(
        as_large_as_the_image,
        "You enlarged the map to the size of the image. The result has one number for each place "
        "of the square: (N, rows, columns).",
    ),
    on_the_pixels=(
        on_the_pixels,
        "You wrote each drop on the pixels of its square. The result has one number for each place "
        "of the square: (N, rows, columns).",
    ),
    images_last=(
        images_last,
        "The axes are in another order: images come first, (N, rows, columns).",
    ),
    mean_over_images=(
        lambda *given: drops()(*given).mean(0),
        "You took the mean over the images. Each image has its own map.",
    ),
)


occlusion.teaches(
    {
        "result: flat images": "The drops of each image stand in one long row. Give them back "
        "their rows and columns: (N, rows, columns).",
    }
)


@occlusion.accepts
def all_places_in_one_batch(f, x, c, patch, stride, fill):
    tops, lefts = (edges(side, patch, stride) for side in x.shape[2:])
    hidden = [cover(x, top, left, patch, fill) for top in tops for left in lefts]
    classes = torch.as_tensor(c).expand(len(x)).repeat(len(hidden))
    after = of_class(f(torch.cat(hidden)), classes).view(len(tops), len(lefts), len(x))
    return of_class(f(x), c)[:, None, None] - after.permute(2, 0, 1)


@occlusion.accepts
def mask_and_blend(f, x, c, patch, stride, fill):
    size = [(side - patch) // stride + 1 for side in x.shape[2:]]
    M = torch.zeros(len(x), *size)
    with torch.no_grad():
        whole = of_class(f(x), c)
        for r, s in itertools.product(*map(range, size)):
            m = square(x, r * stride, s * stride, patch)
            M[:, r, s] = whole - of_class(f(x * (1 - m) + fill * m), c)
    return M


@occlusion.accepts
def put_back_afterwards(f, x, c, patch, stride, fill):
    M, whole = [], of_class(f(x), c)
    for top in edges(x.shape[2], patch, stride):
        for left in edges(x.shape[3], patch, stride):
            place = (..., slice(top, top + patch), slice(left, left + patch))
            kept = x[place].clone()
            x[place] = fill
            M.append(whole - of_class(f(x), c))
            x[place] = kept
    columns = len(edges(x.shape[3], patch, stride))
    return torch.stack(M, 1).unflatten(1, (-1, columns))


@occlusion.accepts
def one_image_at_a_time(f, x, c, patch, stride, fill):
    classes = torch.as_tensor(c).expand(len(x)).tolist()
    each = [
        drops()(f, one[None], k, patch, stride, fill) for one, k in zip(x, classes, strict=True)
    ]
    return torch.cat(each).detach().numpy().astype(np.float64)


def test_lesson(proof):
    proof()
