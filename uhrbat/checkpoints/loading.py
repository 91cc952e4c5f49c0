"""From a name to a model: nano (shipped), a folder, or a Hub id; and back to a folder or the Hub.

Tensor names are those of the released checkpoint (docs/method.md, at its end), so that one reader serves all.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedTokenizerBase, Qwen2TokenizerFast  # type: ignore[attr-defined]

from uhrbat.checkpoints import hub, quantise
from uhrbat.checkpoints.card import model_card
from uhrbat.checkpoints.families import add_template, add_twin, load_family, twin_folder
from uhrbat.checkpoints.layouts import CONTRAST, MODEL_TYPE, Progress, published_name, read_config, read_layout
from uhrbat.checkpoints.memory import check_room
from uhrbat.checkpoints.weights import fill, materialise
from uhrbat.errors import CheckpointError
from uhrbat.network.families import family_of
from uhrbat.network.families.network import FamilyNetwork
from uhrbat.network.families.text import FamilyText
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec

NANO = Path(__file__).resolve().parents[1] / "nano"
SHARD_SIZE = "4GB"
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A network ready for use, the tokenizer of its language model, and of its text tower where it has its own."""

    network: Network
    tokenizer: PreTrainedTokenizerBase
    text_tokenizer: PreTrainedTokenizerBase | None = None

    @property
    def codec(self) -> TextCodec:
        """What turns questions into its ids and ids into answers."""
        if isinstance(self.network, FamilyNetwork):
            return FamilyText(self.tokenizer, self.network, self.text_tokenizer)
        return TextCodec(self.tokenizer, self.network.config.point_bins, self.text_tokenizer)


def load(
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    *,
    device_map: str | dict[str, str | int] | None = None,
    bits: int | None = None,
    similarity: bool | str | None = None,
    ignore_unexpected: bool = False,
    progress: Progress | None = None,
) -> Loaded:
    """Load "nano", a checkpoint folder, or a Hub id (owner/name, or owner/name@revision).

    Layouts: this project's and the released one (LlavaQwenForCausalLM), safetensors or pytorch_model.bin, whole or in
    shards; and the families of `uhrbat.network.families`, safetensors. Tensors go straight to their device and dtype.
    device_map: None for one device; "auto" to spread the language model's layers over all visible GPUs; or {beginning
    of a name in the network: device}. bits: 4 or 8 quantises the language model (bitsandbytes). similarity: load
    CLIP's text tower beside a released checkpoint, or the twin of a family's vision tower (a folder or Hub id names
    another); None where that needs no download. ignore_unexpected: leave out tensors that nothing needs instead of
    refusing. progress: called with 0..1 and a sentence, may raise to stop.
    CheckpointError says what is missing, unexpected, or of another shape, and what to do.
    """
    report = progress or (lambda *_: None)
    folder = find(name, progress and (lambda share, message: report(0.8 * share, message)))
    fields = read_config(folder)
    # The original LLaVA says model_type llava too, of a layout that is not transformers'.
    original = "LlavaLlamaForCausalLM" in (fields.get("architectures") or ())
    if (family := family_of(fields.get("model_type"))) and not original:
        report(0.8, f"reading {name}")
        tokenizer = tokenizer_of(folder)
        add_template(tokenizer, folder)
        network = load_family(family, folder, device, dtype, device_map, bits)
        beside = twin_folder(network, similarity, progress and (lambda _, message: report(0.9, message)))
        try:
            return _with_twin(network, tokenizer, beside) if beside else Loaded(network, tokenizer)
        except CheckpointError as error:
            if similarity:
                raise
            logger.warning("without similarity: %s", error)
            return Loaded(network, tokenizer)
    if isinstance(similarity, str):
        raise CheckpointError(f"'{name}' names its text tower itself: give similarity=True in place of '{similarity}'")
    layout = read_layout(folder, similarity, progress and (lambda share, message: report(0.8 * share, message)))
    report(0.8, f"reading {name}")
    with torch.device("meta"):
        try:
            model = Network(layout.config)
        except (TypeError, ValueError, KeyError) as error:
            raise CheckpointError(f"config.json of '{name}' does not describe a model: {error}") from error
    if device_map is None:
        check_room(name, sum(source.files.numbers for source in layout.sources), device, dtype, bits)
    place = _placement(model, device, device_map)
    lay = quantise.prepare(model.language.model.layers, bits, dtype) if bits else None
    try:
        fill(
            model,
            layout.sources,
            layout.may_lack,
            place,
            dtype,
            tell=published_name,
            ignore_unexpected=ignore_unexpected,
            progress=lambda share: report(0.8 + 0.2 * share, f"reading {name}"),
            lay=lay,
        )
    except CheckpointError as error:
        raise CheckpointError(f"model '{name}': {error}") from error
    if layout.config.language.get("tie_word_embeddings"):
        model.language.lm_head.weight = model.language.model.embed_tokens.weight
    materialise(model, place, dtype)
    _move_between_devices(model)
    _use_flash_attention(model, device, dtype)
    tokenizer = tokenizer_of(folder)
    text_tokenizer = tokenizer_of(layout.text_tokenizer) if layout.text_tokenizer else None
    model.eval()
    loaded = Loaded(model, tokenizer, text_tokenizer)
    _set_contrast(loaded, layout.contrast)
    return loaded


def _with_twin(network: FamilyNetwork, tokenizer: PreTrainedTokenizerBase, folder: Path) -> Loaded:
    """A network of a family with the text tower in a folder."""
    loaded = Loaded(network, tokenizer, tokenizer_of(folder))
    add_twin(network, folder, len(CONTRAST))
    _set_contrast(loaded, CONTRAST)
    return loaded


def find(name: str, progress: Progress | None = None) -> Path:
    """The folder of a model: nano's, the one named, or a Hub repository's, downloaded if need be."""
    if name == "nano":
        return NANO
    folder = Path(name)
    if folder.is_dir():
        return folder
    if not hub.is_id(name):
        raise CheckpointError(
            f"no model '{name}': give 'nano', a folder that holds config.json, or a Hub id owner/name"
        )
    return hub.fetch(name, progress)


def _placement(
    model: Network, device: torch.device, device_map: str | dict[str, str | int] | None
) -> Callable[[str], torch.device]:
    """Where each tensor of the network goes, by its name."""
    if device_map is None:
        return lambda _: device
    if device_map == "auto":
        device_map = _spread(len(model.language.model.layers), device)
    if not isinstance(device_map, dict):
        raise CheckpointError(f"device_map {device_map!r} is not usable: give 'auto' or names with devices")
    try:
        devices = {start: torch.device(where) for start, where in device_map.items()}
    except RuntimeError as error:
        raise CheckpointError(f"device_map is not usable: {error}") from error

    def place(name: str) -> torch.device:
        fitting = [start for start in devices if not start or name == start or name.startswith(f"{start}.")]
        return devices[max(fitting, key=len)] if fitting else device

    return place


def _spread(layers: int, device: torch.device) -> dict[str, str | int]:
    """Everything on the first GPU except the language model's layers, which are shared out by free memory."""
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    if count < 2:
        return {"": str(device)}
    free = [float(torch.cuda.mem_get_info(index)[0]) for index in range(count)]
    # The first also holds the vision tower, the embeddings and the scenes.
    free[0] *= 0.7
    out: dict[str, str | int] = {"": "cuda:0", "language.model.norm": f"cuda:{count - 1}"}
    out["language.lm_head"] = f"cuda:{count - 1}"
    for layer in range(layers):
        share = (layer + 0.5) / layers * sum(free)
        index = next(i for i in range(count) if share <= sum(free[: i + 1]))
        out[f"language.model.layers.{layer}"] = f"cuda:{index}"
    return out


def _move_between_devices(model: Network) -> None:
    """Let each layer of a language model that lies on several devices fetch its inputs to its own."""
    parts = [*model.language.model.layers, model.language.model.norm, model.language.lm_head]
    wheres = [next(part.parameters()).device for part in parts]
    if len({model.device, *wheres}) == 1:
        return

    def fetch(where: torch.device) -> Callable[[nn.Module, tuple, dict], tuple[Any, dict[str, Any]]]:
        def moved(value: Any) -> Any:
            if isinstance(value, Tensor):
                return value.to(where)
            return tuple(map(moved, value)) if isinstance(value, tuple) else value

        def hook(_: nn.Module, args: tuple, kwargs: dict) -> tuple[Any, dict[str, Any]]:
            return moved(args), {key: moved(value) for key, value in kwargs.items()}

        return hook

    for part, where in zip(parts, wheres, strict=True):
        part.register_forward_pre_hook(fetch(where), with_kwargs=True)


def _use_flash_attention(model: Network, device: torch.device, dtype: torch.dtype) -> None:
    """flash-attn for a causal language model where it is installed and can run; else PyTorch's own (SDPA)."""
    from transformers.utils import is_flash_attn_2_available

    half = dtype in (torch.float16, torch.bfloat16)
    if device.type == "cuda" and half and model.config.image_attention == "causal" and is_flash_attn_2_available():
        model.language.set_attn_implementation("flash_attention_2")


def tokenizer_of(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model's folder; CheckpointError where it cannot be read."""
    try:
        if _said(folder, "tokenizer_config.json", "tokenizer_class") in ("Qwen2Tokenizer", "Qwen2TokenizerFast"):
            return Qwen2TokenizerFast.from_pretrained(folder)
        # Our configuration is none of transformers' own, which would read it as one and say that it does not know it.
        ours = _said(folder, "config.json", "model_type") == MODEL_TYPE
        return AutoTokenizer.from_pretrained(folder, config=PretrainedConfig() if ours else None)
    except ImportError as error:
        raise CheckpointError(
            f"the tokenizer in '{folder.name}' needs a package that is not installed: "
            "pip install sentencepiece tiktoken"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"the tokenizer in '{folder.name}' cannot be read ({str(error).splitlines()[0]}): fetch the folder again"
        ) from error


def _said(folder: Path, file: str, key: str) -> str | None:
    """What a JSON file of a folder says under a key, if it is there."""
    path = folder / file
    return json.loads(path.read_text()).get(key) if path.is_file() else None


@torch.inference_mode()
def _set_contrast(loaded: Loaded, texts: Sequence[str]) -> None:
    """Compute the vectors of the contrast texts, where no file holds them."""
    if not texts:
        return
    tower, codec = loaded.network.dense_similarity(), loaded.codec
    assert tower.contrast is not None
    rows = [
        tower.text_vectors(ids, torch.ones_like(ids))
        for ids in (
            torch.tensor([codec.similarity_ids(text, tower.max_text_tokens)], device=loaded.network.device)
            for text in texts
        )
    ]
    tower.contrast.copy_(torch.cat(rows))


def save(
    model: Network,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: torch.dtype,
    text_tokenizer: PreTrainedTokenizerBase | None = None,
    tensors: dict[str, Tensor] | None = None,
) -> None:
    """Write config.json, the weights in `dtype` (safetensors, in shards above 4 GB) and the tokenizer to `folder`.

    tensors: the model's state dict, where the model itself holds only a share of it (FSDP). A quantised model is not
    written: CheckpointError.
    """
    if isinstance(model, FamilyNetwork):
        raise CheckpointError(
            f"a {model.family.name} model is transformers' own: save it by its own save_pretrained (network.model)"
        )
    if quantise.is_quantised(model):
        raise CheckpointError("a quantised model cannot be saved: load it without bits first")
    folder.mkdir(parents=True, exist_ok=True)
    tied = model.language.config.tie_word_embeddings
    published = {
        published_name(key): value.to(dtype).contiguous()
        for key, value in (tensors or model.state_dict()).items()
        if not (tied and key.startswith("language.lm_head."))
    }
    huggingface_hub.save_torch_state_dict(published, folder, max_shard_size=SHARD_SIZE, metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({"model_type": MODEL_TYPE} | model.config.to_dict(), indent=1))
    tokenizer.save_pretrained(folder)
    if text_tokenizer is not None:
        text_tokenizer.save_pretrained(folder / "text_tokenizer")


def push(loaded: Loaded, repository: str, dtype: torch.dtype, private: bool = True, token: str | None = None) -> str:
    """Upload a model with its card to the Hub, private by default. Returns its address."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        save(loaded.network, loaded.tokenizer, folder, dtype, loaded.text_tokenizer)
        (folder / "README.md").write_text(model_card(loaded.network, repository))
        return hub.push(folder, repository, private, token)
