"""Lesson 10, checked: pixel weights, Grad-CAM++, and its smooth version."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from camlite.course import Case, Exercise, normal


def total(A):
    """The sum over the places, in a shape that multiplies feature maps."""
    return A.sum((2, 3), keepdim=True)


def over(a, b):
    """a / b, and 0 where b is 0."""
    return torch.where(b != 0, a / b, torch.zeros_like(b))


def ramp(rng, *shape):
    """Positive numbers between 0.5 and 1.5."""
    return 0.5 + torch.rand(*shape, generator=rng)


# ------------------------------------------------------------------ 10.1

pixel_weights = Exercise(
    "10.1",
    "pixel_weights",
    patience=2,
    rtol=5e-4,  # 1e-12 below the line is negligible also beside squares of 0.0001; 1e-10 is not
    formula="α_k[x, y] = G² / (2 G² + ΣF_k · G³), G = G_k[x, y]; 0 where G ≤ 0",
    hints=(
        "Each place of each channel has its own weight. It needs two numbers: the gradient at this "
        "place, and the sum of the whole feature map.",
        "Above the line G². Below it 2 G² + S · G³, where S is the sum of F over the places, one "
        "number for each channel. Only where G > 0; there you may divide both by G²: 1 / (2 + S G).",
        "Sum F over axes 2 and 3 with keepdim, so that it multiplies G. Divide, and take the result "
        "with torch.where only where G > 0; elsewhere 0.",
    ),
)


@pixel_weights.cases
def _(rng):
    F, G = normal(rng, 2, 5, 4, 7).relu(), normal(rng, 2, 5, 4, 7)
    yield Case("two images, feature maps of 4×7", F, G)
    yield Case("one image, one channel, maps of 3×2", ramp(rng, 1, 1, 3, 2), ramp(rng, 1, 1, 3, 2))
    exact = G.masked_fill(normal(rng, 2, 5, 4, 7) > 0, 0)
    yield Case("many gradients are exactly 0", F, exact)
    small = 1e-4 * ramp(rng, 3, 4, 5, 3) * normal(rng, 3, 4, 5, 3).sign()
    yield Case("gradients of size 0.0001", ramp(rng, 3, 4, 5, 3), small)
    ones = torch.full((2, 3, 2, 2), 0.5)  # ΣF = 2
    halves = torch.tensor([-1.0, 1.0, 0.0, 0.5]).view(1, 1, 2, 2).expand(2, 3, 2, 2).clone()
    yield Case("2 G² + ΣF G³ is 0 at a place where G < 0", ones, halves)
    dead = F * (torch.arange(5) != 2)[:, None, None]
    yield Case("one channel is silent, large gradients", 20 * dead, 30 * G)
    yield Case("as many channels as rows", *(normal(rng, 3, 4, 4, 6).abs() for _ in "FG"))


@pixel_weights.reference
def _(F, G):
    S = F.sum((2, 3), keepdim=True)
    return torch.where(G > 0, 1 / (2 + S * G), torch.zeros_like(G))


def positive(weights):
    """These weights where G > 0, and 0 elsewhere."""
    return lambda F, G: torch.where(G > 0, weights(F, G), torch.zeros_like(G))


def fraction(above=2, two=2.0, last=3, S=total, small=0.0):
    """Equation 19 with other powers, another factor, another sum, something added below."""
    return positive(lambda F, G: G**above / (two * G**2 + S(F) * G**last + small))


SUMS = {
    "over the places": (total, ""),
    "mean_of_F": (
        lambda F: F.mean((2, 3), keepdim=True),
        "You took the mean of F. The formula has its sum over all places.",
    ),
    "F_not_summed": (
        lambda F: F,
        "You multiplied G³ by F at the same place. The sum of F runs over all places of the "
        "channel: one number.",
    ),
    "F_left_out": (
        torch.ones_like,
        "The sum of F is missing below the line.",
    ),
    "over_the_channels": (
        lambda F: F.sum(1, keepdim=True),
        "You summed F over the channels. Each channel has its own sum, over its places.",
    ),
    "over_channels_and_places": (
        lambda F: F.sum((1, 2, 3), keepdim=True),
        "You summed F over the channels too. Each channel has its own sum, over its places.",
    ),
    "over_the_batch": (
        lambda F: F.sum((0, 2, 3), keepdim=True),
        "You summed F over the images too. Each image has its own sums.",
    ),
    "one_sum_for_everything": (
        lambda F: F.sum(),
        "You summed all of F to one number. Each image and each channel has its own sum.",
    ),
    "largest_of_F": (
        lambda F: F.amax((2, 3), keepdim=True),
        "You took the largest value of F. The formula has its sum over all places.",
    ),
}
POWER = {
    "cube": (3, ""),
    "square_instead_of_cube": (
        2,
        "Beside the sum of F you took G². It is the third power there, G³.",
    ),
    "fourth_power": (4, "Beside the sum of F you took G⁴. It is the third power there, G³."),
    "first_power": (1, "Beside the sum of F you took G. It is the third power there, G³."),
}
pixel_weights.wrongs(
    one_half_everywhere=(
        lambda F, G: 0.5 * (G > 0),
        "You gave 1/2 to each positive gradient. That is nearly right where the gradients are "
        "small; the term ΣF G³ is missing.",
    ),
    two_left_out=(fraction(two=1.0), "The 2 below the line is missing: it is 2 G² + ΣF G³."),
)
pixel_weights.products(lambda S, last: fraction(S=S, last=last), S=SUMS, last=POWER)
pixel_weights.wrongs(
    zero_by_zero=(
        lambda F, G: G**2 / (2 * G**2 + total(F) * G**3) * (G > 0),
        "Where the line below is 0 you have nan. Multiplying by (G > 0) comes too late: nan · 0 is "
        "nan. Choose with torch.where.",
    ),
    no_choice=(
        lambda F, G: G**2 / (2 * G**2 + total(F) * G**3),
        "You did not choose. Where G ≤ 0 the weight is 0, and where G is 0 the formula is nan: "
        "torch.where(G > 0, ..., 0).",
    ),
    relu_in_the_short_form_without_choice=(
        lambda F, G: 1 / (2 + total(F) * G.relu()),
        "Where G ≤ 0 you have 1/2. There the weight is 0: choose with torch.where.",
    ),
    equation_6=(
        positive(lambda F, G: over(torch.ones_like(G), total((G > 0).float()) + 0 * G)),
        "This is Equation 6: 1 / (number of active cells). Asked for is Equation 19, "
        "G² / (2 G² + ΣF G³).",
    ),
    equation_6_cells_of_F=(
        positive(lambda F, G: over(torch.ones_like(G), total((F > 0).float()) + 0 * G)),
        "This is Equation 6: 1 / (number of active cells). Asked for is Equation 19, "
        "G² / (2 G² + ΣF G³).",
    ),
    sum_of_F_times_G=(
        positive(lambda F, G: over(torch.ones_like(G), 2 + total(F * G) + 0 * G)),
        "You summed F · G over the places. Only F is summed; G stays at its place: G ΣF.",
    ),
    only_negative_gradients_set_to_zero=(
        lambda F, G: torch.where(G < 0, torch.zeros_like(G), G**2 / (2 * G**2 + total(F) * G**3)),
        "Where G is exactly 0 you divided 0 by 0, which is nan. These places get the weight 0 too: "
        "the condition is G > 0.",
    ),
    axes_lost_in_the_sum=(
        positive(lambda F, G: G**2 / (2 * G**2 + F.sum((2, 3)) * G**3)),
        "The sum of F is (N, K) and does not meet G, (N, K, h, w). keepdim=True keeps the two axes, "
        "with length 1.",
    ),
    relu_first_and_then_nan=(
        lambda F, G: G.relu() ** 2 / (2 * G.relu() ** 2 + total(F) * G.relu() ** 3),
        "Where G ≤ 0 you divided 0 by 0, which is nan. These places get the weight 0.",
    ),
    negative_gradients_kept=(
        lambda F, G: over(G**2, 2 * G**2 + total(F) * G**3),
        "You gave weights to negative gradients too. Where G ≤ 0 the weight is 0.",
    ),
    one_half_where_it_is_zero=(
        lambda F, G: torch.where(G >= 0, 1 / (2 + total(F) * G), torch.zeros_like(G)),
        "Where G is exactly 0 you have 1/2. There it is 0.",
    ),
    divided_form_everywhere=(
        lambda F, G: over(torch.ones_like(G), 2 + total(F) * G),
        "The short form 1 / (2 + G ΣF) is right where G > 0. Elsewhere the weight is 0.",
    ),
    sizes_of_the_gradient=(
        lambda F, G: over(torch.ones_like(G), 2 + total(F) * G.abs()),
        "You took the size of the gradient. Where G ≤ 0 the weight is 0.",
    ),
    first_derivative_above=(
        fraction(above=1),
        "Above the line you took G. It is the square, G².",
    ),
    cube_above=(
        fraction(above=3),
        "Your result is α times G: above the line stands G², not G³. The product with ReLU(G) comes "
        "in the next exercise.",
    ),
    one_above=(
        positive(lambda F, G: 1 / (2 * G**2 + total(F) * G**3)),
        "Above the line you took 1. It is G²; 1 is right only if you divide all three terms by G².",
    ),
    half_divided=(
        positive(lambda F, G: G**2 / (2 + total(F) * G)),
        "You divided below the line by G², and not above it. Then it is 1 / (2 + ΣF G).",
    ),
    sum_of_the_product=(
        positive(lambda F, G: G**2 / (2 * G**2 + total(F * G**3))),
        "You took G³ into the sum. G³ belongs to this place, only F is summed: ΣF times G³.",
    ),
    squares_summed=(
        positive(lambda F, G: G**2 / (2 * total(G**2) + total(F) * G**3)),
        "You summed G² over the places. In the formula G is the gradient at this place everywhere; "
        "only F is summed.",
    ),
    minus=(
        positive(lambda F, G: over(torch.ones_like(G), 2 - total(F) * G)),
        "Below the line is a sum, 2 G² + ΣF G³. You subtracted.",
    ),
    multiplied_below=(
        positive(lambda F, G: over(torch.ones_like(G), 2 * total(F) * G)),
        "Below the line is a sum, 2 G² + ΣF G³. You multiplied the two terms.",
    ),
    normalised_over_the_places=(
        lambda F, G: over(fraction_right(F, G), total(fraction_right(F, G))),
        "You divided by the sum over the places, so that the weights of a channel add up to 1. The "
        "authors' program does so; Equation 19 does not.",
    ),
    summed_over_the_places=(
        lambda F, G: fraction_right(F, G).sum((2, 3)),
        "You summed over the places. Each place keeps its own weight: (N, K, h, w).",
    ),
    only_the_sign=(
        lambda F, G: (G > 0).float(),
        "You gave 1 to each positive gradient. The formula has G² / (2 G² + ΣF G³).",
    ),
    without_the_sign_of_the_cube=(
        positive(lambda F, G: over(torch.ones_like(G), 2 + total(F) + G)),
        "You added G and ΣF. They are multiplied: ΣF · G³.",
    ),
)


def fraction_right(F, G):
    return torch.where(G > 0, 1 / (2 + total(F) * G), torch.zeros_like(G))


for small in (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-3):  # what learners and libraries add
    pixel_weights.wrongs(
        **{
            f"{small:.0e}_added_below": (
                fraction(small=small),
                "You added a small number below the line. Beside gradients of 0.0001 it is not "
                "small: their squares are 0.00000001. Add nothing, and choose with torch.where.",
            )
        }
    )


def as_printed(F, G):
    S = F.sum((2, 3), keepdim=True)
    return torch.where(G > 0, G**2 / (2 * G**2 + S * G**3), torch.zeros_like(G))


def place_by_place(F, G):
    α = torch.zeros_like(G)
    for n, k, x, y in np.ndindex(*G.shape):
        g = float(G[n, k, x, y])
        if g > 0:
            α[n, k, x, y] = g**2 / (2 * g**2 + float(F[n, k].sum()) * g**3)
    return α


def written_into_zeros(F, G):
    α, S = torch.zeros_like(G), F.sum((2, 3), keepdim=True).expand_as(G)
    on = G > 0
    α[on] = G[on] ** 2 / (2 * G[on] ** 2 + S[on] * G[on] ** 3)
    return α


def numpy_inside(F, G):
    F, G = F.numpy(), G.numpy()
    S = F.sum(axis=(2, 3), keepdims=True)
    with np.errstate(all="ignore"):
        return np.where(G > 0, G**2 / (2 * G**2 + S * G**3), 0)


pixel_weights.accepts_all(
    as_printed=as_printed,
    place_by_place=place_by_place,
    written_into_zeros=written_into_zeros,
    numpy_inside=numpy_inside,
    nan_to_num=lambda F, G: torch.nan_to_num(
        G.relu() ** 2 / (2 * G.relu() ** 2 + total(F) * G.relu() ** 3)
    ),
    float64_inside=lambda F, G: fraction()(F.double(), G.double()),
    negligible_epsilon=fraction(small=1e-12),
    relu_in_the_short_form=lambda F, G: (G > 0) / (2 + total(F) * G.clamp(min=0)),
)


# ------------------------------------------------------------------ 10.2

grad_cam_plus_plus = Exercise(
    "10.2",
    "grad_cam_plus_plus",
    formula="L = ReLU(Σ_k w_k F_k), w_k = Σ_xy α_k[x, y] · ReLU(G_k[x, y])",
    hints=(
        "α says how much each place counts. Multiply it by the positive part of the gradient there, "
        "and add up the places: one weight for each channel. Then go on as in Grad-CAM.",
        "w_k = Σ_xy α ReLU(G), (N, K); it is a sum, α does the averaging. Then "
        "L = ReLU(Σ_k w_k F_k), (N, h, w).",
        "Take α from pixel_weights(F, G), multiply it by G.relu(), sum over axes 2 and 3. Multiply F "
        "by these weights, sum over the channels, relu.",
    ),
)


@grad_cam_plus_plus.cases
def _(rng):
    F, G = normal(rng, 2, 5, 4, 7).relu(), normal(rng, 2, 5, 4, 7)
    yield Case("two images, feature maps of 4×7", F, G)
    yield Case("one image, one channel, maps of 3×2", ramp(rng, 1, 1, 3, 2), ramp(rng, 1, 1, 3, 2))
    even = normal(rng, 3, 4, 1, 1).expand(3, 4, 5, 3).clone()
    yield Case("the gradient is the same at all places", normal(rng, 3, 4, 5, 3).relu(), even)
    yield Case("only evidence against the class", F, -G.abs())
    small = 1e-4 * ramp(rng, 2, 3, 4, 6) * normal(rng, 2, 3, 4, 6).sign()
    yield Case("gradients of size 0.0001", ramp(rng, 2, 3, 4, 6), small)
    yield Case("features with a sign, small gradients", normal(rng, 2, 4, 3, 5), small_ones(rng))
    yield Case("as many channels as rows", normal(rng, 3, 4, 4, 6).abs(), normal(rng, 3, 4, 4, 6))


def small_ones(rng):
    return 0.02 * normal(rng, 2, 4, 3, 5)


def α_of(F, G):
    """Equation 19, for features of any sign."""
    return torch.where(G > 0, over(torch.ones_like(G), 2 + total(F) * G), torch.zeros_like(G))


def weighted(w, end=torch.relu):
    """The map of these weights, (N, K, 1, 1)."""
    return lambda F, G: end((w(F, G) * F).sum(1))


def right_weights(F, G):
    return total(α_of(F, G) * G.relu())


@grad_cam_plus_plus.reference
def _(F, G):
    w = (α_of(F, G) * G.relu()).sum((2, 3))
    return torch.einsum("nk,nkxy->nxy", w, F).relu()


def unmasked(F, G):
    return over(torch.ones_like(G), 2 + total(F) * G)


grad_cam_plus_plus.teaches(
    {
        "result: minmax": "You scaled the map to [0, 1]. That is for a picture; here the raw values "
        "are asked for.",
        "result: unsqueeze 1": "The channel axis is still there, with length 1. The map is "
        "(N, h, w).",
    }
)

grad_cam_plus_plus.wrongs(
    no_relu_at_the_end=(
        weighted(right_weights, end=lambda M: M),
        "The ReLU around the sum is missing: negative values of the map become 0.",
    ),
    axes_missing=(
        lambda F, G: (right_weights(F, G)[:, :, 0, 0] * F).sum(1).relu(),
        "The weights are (N, K) and do not meet F, (N, K, h, w). Give them two axes more, "
        "[:, :, None, None], or use einsum.",
    ),
    no_pixel_weights=(
        weighted(lambda F, G: total(G.relu())),
        "α is missing: you added up the positive gradients. Multiply them by the pixel weights "
        "first.",
    ),
    mean_of_the_positive_gradients=(
        weighted(lambda F, G: G.relu().mean((2, 3), keepdim=True)),
        "α is missing: you took the mean of the positive gradients. Multiply each by its pixel "
        "weight, and add up.",
    ),
    grad_cam=(
        weighted(lambda F, G: G.mean((2, 3), keepdim=True)),
        "This is Grad-CAM: the mean of the gradient. Here each place has its weight α, and only "
        "positive gradients count.",
    ),
    mean_over_the_places=(
        weighted(lambda F, G: (α_of(F, G) * G.relu()).mean((2, 3), keepdim=True)),
        "You took the mean over the places. It is a sum: α does the averaging.",
    ),
    negative_gradients_kept=(
        weighted(lambda F, G: total(unmasked(F, G) * G)),
        "You kept the negative gradients. Only their positive part counts: ReLU(G).",
    ),
    negative_gradients_kept_sizes_below=(
        weighted(lambda F, G: total(over(torch.ones_like(G), 2 + total(F) * G.abs()) * G)),
        "You kept the negative gradients. Only their positive part counts: ReLU(G). It is this ReLU "
        "that makes the method.",
    ),
    exponential_of_the_weights=(
        weighted(lambda F, G: right_weights(F, G).exp()),
        "You took the exponential of w. Of Y = exp(S) only the factor exp(S) would come in, the same "
        "for all places, and it is left out.",
    ),
    alpha_squared=(
        weighted(lambda F, G: total(α_of(F, G) ** 2 * G.relu())),
        "You multiplied by α twice. It is α ReLU(G), once at each place.",
    ),
    sizes_of_the_gradients=(
        weighted(lambda F, G: total(over(torch.ones_like(G), 2 + total(F) * G.abs()) * G.abs())),
        "You took the size of the gradients. Only their positive part counts: ReLU(G).",
    ),
    only_the_pixel_weights=(
        weighted(lambda F, G: total(α_of(F, G))),
        "The gradient is missing: w is the sum of α times ReLU(G).",
    ),
    mean_of_both=(
        weighted(lambda F, G: total(α_of(F, G)) * G.relu().mean((2, 3), keepdim=True)),
        "You added up α and the gradient apart, one of them as a mean. Multiply them at each place, "
        "then add up.",
    ),
    alpha_summed_then_multiplied=(
        weighted(lambda F, G: total(α_of(F, G)) * total(G.relu())),
        "You summed α and the gradient apart. Multiply them at each place, then add up.",
    ),
    places_multiplied=(
        lambda F, G: (α_of(F, G) * G.relu() * F).sum(1).relu(),
        "You multiplied F at each place. Here α only helps to find one weight for each channel: "
        "sum α ReLU(G) over the places first.",
    ),
    normalised_as_the_authors=(
        weighted(lambda F, G: over(right_weights(F, G), total(α_of(F, G)))),
        "You divided α by its sum over the places. The authors' program does so; Equation 19 does "
        "not.",
    ),
    gradient_squared=(
        weighted(lambda F, G: total(α_of(F, G) * G.relu() ** 2)),
        "You squared the gradient. It is α times ReLU(G); the squares are inside α.",
    ),
    relu_before_the_sum=(
        lambda F, G: (right_weights(F, G) * F).relu().sum(1),
        "You applied the ReLU to each channel, before the sum. It stands around the sum: first sum, "
        "then ReLU.",
    ),
    mean_over_the_channels=(
        lambda F, G: (right_weights(F, G) * F).mean(1).relu(),
        "You took the mean over the channels. The formula has a sum: your map is smaller by the "
        "factor K.",
    ),
    channels_not_summed=(
        lambda F, G: (right_weights(F, G) * F).relu(),
        "The channel axis is still there: the weighted feature maps must be added up.",
    ),
    only_the_weights=(
        lambda F, G: right_weights(F, G)[:, :, 0, 0],
        "These are the weights (N, K). The map is the sum of the channels times their weights.",
    ),
    weights_of_all_images=(
        lambda F, G: (right_weights(F, G).sum(0, keepdim=True) * F).sum(1).relu(),
        "You added the weights of all images. Each image has its own.",
    ),
    one_half_everywhere=(
        weighted(lambda F, G: total(0.5 * G.relu())),
        "Your α is 1/2 everywhere. Take it from pixel_weights(F, G).",
    ),
    enlarged=(
        lambda F, G: functional.interpolate(
            (right_weights(F, G) * F).sum(1, keepdim=True).relu(), scale_factor=4
        )[:, 0],
        "You enlarged the map. It has the size of the layer, (N, h, w).",
    ),
)
for small in (1e-8, 1e-6):
    grad_cam_plus_plus.wrongs(
        **{
            f"{small:.0e}_added_below": (
                weighted(
                    lambda F, G, small=small: total(fraction(small=small)(F, G) * G.relu()),
                ),
                "Your α has a small number below the line. Beside the squares of small gradients it "
                "is not small: use pixel_weights of 10.1.",
            )
        }
    )

grad_cam_plus_plus.accepts_all(
    short_form=weighted(lambda F, G: total(G.relu() * unmasked(F, G) * (G > 0))),
    einsum_in_float64=lambda F, G: torch.einsum(
        "nkuv,nkuv,nkxy->nxy", α_of(F, G).double(), G.double().clamp(min=0), F.double()
    ).clamp(min=0),
    numpy_inside=lambda F, G: np.maximum(
        np.einsum("nk,nkxy->nxy", right_weights(F, G).numpy()[:, :, 0, 0], F.numpy()), 0
    ),
    masked_alpha_and_plain_gradient=weighted(lambda F, G: total(α_of(F, G) * G)),
)


@grad_cam_plus_plus.accepts
def nested_loops(F, G):
    L = torch.zeros(len(F), *F.shape[2:])
    for n in range(len(F)):
        for k in range(F.shape[1]):
            L[n] += float((α_of(F, G)[n, k] * G[n, k].clamp(min=0)).sum()) * F[n, k]
    return L.clamp(min=0)


# ------------------------------------------------------------------ 10.3

smooth = Exercise(
    "10.3",
    "smooth_grad_cam_plus_plus",
    patience=3,  # each answer runs the network for every sample
    formula="D_p = mean of G^p over noisy images; α = D_2 / (2 D_2 + ΣF · D_3); "
    "w = Σ_xy α ReLU(D_1); L = ReLU(Σ_k w_k F_k)",
    hints=(
        "Ask for the gradient at many noisy images, as in SmoothGrad. Collect three means: of the "
        "gradient, of its square, of its cube. They stand where G, G² and G³ stood.",
        "F is that of the clean x. In a loop: ε = torch.randn(x.shape, generator=generator), and "
        "G from look(features, classifier, x + sigma · ε, c). Add G, G², G³ to three sums, and "
        "divide each by samples.",
        "With the three means: α = D2 / (2 D2 + S D3), S the sum of F over the places; where the "
        "line below is 0 take 0. w = sum of α D1.relu() over axes 2 and 3; then weigh F, add up the "
        "channels, relu.",
    ),
)


def of_class(Y, c):
    """The logit of each image's class: (N, C) -> (N,)."""
    return Y[torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))]


def bent(C, K, size, classes, scale=1.0, sign=torch.relu):
    """Features (a convolution) and a classifier whose gradient differs from place to place."""
    convolution = nn.Conv2d(C, K, 3, padding=1)
    head = nn.Sequential(
        nn.Flatten(), nn.Linear(K * size[0] * size[1], 12), nn.Tanh(), nn.Linear(12, classes)
    )
    with torch.no_grad():
        head[1].weight.mul_(2.5)
        head[3].weight.mul_(scale)
    return lambda x: sign(convolution(x)), head.requires_grad_(False)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@smooth.cases
def _(rng):
    f, k = bent(3, 5, (4, 4), 4)
    yield Case(
        "two colour images, four samples", f, k, normal(rng, 2, 3, 4, 4), 1, 4, 0.3, seeded(1)
    )
    f, k = bent(1, 4, (4, 8), 5)
    c = torch.tensor([4, 0, 2])
    yield Case(
        "three grey images, a class for each", f, k, normal(rng, 3, 1, 4, 8), c, 3, 0.5, seeded(2)
    )
    f, k = bent(2, 3, (2, 8), 3)
    yield Case("one image, one sample", f, k, normal(rng, 1, 2, 2, 8), 0, 1, 1.0, seeded(3))
    f, k = bent(1, 6, (8, 2), 3, 1e-3)
    c = torch.tensor([2, 0])
    yield Case("small gradients, 7 samples", f, k, normal(rng, 2, 1, 8, 2), c, 7, 0.2, seeded(4))
    f, k = bent(3, 4, (4, 4), 4)
    yield Case("sigma is 0: no noise", f, k, normal(rng, 2, 3, 4, 4), 3, 2, 0.0, seeded(5))
    f, k = bent(1, 5, (4, 4), 3, 0.02, torch.tanh)
    yield Case("features with a sign", f, k, normal(rng, 2, 1, 4, 4), 2, 3, 0.3, seeded(6))
    f, k = bent(2, 3, (4, 4), 3)
    with torch.no_grad():
        k[1].weight.view(12, 3, 4, 4)[:, 1] = 0
    x = normal(rng, 2, 2, 4, 4)
    yield Case("a channel that the class does not use", f, k, x, 1, 3, 0.3, seeded(7))


@smooth.probe
def _(answer, features, classifier, x, c, samples, sigma, generator):
    """Random numbers of torch's own start at one place, so a forgotten generator is known."""
    torch.manual_seed(7)
    before = generator.get_state()
    result = answer(features, classifier, x, c, samples, sigma, generator)
    nothing = getattr(result, "ndim", None) != 3
    used = nothing or sigma == 0 or not torch.equal(before, generator.get_state())
    graph = "still holds its graph" if getattr(result, "requires_grad", False) else "plain numbers"
    noise = "from the generator" if used else "from elsewhere"
    return {"the noise comes": noise, "the map": graph, "result": result}


def gradient(features, classifier, x, c, score=of_class):
    """F and G = ∂score/∂F, (N, K, h, w)."""
    F = features(x).detach().requires_grad_()
    return F.detach(), torch.autograd.grad(score(classifier(F), c).sum(), F)[0]


def from_means(D1, D2, D3, F, end=torch.relu):
    α = over(D2, 2 * D2 + total(F) * D3)
    return end((total(α * D1.relu()) * F).sum(1))


@smooth.reference
def _(features, classifier, x, c, samples, sigma, generator):
    D1, D2, D3 = 0, 0, 0
    for _ in range(samples):
        noise = torch.randn(x.shape, generator=generator)
        _, G = gradient(features, classifier, x + sigma * noise, c)
        D1, D2, D3 = D1 + G / samples, D2 + G**2 / samples, D3 + G**3 / samples
    F, _ = gradient(features, classifier, x, c)
    return from_means(D1, D2, D3, F)


def smoothed(end=from_means, moved=None, noise=None, score=of_class, change=None, F_of="clean"):
    """Smooth Grad-CAM++ with one thing done in another way.

    `end` gets D1, D2, D3 and F; `change` gets all gradients, (samples, N, K, h, w).
    """
    noise = noise or (lambda x, g: torch.randn(x.shape, generator=g))
    moved = moved or (lambda x, noise, sigma: x + sigma * noise)
    change = change or (lambda Gs: (Gs.mean(0), (Gs**2).mean(0), (Gs**3).mean(0)))

    def answer(features, classifier, x, c, samples, sigma, generator):
        each = [
            gradient(features, classifier, moved(x, noise(x, generator), sigma), c, score)
            for _ in range(samples)
        ]
        Fs, Gs = (torch.stack(part) for part in zip(*each, strict=True))
        clean = gradient(features, classifier, x, c, score)[0]
        F = {"clean": clean, "mean": Fs.mean(0), "last": Fs[-1]}[F_of]
        return end(*change(Gs), F)

    return answer


def powers(of):
    """D1, D2, D3 from something that is done with all gradients to each power."""
    return lambda Gs: tuple(of(Gs**p) for p in (1, 2, 3))


def of_means(Gs):
    D1 = Gs.mean(0)
    return D1, D1**2, D1**3


ENDS = {
    "as asked": (from_means, ""),
    "first_mean_above": (
        lambda D1, D2, D3, F: (
            (total(over(D1, 2 * D2 + total(F) * D3) * D1.relu()) * F).sum(1).relu()
        ),
        "Above the line you took D_1, the mean of the gradient. There stands D_2, the mean of its "
        "square.",
    ),
    "no_relu_at_the_end": (
        lambda D1, D2, D3, F: from_means(D1, D2, D3, F, lambda M: M),
        "The ReLU around the sum is missing: negative values of the map become 0.",
    ),
    "two_left_out": (
        lambda D1, D2, D3, F: (total(over(D2, D2 + total(F) * D3) * D1.relu()) * F).sum(1).relu(),
        "The 2 below the line is missing: it is 2 D_2 + ΣF D_3.",
    ),
    "mean_of_F": (
        lambda D1, D2, D3, F: (
            (total(over(D2, 2 * D2 + F.mean((2, 3), keepdim=True) * D3) * D1.relu()) * F)
            .sum(1)
            .relu()
        ),
        "You took the mean of F below the line. The formula has its sum over all places.",
    ),
    "nan_where_nothing_is_used": (
        lambda D1, D2, D3, F: (total(D2 / (2 * D2 + total(F) * D3) * D1.relu()) * F).sum(1).relu(),
        "A channel that the class does not use has D_2 = 0: you divided 0 by 0, and one nan spoils "
        "the whole map. Where the line below is 0 take α = 0.",
    ),
    "epsilon_below": (
        lambda D1, D2, D3, F: (
            (total(D2 / (2 * D2 + total(F) * D3 + 1e-6) * D1.relu()) * F).sum(1).relu()
        ),
        "You added a small number below the line. Beside the squares of small gradients it is not "
        "small: add nothing, and take α = 0 where the line below is 0.",
    ),
    "no_pixel_weights": (
        lambda D1, D2, D3, F: (total(D1.relu()) * F).sum(1).relu(),
        "α is missing: w is the sum of α times ReLU(D_1).",
    ),
    "negative_gradients_kept": (
        lambda D1, D2, D3, F: (total(over(D2, 2 * D2 + total(F) * D3) * D1) * F).sum(1).relu(),
        "You kept the negative values of D_1. Only its positive part counts: ReLU(D_1).",
    ),
    "mean_over_the_places": (
        lambda D1, D2, D3, F: from_means(D1, D2, D3, F) / F[0, 0].numel(),
        "You took the mean over the places. w is a sum: α does the averaging.",
    ),
    "places_multiplied": (
        lambda D1, D2, D3, F: (over(D2, 2 * D2 + total(F) * D3) * D1.relu() * F).sum(1).relu(),
        "You multiplied F at each place. Sum α ReLU(D_1) over the places first: one weight for each "
        "channel.",
    ),
}
CHANGES = {
    "means of the powers": (None, ""),
    "powers_of_the_mean": (
        of_means,
        "You took the powers of the mean gradient. D_2 is the mean of the squares and D_3 the mean "
        "of the cubes: first the power, then the mean.",
    ),
    "sums": (
        powers(lambda A: A.sum(0)),
        "You added the gradients up and did not divide by samples. D_1 is a mean.",
    ),
    "only_the_last_sample": (
        powers(lambda A: A[-1]),
        "Only the last sample counts. Add up the powers of all gradients.",
    ),
    "sizes": (
        lambda Gs: powers(lambda A: A.mean(0))(Gs.abs()),
        "You took the size of each gradient before the mean. The sign stays; only D_1 goes through "
        "a ReLU, after the mean.",
    ),
    "relu_before_the_mean": (
        lambda Gs: powers(lambda A: A.mean(0))(Gs.relu()),
        "You cut off the negative gradients of each sample. First the mean, then the ReLU of D_1.",
    ),
    "last_gradient_in_the_relu": (
        lambda Gs: (Gs[-1], (Gs**2).mean(0), (Gs**3).mean(0)),
        "In the ReLU stands the gradient of the last sample. There stands D_1, the mean of all.",
    ),
}
MOVED = {
    "sigma times noise": (None, ""),
    "sigma_as_variance": (
        lambda x, noise, sigma: x + sigma**0.5 * noise,
        "You took sigma for the variance. It is the standard deviation: multiply the noise by sigma "
        "itself.",
    ),
    "sigma_squared": (
        lambda x, noise, sigma: x + sigma**2 * noise,
        "You multiplied the noise by sigma². Multiply it by sigma.",
    ),
    "sigma_of_the_range": (
        lambda x, noise, sigma: x + sigma * float(x.max() - x.min()) * noise,
        "You multiplied sigma by the range of the image. Here sigma is the standard deviation "
        "itself.",
    ),
    "sigma_left_out": (
        lambda x, noise, sigma: x + noise,
        "You left sigma out: the noise has standard deviation 1, whatever is asked for.",
    ),
}

ALONE = ("no_pixel_weights", "nan_where_nothing_is_used", "epsilon_below")
smooth.products(
    lambda end, change: smoothed(end, change=change),
    end={name: ENDS[name] for name in ENDS if name not in ALONE},
    change={name: CHANGES[name] for name in ("means of the powers", "powers_of_the_mean")},
)
smooth.wrongs(
    **{
        name: (smoothed(change=change), sentence)
        for name, (change, sentence) in CHANGES.items()
        if sentence and name != "powers_of_the_mean"
    },
    **{
        name: (smoothed(moved=moved), sentence)
        for name, (moved, sentence) in MOVED.items()
        if sentence
    },
    **{name: (smoothed(ENDS[name][0]), ENDS[name][1]) for name in ALONE},
)


def mean_of_the_maps(features, classifier, x, c, samples, sigma, generator):
    M = 0
    for _ in range(samples):
        noisy = x + sigma * torch.randn(x.shape, generator=generator)
        F, G = gradient(features, classifier, noisy, c)
        M = M + from_means(G, G**2, G**3, F) / samples
    return M


def noise_adds_up(features, classifier, x, c, samples, sigma, generator):
    Gs, F = [], gradient(features, classifier, x, c)[0]
    for _ in range(samples):
        x = x + sigma * torch.randn(x.shape, generator=generator)
        Gs.append(gradient(features, classifier, x, c)[1])
    return from_means(*powers(lambda A: A.mean(0))(torch.stack(Gs)), F)


def image_changed(features, classifier, x, c, samples, sigma, generator):
    F, Gs = gradient(features, classifier, x, c)[0], []
    for _ in range(samples):
        x += sigma * torch.randn(x.shape, generator=generator)
        Gs.append(gradient(features, classifier, x, c)[1])
    return from_means(*powers(lambda A: A.mean(0))(torch.stack(Gs)), F)


def one_draw_for_all(features, classifier, x, c, samples, sigma, generator):
    noise = torch.randn(x.shape, generator=generator)
    return smoothed(noise=lambda x, g: noise)(features, classifier, x, c, samples, sigma, generator)


def noise_on_the_features(features, classifier, x, c, samples, sigma, generator):
    F, Gs = features(x).detach(), []
    for _ in range(samples):
        moved = F + sigma * torch.randn(F.shape, generator=generator)
        Gs.append(gradient(lambda z: z, classifier, moved, c)[1])
    return from_means(*powers(lambda A: A.mean(0))(torch.stack(Gs)), F)


def own_generator(features, classifier, x, c, samples, sigma, generator):
    return smoothed()(features, classifier, x, c, samples, sigma, seeded(0))


def always_25(features, classifier, x, c, samples, sigma, generator):
    return smoothed()(features, classifier, x, c, 25, sigma, generator)


def graph_kept(features, classifier, x, c, samples, sigma, generator):
    result = smoothed()(features, classifier, x, c, samples, sigma, generator)
    return result + 0 * features(x).sum()


def not_smoothed(features, classifier, x, c, samples, sigma, generator):
    F, G = gradient(features, classifier, x, c)
    return from_means(G, G**2, G**3, F)


smooth.wrongs(
    mean_of_the_maps=(
        mean_of_the_maps,
        "You made a Grad-CAM++ map of each noisy image and took their mean. One known program does "
        "so. Here the powers of the gradient are averaged, and F is that of the clean image.",
    ),
    features_of_the_noisy_images=(
        smoothed(F_of="mean"),
        "You took the mean of the noisy feature maps. F is that of the clean image x.",
    ),
    features_of_the_last_noisy_image=(
        smoothed(F_of="last"),
        "You took F of the last noisy image. F is that of the clean image x.",
    ),
    generator_ignored=(
        smoothed(noise=lambda x, g: torch.randn_like(x)),
        "You drew the noise without the generator. Give it to torch.randn(x.shape, "
        "generator=generator), or nobody can draw your map again.",
    ),
    own_generator=(
        own_generator,
        "You made a generator of your own. Draw the noise with the one that is given.",
    ),
    always_25=(
        always_25,
        "You drew 25 samples, whatever is asked for. The argument samples says how many.",
    ),
    sigma_fixed=(
        smoothed(moved=lambda x, noise, sigma: x + 0.15 * noise),
        "You took a sigma of your own. Multiply the noise by the argument sigma.",
    ),
    one_noise_for_the_batch=(
        smoothed(noise=lambda x, g: torch.randn(x.shape[1:], generator=g)),
        "You drew one noise for all images of the batch. Draw x.shape: fresh noise for each image.",
    ),
    graph_kept=(
        graph_kept,
        "The numbers are right, but your map still holds the graph that made it. Take F with "
        ".detach(), as `look` does.",
    ),
    uniform_noise=(
        smoothed(noise=lambda x, g: torch.rand(x.shape, generator=g)),
        "You drew with rand: numbers between 0 and 1. randn gives the normal distribution, with "
        "both signs.",
    ),
    one_draw_for_all=(
        one_draw_for_all,
        "You drew the noise once, before the loop. Each sample needs fresh noise.",
    ),
    noise_adds_up=(
        noise_adds_up,
        "The noise adds up: you write the noisy image back into x. Each sample starts from the "
        "clean x.",
    ),
    image_changed=(
        image_changed,
        "You changed the caller's image: += writes into x. Make a new one, x + sigma · noise.",
    ),
    noise_on_the_features=(
        noise_on_the_features,
        "You added the noise to the feature maps. It belongs to the image, before the features.",
    ),
    not_smoothed=(
        not_smoothed,
        "This is Grad-CAM++ of the clean image: no noise at all.",
    ),
    probability=(
        smoothed(score=lambda Y, c: of_class(Y.softmax(1), c)),
        "You took the gradient of the probability. It is that of the logit.",
    ),
    winner=(
        smoothed(score=lambda Y, c: Y.amax(1)),
        "You took the largest logit. c says which class is asked for, and it need not be the "
        "winner.",
    ),
    class_of_the_first_image=(
        smoothed(score=lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)[0]]),
        "You took the class of the first image for all images. c can hold one class for each.",
    ),
    classes_of_all_images=(
        smoothed(score=lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)].sum(1)),
        "Y[:, c] takes the classes of all images from every row. look(features, classifier, x, c) "
        "picks the right one for each image.",
    ),
    twice=(
        lambda *given: 2 * smoothed()(*given),
        "Your map is twice what is asked for: there is a factor 2 too many.",
    ),
    one_image_for_all=(
        lambda *given: smoothed()(*given).mean(0),
        "You took the mean over the images. Each image has its own map.",
    ),
)


@smooth.accepts
def one_image_after_the_other(features, classifier, x, c, samples, sigma, generator):
    """The same noise, all samples first, then a loop over the images."""
    noise = torch.stack([torch.randn(x.shape, generator=generator) for _ in range(samples)])
    maps = []
    for n, k in enumerate(torch.as_tensor(c).expand(len(x)).tolist()):
        many = x[n] + sigma * noise[:, n]
        G = gradient(features, classifier, many, k)[1].double()
        F = features(x[n : n + 1]).detach().double()
        D = [(G**p).mean(0, keepdim=True) for p in (1, 2, 3)]
        maps.append(from_means(*D, F)[0])
    return torch.stack(maps).float()


smooth.accepts_all(
    all_noise_in_one_draw=lambda features, classifier, x, c, samples, sigma, generator: smoothed(
        noise=iterated(torch.randn(samples, *x.shape, generator=generator))
    )(features, classifier, x, c, samples, sigma, generator),
    numpy_at_the_end=smoothed(
        lambda D1, D2, D3, F: from_means(*(torch.from_numpy(D.numpy()) for D in (D1, D2, D3)), F)
    ),
    negligible_epsilon=smoothed(
        lambda D1, D2, D3, F: (
            (total(D2 / (2 * D2 + total(F) * D3 + 1e-20) * D1.relu()) * F).sum(1).relu()
        )
    ),
    nan_to_num=smoothed(
        lambda D1, D2, D3, F: (
            (total(torch.nan_to_num(D2 / (2 * D2 + total(F) * D3)) * D1.relu()) * F).sum(1).relu()
        )
    ),
    sums_divided_at_the_end=smoothed(
        change=lambda Gs: tuple((Gs**p).sum(0) / len(Gs) for p in (1, 2, 3))
    ),
)


def iterated(noise):
    """One draw after the other."""
    draws = iter(noise)
    return lambda x, g: next(draws)


def test_lesson(proof):
    proof()
