"""What the study trains: every level of every factor, as strategies for one dataset.

Takes the specs of a dataset; gives the list of levels. One factor is changed at a time, around the
mean of two components of fixed size, trained jointly, sharing nothing, from random parameters.
Single components of several sizes stand beside them: what a composite is held against. Last come
tries: composites that the series and image spaces hold to be good, for the best there is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autosynth.composite import cost, resolve
from autosynth.errors import ConfigError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse, parts

SINGLES, TRIES = "single components", "tries"
FACTORS = ("topology", "fusion", "sharing", "scheme", "initialisation")
BASE = "base: mean(a, b)"
MOST_TOKENS = 40  # that a recurrent or attending part of a series reads: it cuts no finer than 2


@dataclass(frozen=True, kw_only=True)
class Level:
    """A level of a factor, for a pair of components; `pair` is empty where there is none."""

    factor: str
    pair: str
    name: str
    strategy: str


@dataclass(frozen=True, kw_only=True)
class Component:
    """A family at its fixed size; `patch` is how coarsely it cuts, where it reads the input."""

    family: str
    size: str
    patch: int
    lr: float = 0.004

    def __str__(self) -> str:
        return f"{self.family}[{self.size}, patch={self.patch}]"

    @property
    def next(self) -> str:
        """The same behind another one, whose tokens it takes as they are."""
        return f"{self.family}[{self.size}]"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is compared on one kind of input: components, singles by family, tries, settings."""

    components: Mapping[str, Component]
    pairs: Sequence[tuple[str, str]]
    singles: Mapping[str, Sequence[str]]
    tries: Sequence[str]
    settings: str = ""


def levels(inputs: Sequence[InputSpec], target: TargetSpec) -> tuple[Level, ...]:
    """Every level, each strategy in its canonical short form, in the order of training.

    Raises:
        ConfigError: there is no study of this kind of input.
    """
    kind = _kind(inputs)
    found: list[Level] = []
    for factor, pair, name, text, lr in _texts(kind, inputs, target):
        bar = " |" if "|" not in text else ""
        asked = parse(f"{text}{bar} lr={lr} {kind.settings}".rstrip())
        brief = str(resolve(asked, inputs, target).short_form)
        found.append(Level(factor=factor, pair=pair, name=name, strategy=brief))
    return tuple(found)


def _texts(
    kind: Kind, inputs: Sequence[InputSpec], target: TargetSpec
) -> Iterator[tuple[str, str, str, str, float]]:
    """Factor, pair, level, strategy with no more settings than its own, and its learning rate."""
    for family, texts in kind.singles.items():
        for size in texts:
            lr = kind.components[family].lr
            yield SINGLES, "", family, f"{family}[{size}]", lr
    for one, other in kind.pairs:
        a, b = kind.components[one], kind.components[other]
        lr = min(a.lr, b.lr)  # of the more careful part
        flops = {c: cost(resolve(parse(str(c)), inputs, target)).flops for c in (a, b)}
        cheap, dear = sorted((a, b), key=flops.__getitem__)
        for factor, name, text in _around(a, b, cheap, dear):
            yield factor, f"{one}, {other}", name, text, lr
        shared = resolve(parse(f"mean({a}, {b}) share=layers"), inputs, target).short_form
        filled = resolve(shared, inputs, target).strategy
        plain = replace(filled, flags=(), settings=())
        yield "sharing", f"{one}, {other}", "none, built as for layers", str(plain), lr
    for text in kind.tries:
        families = {part.family for part in parts(parse(text).root)}
        lr = min(kind.components[f].lr for f in families if f in kind.components)
        yield TRIES, "", text.partition("(")[0].partition("[")[0], text, lr


def _around(
    a: Component, b: Component, cheap: Component, dear: Component
) -> Iterator[tuple[str, str, str]]:
    """Factor, level and strategy: the base, and one factor at a time away from it."""
    base = f"mean({a}, {b})"
    for factor in FACTORS:
        yield factor, BASE, base
    yield "topology", "a", str(a)
    yield "topology", "b", str(b)
    yield "topology", "a > b", f"{a} > {b.next}"
    yield "topology", "b > a", f"{b} > {a.next}"
    yield "topology", "mean(a > b, a)", f"mean({a} > {b.next}, {a})"
    for method in ("sum", "weighted", "attend", "concat", "gated", "bilinear", "weighted[fit]"):
        yield "fusion", method, f"{method}({a}, {b})"
    yield "fusion", "stack[mlp]", f"stack[mlp]({a}, {b})"
    yield "fusion", "cascade[0.3], cheap first", f"cascade[0.3]({cheap}, {dear})"
    yield "sharing", "stem", f"{base} share=stem"
    yield "sharing", "layers", f"{base} share=layers"
    yield "sharing", "a > a, none", f"{a} > {a.next}"
    yield "sharing", "a > a, full", f"{a} > {a.next} share=full"
    for rows in ("disjoint", "bootstrap", "all"):
        yield "scheme", f"subsets, {rows} rows", f"{base} train=subsets rows={rows}"
    yield "scheme", "staged", f"{base} train=staged"
    yield "scheme", "a > b, joint", f"{a} > {b.next}"
    for words in ("subsets rows=all", "staged", "staged earlier=free"):
        yield "scheme", f"a > b, {words}", f"{a} > {b.next} train={words}"
    # Parts are trained first: as many steps again, which random ones have here, too.
    yield "initialisation", "random, twice the steps", f"{base} | length=2"
    yield "initialisation", "parts", f"{base} init=parts"
    yield "initialisation", "masked", f"{base} init=masked"


def _kind(inputs: Sequence[InputSpec]) -> Kind:
    (spec,) = inputs
    if spec.kind == "series":
        patch = 2
        while spec.shape[-1] > MOST_TOKENS * patch:
            patch *= 2
        return series(patch)
    if spec.kind == "image":
        return IMAGE
    raise ConfigError(f"the study is of series and images, not of a {spec.kind}: {spec.name}")


def series(patch: int) -> Kind:
    """Series; all but the convolutions read them in cuts of `patch` steps."""
    return Kind(
        components={
            "cnn": Component(family="cnn", size="width=32, depth=3, kernel=7", patch=1),
            "gru": Component(family="gru", size="width=32, depth=1", patch=patch),
            "transformer": Component(
                family="transformer", size="width=32, depth=2", patch=patch, lr=0.002
            ),
        },
        pairs=(("cnn", "gru"), ("cnn", "transformer")),
        singles=_series_singles(patch),
        tries=_series_tries(patch),
        settings="dropout=0.1",
    )


def _series_singles(patch: int) -> dict[str, tuple[str, ...]]:
    return {
        "cnn": (
            "width=16, depth=3, kernel=5, patch=4",
            # As coarsely as the others cut: on long series it reaches further.
            f"width=32, depth=3, kernel=7, patch={patch}",
            f"width=64, depth=4, kernel=7, patch={patch}",
            "width=16, depth=3, kernel=7, patch=1",
            "width=32, depth=3, kernel=7, patch=1",
            "width=48, depth=3, kernel=7, patch=1",
            "width=32, depth=4, kernel=15, patch=1",
            "width=64, depth=4, kernel=7, patch=1",
        ),
        "gru": (
            f"width=16, depth=1, patch={4 * patch}",
            f"width=16, depth=1, patch={2 * patch}",
            f"width=32, depth=1, patch={patch}",
            f"width=64, depth=1, patch={patch}",
            f"width=64, depth=2, patch={patch}",
        ),
        "transformer": (
            f"width=16, depth=1, patch={4 * patch}",
            f"width=16, depth=2, patch={2 * patch}",
            f"width=32, depth=2, patch={patch}",
            f"width=48, depth=3, patch={patch}",
            f"width=64, depth=3, patch={patch}",
        ),
    }


def _series_tries(patch: int) -> tuple[str, ...]:
    """Convolutions with a learned pooling or an `mlp` behind them, and cascades of them."""
    small, fixed, large = (
        f"cnn[width={width}, depth={depth}, kernel=7, patch=1]"
        for width, depth in ((16, 3), (32, 3), (64, 4))
    )
    tiny, pooled, wide, deeper, wider = (
        _pooled(width, depth, 1) for width, depth in ((16, 3), (32, 3), (48, 3), (48, 4), (56, 4))
    )
    narrow, coarse, larger = (
        _pooled(width, depth, patch) for width, depth in ((24, 3), (32, 3), (48, 4))
    )
    return (
        tiny,
        pooled,
        wide,
        deeper,
        wider,
        f"{fixed} > mlp[width=64, depth=1, embed=4]",
        f"cascade[0.3]({small}, {large})",
        f"cascade[0.3]({fixed}, {large})",
        f"cascade[0.15]({fixed}, {large})",
        f"cascade[0.3]({small}, {pooled})",
        f"cascade[0.3]({pooled}, {deeper})",
        f"cascade[0.4]({deeper}, {wider})",
        f"weighted[fit]({deeper}, {pooled})",
        narrow,
        coarse,
        larger,
        f"cascade[0.3]({coarse}, {larger})",
    )


def _pooled(width: int, depth: int, patch: int) -> str:
    """Convolutions on a series whose last tokens are pooled by learned queries."""
    cnn = f"cnn[width={width}, depth={depth}, kernel=7, patch={patch}]"
    return f"{cnn} > attention[width={width}, depth=0]"


_IMAGE_SMALL = "cnn[width=16, depth=3, kernel=3, patch=2]"
_IMAGE_FIXED = "cnn[width=32, depth=3, kernel=3, patch=2]"
_IMAGE_LARGE = "cnn[width=64, depth=4, kernel=3, patch=2]"
_IMAGE_NARROW, _IMAGE_DEEP, _IMAGE_WIDE = (
    f"cnn[width={width}, depth={depth}, stages={stages}, kernel=3, patch=2]"
    for width, depth, stages in ((16, 4, 3), (32, 6, 4), (64, 6, 4))
)
IMAGE = Kind(
    components={
        "cnn": Component(family="cnn", size="width=32, depth=3, kernel=3", patch=2),
        "transformer": Component(
            family="transformer", size="width=32, depth=2", patch=4, lr=0.002
        ),
        "mlp": Component(family="mlp", size="width=32, depth=2, embed=4", patch=2, lr=0.002),
    },
    pairs=(("cnn", "transformer"), ("cnn", "mlp")),
    singles={
        "cnn": (
            "width=8, depth=3, kernel=3, patch=4",
            "width=16, depth=3, kernel=3, patch=2",
            "width=32, depth=3, kernel=3, patch=2",
            "width=48, depth=4, kernel=3, patch=2",
            "width=64, depth=4, kernel=3, patch=2",
            # As deep and as coarse in the end as two in a row.
            "width=16, depth=4, stages=3, kernel=3, patch=2",
            "width=32, depth=6, stages=4, kernel=3, patch=2",
            "width=64, depth=6, stages=4, kernel=3, patch=2",
        ),
        "transformer": (
            "width=16, depth=1, patch=8",
            "width=16, depth=2, patch=4",
            "width=32, depth=2, patch=4",
            "width=48, depth=3, patch=4",
            "width=64, depth=3, patch=4",
        ),
        "mlp": (
            "width=16, depth=1, embed=2, patch=4",
            "width=32, depth=1, embed=4, patch=4",
            "width=32, depth=2, embed=4, patch=2",
            "width=64, depth=2, embed=4, patch=2",
            "width=128, depth=2, embed=8, patch=2",
        ),
    },
    tries=(
        f"{_IMAGE_FIXED} > attention[width=32, depth=0]",
        "cnn[width=32, depth=2, stages=1, kernel=3] > mlp[width=64, depth=1, embed=4]",
        "cnn[width=16, depth=2, stages=1, kernel=3] > mlp[width=64, depth=1, embed=4]",
        f"cascade[0.3]({_IMAGE_SMALL}, {_IMAGE_LARGE})",
        f"cascade[0.3]({_IMAGE_FIXED}, {_IMAGE_LARGE})",
        f"cascade[0.15]({_IMAGE_FIXED}, {_IMAGE_LARGE})",
        # Of the single components that halve the grid more often.
        f"{_IMAGE_DEEP} > attention[width=32, depth=0]",
        f"{_IMAGE_DEEP} > mlp[width=32, depth=2, embed=4] train=subsets rows=all",
        f"cascade[0.3]({_IMAGE_NARROW}, {_IMAGE_WIDE})",
        f"cascade[0.3]({_IMAGE_DEEP}, {_IMAGE_WIDE})",
        f"cascade[0.3]({_IMAGE_NARROW}, {_IMAGE_DEEP} > mlp[width=32, depth=2, embed=4])",
    ),
)
