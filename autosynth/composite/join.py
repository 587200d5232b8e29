"""The modules that join several parts' outputs, tokens or features to one.

Most are trained with the network. `PostHocSum` and `Stack` are fitted afterwards, on outputs for
rows that the parts have not learnt from: `fit_post_hoc` takes those and the targets.

A cascade joins by steps of its own: rows whose largest class probability is below a threshold go
on to the next part; the others skip its work (BranchyNet, Teerapittayanon et al., 2016,
arXiv:1709.01686; Wang et al., 2020, arXiv:2012.01988). The threshold is fixed on held-back rows so
that a given share of them goes on: what a cascade costs in expectation is then known before it is
trained.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.composite.objective import logs_of, mean_of
from autosynth.piece import Tokens
from autosynth.spec import TargetSpec
from autosynth.task.loss import loss_of

# A stack reads a few outputs of some hundred to some thousand rows, all of them at every step. It
# is small and decayed so that it does not learn these by heart: on mnist1d one was 3 to 6 points
# better than the mean of probabilities, on CricketX, of 312 rows, no better (results/composition).
STACK_HIDDEN = 16
# It begins as the parts' mean, so that steps that are too few leave it near that.
STACK_STEPS, STACK_LR, STACK_DECAY = 300, 0.02, 1e-2


class Sum(nn.Module):
    """Parts times fixed or learned weights, summed. Tensors of one shape."""

    alpha: Tensor

    def __init__(self, alpha: Sequence[float], learned: bool) -> None:
        super().__init__()
        values = torch.tensor(alpha)
        if learned:
            self.alpha = nn.Parameter(values)
        else:
            self.register_buffer("alpha", values)

    def forward(self, *parts: Tensor) -> Tensor:
        """The weighted sum."""
        return (torch.stack(parts, -1) * self.alpha.to(parts[0].dtype)).sum(-1)


class MeanProbability(nn.Module):
    """The mean of the parts' outputs, or of their probabilities (`mean_of`)."""

    def __init__(self, target: TargetSpec) -> None:
        super().__init__()
        self.target = target

    def forward(self, *parts: Tensor) -> Tensor:
        """Outputs (batch, n_outputs)."""
        return mean_of(self.target, parts)


class Attend(nn.Module):
    """Attention over the parts: a softmax over scores that are linear in each part's values."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.score = nn.Parameter(torch.randn(n, width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(n))

    def forward(self, *parts: Tensor) -> Tensor:
        """The parts, weighted by the softmax."""
        values = torch.stack(parts, -2)
        scores = (values * self.score.to(values.dtype)).sum(-1, keepdim=True)
        return ((scores + self.bias.unsqueeze(-1).to(values.dtype)).softmax(-2) * values).sum(-2)


class Concat(nn.Module):
    """Parts side by side."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Their widths add up."""
        return torch.cat(parts, -1)


class Gated(nn.Module):
    """Parts times gates that read all of them, summed (Arevalo et al., 2017, arXiv:1702.01992).

    Gates are in (0, 2) and begin at one, as a plain sum (Swietojanski and Renals, 2014): from
    halves, the parts would learn later.
    """

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(n * width, n * width)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def forward(self, *parts: Tensor) -> Tensor:
        """The sum of the gated parts."""
        gates = 2 * self.gate(torch.cat(parts, -1)).sigmoid()
        gated: Tensor = torch.unflatten(gates, -1, (len(parts), -1)) * torch.stack(parts, -2)
        return gated.sum(-2)


class Bilinear(nn.Module):
    """Low-rank bilinear pooling: each part projected to `rank`, tanh, multiplied, projected back.

    Kim et al. (2017, arXiv:1610.04325), without the bias of the projections, and with their
    shortcut: the parts' sum is added. A product of small numbers, each of which waits for the
    other, lets the parts learn late.
    """

    def __init__(self, n: int, width: int, rank: int) -> None:
        super().__init__()
        self.inside = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(n))
        self.back = nn.Linear(rank, width)

    def forward(self, *parts: Tensor) -> Tensor:
        """Products of the projected parts, at their own width again, and the parts' sum."""
        product = self.inside[0](parts[0]).tanh()
        for linear, part in zip(self.inside[1:], parts[1:], strict=True):
            product = product * linear(part).tanh()
        joined: Tensor = self.back(product)
        return joined + torch.stack(parts, -1).sum(-1)


class PostHocModule(nn.Module, ABC):
    """A joint that is fitted after the parts are trained."""

    @abstractmethod
    def fit_post_hoc(
        self, parts: Sequence[Tensor], y: Tensor, weights: Tensor | None = None
    ) -> None:
        """Fit it to what it reads of the parts, (rows, ...) each, and to the true values.

        `weights` (rows,) are those of the loss, 1 of each row if None.
        """


class PostHocSum(Sum, PostHocModule):
    """A sum whose weights are fitted afterwards: those of the least loss on held-back rows.

    The loss is convex in them (cross entropy of a sum of logits, or squared error).
    """

    def __init__(self, n: int, target: TargetSpec) -> None:
        super().__init__([1 / n] * n, learned=False)
        self.target = target

    def fit_post_hoc(
        self, parts: Sequence[Tensor], y: Tensor, weights: Tensor | None = None
    ) -> None:
        """Fit the weights to outputs (rows, n_outputs) of the parts and the true values."""
        alpha = self.alpha.double().clone().requires_grad_()
        stacked = torch.stack([part.double() for part in parts], -1)
        optimizer = torch.optim.LBFGS([alpha], max_iter=100, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = loss_of(self.target, (stacked * alpha).sum(-1), y, weights=weights)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        with torch.enable_grad():
            optimizer.step(closure)  # type: ignore[no-untyped-call]
        if alpha.isfinite().all():
            self.alpha.copy_(alpha.detach())


class Stack(PostHocModule):
    """A small model over the parts' outputs (Wolpert, 1992): a linear map, or one hidden layer.

    It reads log probabilities, or standardised values, and begins as the parts' mean.
    """

    def __init__(self, n: int, target: TargetSpec, hidden: bool) -> None:
        super().__init__()
        self.target, outputs = target, target.n_outputs
        self.linear = nn.Linear(n * outputs, outputs)
        self.up = nn.Linear(n * outputs, STACK_HIDDEN) if hidden else None
        self.down = nn.Linear(STACK_HIDDEN, outputs, bias=False) if hidden else None
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(outputs).repeat(1, n) / n)
            self.linear.bias.zero_()
            if self.down is not None:
                self.down.weight.zero_()

    def forward(self, *parts: Tensor) -> Tensor:
        """Outputs from the parts' outputs."""
        x = torch.cat([logs_of(self.target, part) for part in parts], -1)
        out: Tensor = self.linear(x)
        if self.up is not None and self.down is not None:
            out = out + self.down(F.gelu(self.up(x)))
        return out

    def fit_post_hoc(
        self, parts: Sequence[Tensor], y: Tensor, weights: Tensor | None = None
    ) -> None:
        """Fit it to outputs of the parts for rows that they have not learnt from."""
        parts = [part.detach().float() for part in parts]
        optimizer = torch.optim.AdamW(self.parameters(), lr=STACK_LR, weight_decay=STACK_DECAY)
        with torch.enable_grad():
            for step in range(STACK_STEPS):
                optimizer.param_groups[0]["lr"] = STACK_LR * (1 - step / STACK_STEPS)
                optimizer.zero_grad()
                loss = loss_of(self.target, self(*parts), y, weights=weights)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()


class Joint(nn.Module):
    """A joint of values applied to tokens; the mask is the first part's."""

    def __init__(self, join: nn.Module) -> None:
        super().__init__()
        self.join = join

    def forward(self, *parts: Tokens) -> Tokens:
        """The joined tokens."""
        return self.join(*(x for x, _ in parts)), parts[0][1]


class Gate(PostHocModule):
    """Outputs (batch, classes) to the numbers of the rows that go on, (rows,), maybe none."""

    threshold: Tensor

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = fraction
        self.register_buffer("threshold", torch.ones(()))

    def forward(self, outputs: Tensor) -> Tensor:
        """Row numbers, ascending."""
        unsure = confidence(outputs) < self.threshold
        return unsure.nonzero().squeeze(1)

    def fit_post_hoc(
        self, parts: Sequence[Tensor], y: Tensor, weights: Tensor | None = None
    ) -> None:
        """Fix the threshold so that `fraction` of these rows go on: costs are of rows alike."""
        if len(parts[0]):
            self.threshold.copy_(torch.quantile(confidence(parts[0]), self.fraction))


def confidence(outputs: Tensor) -> Tensor:
    """The largest class probability of each row."""
    return outputs.float().softmax(-1).amax(-1)


class Gather(nn.Module):
    """Some rows of a raw input."""

    def forward(self, raw: Tensor, rows: Tensor) -> Tensor:
        """The rows, in the order of their numbers."""
        return raw.index_select(0, rows)


class Scatter(nn.Module):
    """Outputs of all rows, in which those of some rows take the place of the old ones."""

    def forward(self, outputs: Tensor, rows: Tensor, better: Tensor) -> Tensor:
        """The outputs, (batch, classes)."""
        return outputs.index_copy(0, rows, better.to(outputs.dtype))
