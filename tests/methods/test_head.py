"""Is it global average pooling and one linear layer? Nothing else may pass, and that always."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import camlite
from camlite import ArchitectureError
from camlite.methods.head import linear_head


class Net(nn.Module):
    def __init__(self, pool, behind=None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.f = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()
        )
        self.pool, self.fc, self.behind = pool, nn.Linear(32, 10), behind or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(self.fc(self.pool(self.f(x))))


def gap(F: Tensor) -> Tensor:
    return F.mean((2, 3))


OTHER_HEADS = {
    "max": Net(lambda F: F.amax((2, 3))),
    "sum": Net(lambda F: F.sum((2, 3))),
    "middle": Net(lambda F: F[:, :, 6, 6]),
    "power": Net(lambda F: F.pow(3).mean((2, 3)).pow(1 / 3)),
    "length 1": Net(lambda F: nn.functional.normalize(gap(F))),
    "relu of logits": Net(gap, nn.ReLU()),
    "temperature": Net(gap, nn.Softmax(1)),
    "GELU": Net(lambda F: nn.functional.gelu(gap(F))),  # nearly linear for large numbers
    "nearly the mean": Net(lambda F: F.pow(1.001).mean((2, 3)).pow(1 / 1.001)),
    "tanh": Net(gap, lambda Y: 10 * torch.tanh(Y / 10)),  # nearly linear for small ones
}
UNSEEN = [  # these networks and those without the function are one function of numbers
    ("relu of logits", "bias + 300"),  # no logit is ever negative
    ("relu of logits", "bias 1e6"),
    ("GELU", "bias 1e6"),  # what it changes is less than the rounding of the logits
    ("tanh", "small"),
]
CHANGES = {
    "as it is": lambda fc: None,
    "small weights": lambda fc: fc.weight.mul_(1e-3),
    "tiny weights": lambda fc: fc.weight.mul_(1e-5),
    "small": lambda fc: (fc.weight.mul_(1e-3), fc.bias.mul_(1e-3)),
    "bias + 300": lambda fc: fc.bias.add_(300),
    "bias - 100": lambda fc: fc.bias.sub_(100),
    "bias 1e6": lambda fc: fc.bias.add_(1e6),
}


SAME_HEAD = {
    "sum": lambda F: F.sum((2, 3)) / F[0, 0].numel(),
    "pooling": lambda F: nn.functional.adaptive_avg_pool2d(F, 1).flatten(1),
    "rows, then columns": lambda F: F.mean(3).mean(2),
    "one by one": lambda F: sum(F.flatten(2).unbind(2)) / F[0, 0].numel(),
}


def changed(net: Net, change: str) -> Net:
    torch.manual_seed(1)
    net.fc.reset_parameters()
    with torch.no_grad():
        CHANGES[change](net.fc)
    return net.eval()


def images() -> Tensor:
    return torch.rand(4, 3, 13, 13, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("head", OTHER_HEADS)
def test_another_head_is_refused_whatever_its_weights(head, change):
    if (head, change) in UNSEEN:
        return
    net = changed(OTHER_HEADS[head], change)
    with pytest.raises(ArchitectureError):
        camlite.cam(net, "f", images(), 1)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gap_and_linear_is_found_whatever_its_weights(change, dtype):
    net = changed(Net(gap), change).to(dtype)
    x = images().to(dtype)
    F = net.f(x).detach()
    want = torch.einsum("k,nkij->nij", net.fc.weight[1].detach(), F)
    torch.testing.assert_close(camlite.cam(net, "f", x, 1), want)


@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("pool", SAME_HEAD)
def test_gap_is_found_however_it_is_written(pool, change):
    net = changed(Net(SAME_HEAD[pool]), change)
    net.f = net.f[:-1]  # signed maps: their sums round more
    for seed in range(5):
        x = 10 * torch.randn(2, 3, 40, 50, generator=torch.Generator().manual_seed(seed))
        camlite.cam(net, "f", x, 1)


def test_dead_images_and_no_bias_are_no_obstacle():
    net = Net(gap)
    net.fc = nn.Linear(32, 10, bias=False)
    with torch.no_grad():
        W, _ = linear_head(net, lambda F: net.fc(gap(F)), torch.zeros(2, 32, 4, 4))
    assert torch.equal(W, net.fc.weight)
    F = torch.rand(3, 32, 4, 4)
    F[1] = 0
    with torch.no_grad():
        linear_head(net, lambda F: net.fc(gap(F)), F)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("head", ["max", "power", "relu of logits"])
def test_ablation_takes_the_closed_form_only_where_it_holds(head, change):
    net, x, c = changed(OTHER_HEADS[head], change).double(), images().double(), 1
    with torch.no_grad():
        F = net.f(x)
        Y = net(x)[:, c]
        drop = torch.empty(F.shape[:2], dtype=F.dtype)
        for k in range(F.shape[1]):
            F_k = F.clone()
            F_k[:, k] = 0
            drop[:, k] = Y - net.behind(net.fc(net.pool(F_k)))[:, c]
        want = torch.einsum("nk,nkij->nij", drop, F).relu()
    got = camlite.ablation_cam(net, "f", x, c, divide="none")
    net.float()
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-9)
