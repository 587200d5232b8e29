"""A sheet of runs in, its Markdown out: every level against its base and against the singles."""

from collections.abc import Iterator, Sequence

from compare import Difference, Sheet
from levels import BASE, FACTORS, SINGLES, TRIES, Level

from autosynth.number import human

_HEADS = (
    "level", "test", "against the base [95 %]", "against single components [95 %]", "FLOPs",
    "params", "training FLOPs", "s",
)  # fmt: skip


def table(sheet: Sheet, name: str) -> str:
    """The whole page."""
    lines = [f"# {name}", "", *_intro(sheet), "", "## In short", "", *claims(sheet), ""]
    lines += [*_singles(sheet), ""]
    for pair in dict.fromkeys(level.pair for level in sheet.schedule.levels if level.pair):
        for factor in FACTORS:
            found = [
                level for level in sheet.schedule.levels
                if (level.factor, level.pair) == (factor, pair) and level.strategy in sheet.runs
            ]  # fmt: skip
            if found:
                lines += [f"## a, b = {pair}: {factor}", "", *_factor(sheet, found), ""]
    tries = [x for x in sheet.schedule.levels if x.factor == TRIES and x.strategy in sheet.runs]
    if tries:
        lines += ["## Tries", "", *_factor(sheet, tries), ""]
    return "\n".join(lines)


def _intro(sheet: Sheet) -> Iterator[str]:
    it = sheet.schedule
    seeds = sorted({seed for runs in sheet.runs.values() for seed in runs})
    rows = ", ".join(f"{name} {n:,}" for name, n in it.rows.items())
    yield (
        f"Mean {it.metric} on test over up to {len(seeds)} seeds; rows: {rows}. All trainings: "
        f"{it.steps} steps of {it.batch_size} rows, one thread. `against single components`: "
        "less the single component that is best on `select` at no more FLOPs. FLOPs are those "
        "expected of a sample; training FLOPs count all phases and folds of a training, seconds "
        "are the least that one took. Intervals are 95 %, over seeds and test rows, for each line "
        "by itself."
    )


def claims(sheet: Sheet) -> Iterator[str]:
    """The best composites against the best single component, as list items."""
    single = sheet.best(sheet.singles())
    if single is None:
        yield "- no single component was trained"
        return
    flops = sheet.one(single).flops
    yield (
        f"- best single component on `select`: `{single}`, test {sheet.test(single):.4f}, "
        f"{human(flops)} FLOPs."
    )
    composites = sheet.composites()
    cascades = [text for text in composites if text.startswith("cascade")]
    for words, texts, most in (
        ("best composite at no more FLOPs", composites, flops),
        ("best composite at any FLOPs", composites, float("inf")),
        ("best cascade at half its FLOPs or less", cascades, flops / 2),
    ):
        best = sheet.best(texts, most)
        if best is None:
            yield f"- {words}: none."
            continue
        run = sheet.one(best)
        work = run.train_flops / sheet.one(single).train_flops
        yield (
            f"- {words}: `{best}`, test {sheet.test(best):.4f}, {human(run.flops)} FLOPs; against "
            f"it {_signed(sheet.difference(best, single))}, with {work:.2g} times its training "
            f"FLOPs, over {len(sheet.seeds(best, single))} seeds."
        )
    yield f"- {_counts(sheet, composites)}"


def _counts(sheet: Sheet, composites: Sequence[str]) -> str:
    """How many composites are above and below the singles that cost no more."""
    above = below = among = 0
    for text in composites:
        found = against_singles(sheet, text)
        if found:
            among += 1
            above += found.low > 0
            below += found.high < 0
    return (
        f"of {among} composites, {above} are above the single components that cost no more "
        f"(interval above zero), {below} below, {among - above - below} open."
    )


def against_singles(sheet: Sheet, strategy: str) -> Difference | None:
    """A composite less the single that is best on `select` at no more FLOPs; None without one."""
    singles = sheet.singles()
    best = sheet.best(singles, sheet.one(strategy).flops)
    return sheet.difference(strategy, best) if best and strategy not in singles else None


def _singles(sheet: Sheet) -> Iterator[str]:
    yield f"## {SINGLES.capitalize()}"
    yield ""
    yield "| strategy | test | sd | select | FLOPs | params | s |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    front = sheet.front(sheet.singles())
    for text in sorted(sheet.singles(), key=lambda s: sheet.one(s).flops):
        run, mark = sheet.one(text), " *" if text in front else ""
        yield (
            f"| {_code(text)}{mark} | {sheet.test(text):.4f} | {sheet.spread(text):.4f} | "
            f"{sheet.select(text):.4f} | {human(run.flops)} | {human(run.params)} | "
            f"{sheet.seconds(text):.1f} |"
        )
    yield ""
    yield "\\* on the front: none as cheap is better on `select`."


def _factor(sheet: Sheet, levels: Sequence[Level]) -> Iterator[str]:
    yield f"| {' | '.join(_HEADS)} |"
    yield f"| --- |{' ---: |' * (len(_HEADS) - 1)}"
    base = next((level.strategy for level in levels if level.name == BASE), None)
    for level in levels:
        run, text = sheet.one(level.strategy), level.strategy
        name = _code(text) if level.factor == TRIES else level.name
        change = sheet.difference(text, base) if base and text != base else None
        worst = "" if run.worst_flops == run.flops else f" (worst {human(run.worst_flops)})"
        yield (
            f"| {name} | {sheet.test(text):.4f} | {_signed(change)} | "
            f"{_signed(against_singles(sheet, text))} | {human(run.flops)}{worst} | "
            f"{human(run.params)} | {human(run.train_flops)} | {sheet.seconds(text):.1f} |"
        )


def _code(strategy: str) -> str:
    """As code in a cell, whose bar would otherwise end it."""
    return f"`{strategy}`".replace("|", "\\|")


def _signed(difference: Difference | None) -> str:
    if difference is None:
        return "-"
    return f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]"
