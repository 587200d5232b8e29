"""The commands that say what there is: `inspect`, `datasets`, `spaces`, `components`."""

import argparse
from typing import Any

from autosynth.cli.option import Command, Parser, add_options, data_argument, options_of
from autosynth.cli.text import columns, put
from autosynth.loading import quick_imports
from autosynth.options import DataConfig


def _inspect(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.data import load_dataset

    dataset = load_dataset(args.data, **options_of(args))
    put(*dataset.summary, *(f"warning     {text}" for text in dataset.warnings))


def _inspect_options(parser: Parser) -> None:
    data_argument(parser)
    add_options(parser, DataConfig)


def _datasets(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.data import BUILTIN

    put(*columns([(builtin.name, builtin.description) for builtin in BUILTIN.values()]))


def _spaces(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.study.spacefile import load_space, names

    put(*columns([(name, load_space(name).about) for name in names()]))


def _components(args: argparse.Namespace) -> None:
    with quick_imports():
        from autosynth.components import FAMILIES
        from autosynth.composite import FUSIONS, INITS, SETTINGS, SHARING, TRAINING

    put("components, such as cnn[width=32] > gru")
    for family in FAMILIES.values():
        alone = f"; also {', '.join(family.aliases)}" if family.aliases else ""
        put("", f"  {family.name}: {family.about}{alone}")
        put(*columns([(f"    {n}", *_choice(o), o.about) for n, o in family.options.items()]))
    put("", "fusions, such as mean(cnn, gru)")
    put(*columns([(f"  {fusion.name}", fusion.about) for fusion in FUSIONS.values()]))
    put("", "sharing, such as mean(cnn, gru) share=stem")
    put(*columns([(f"  {name}", about) for name, about in SHARING.items()]))
    put("", "training, such as mean(cnn, gru) train=subsets rows=all")
    put(*columns([(f"  {name}", about) for name, about in TRAINING.items()]))
    put("", "initialisation, such as mean(cnn, gru) init=parts")
    put(*columns([(f"  {name}", about) for name, about in INITS.items()]))
    put("", "settings of the training, such as cnn > gru | lr=0.004 dropout=0.1")
    put(*columns([(f"  {n}", *_choice(s), s.about) for n, s in SETTINGS.items()]))


def _choice(option: Any) -> tuple[str, str]:
    """The default of an option or a setting, and what it may be."""
    default = "by the data" if option.default is None else str(option.default)
    valid = ", ".join(option.choices) if option.choices else f"{option.low:g} to {option.high:g}"
    return default, valid


INSPECT = Command(
    name="inspect",
    about="show what would be read of some data",
    call=_inspect,
    add_arguments=_inspect_options,
)
DATASETS = Command(name="datasets", about="list the built-in sets", call=_datasets)
SPACES = Command(name="spaces", about="list the search spaces", call=_spaces)
COMPONENTS = Command(
    name="components", about="list what strategies are made of, with all options", call=_components
)
