"""The layouts of checkpoints that become a `Network`: this project's own and the released one.

A layout says what network a folder's config.json describes, and how its tensors are called in that network.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from uhrbat.checkpoints import hub
from uhrbat.checkpoints.weights import Rename, Source, TensorFiles
from uhrbat.errors import CheckpointError
from uhrbat.geometry import PATCH, SCALES, TILE
from uhrbat.network.config import NetworkConfig
from uhrbat.network.families import known_types

MODEL_TYPE = "uhrbat"
PREFIXES = {
    "language.model.": "model.",
    "language.lm_head.": "lm_head.",
    "vision.": "model.vision_tower.vision_tower.vision_model.",
    "projector.": "model.mm_projector.",
    "token_mlp.": "model.multiscale_token_mlp.",
    "residuals.": "model.scale_pos_residuals.",
    "similarity.": "similarity.",
    "prior": "prior",
    "familiarity.": "familiarity.",
}
_LANGUAGE = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "hidden_act", "max_position_embeddings", "initializer_range", "rms_norm_eps",
    "attention_dropout", "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip
_VISION = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size",
    "patch_size", "hidden_act", "layer_norm_eps", "attention_dropout", "projection_dim",
)  # fmt: skip
_TEXT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "hidden_act", "layer_norm_eps", "attention_dropout", "projection_dim",
    "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip
# OpenAI's CLIP ViT-L/14-336 as its config.json has it, so that a checkpoint with the tower inside needs no download.
_CLIP_L = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 336, "patch_size": 14, "hidden_act": "quick_gelu", "projection_dim": 768,
}  # fmt: skip
KNOWN_TOWERS = {"openai/clip-vit-large-patch14-336": _CLIP_L}
# Documented as optional: LLaVA leftovers and a projection that the release's checkpoints may hold and never use.
_UNNEEDED = ("model.image_newline", "model.text_to_vision_proj.", "position_ids", "rotary_emb.inv_freq")
ORIGINALS = ("internvl_chat", "geochat", "llava_llama", "llava_mistral")
"""`model_type` of layouts that are read by code of their own repositories; most exist converted too."""
# What a question is compared with besides itself (LERF's canonical phrases, said of images from above).
CONTRAST = ("an aerial photograph", "the ground", "texture", "things")

Progress = Callable[[float, str], None]


@dataclass
class Layout:
    """What a folder holds.

    optional: names of the network's tensors, or beginnings of them, that the files may lack. text_tokenizer: folder of
    the similarity's tokenizer where it is not the model's own.
    """

    config: NetworkConfig
    sources: list[Source]
    optional: tuple[str, ...] = ()
    text_tokenizer: Path | None = None
    contrast: tuple[str, ...] = ()

    def may_lack(self, name: str) -> bool:
        return name.startswith(self.optional) if self.optional else False


def read_layout(folder: Path, similarity: bool | None, progress: Progress | None) -> Layout:
    """The layout of a checkpoint folder. CheckpointError where it is of none that is read here.

    similarity: whether to load the text tower of the released model's CLIP; None does where that needs no download.
    """
    fields = read_config(folder)
    kind = fields.get("model_type")
    if kind == MODEL_TYPE:
        return _own(folder, fields)
    if kind == "llava_qwen" or "LlavaQwenForCausalLM" in (fields.get("architectures") or ()):
        return _released(folder, fields, similarity, progress)
    if kind in ORIGINALS or kind in known_types():
        raise CheckpointError(
            f"'{folder.name}' ({kind}) is in its authors' own layout, not in transformers': "
            "choose the repository that is converted (often -hf at its end)"
        )
    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and not any(key.startswith("vision") for key in fields):
        raise CheckpointError(f"'{folder.name}' ({kind}) reads text only: choose a model that sees images")
    raise CheckpointError(
        f"'{folder.name}' is of another architecture ({kind}); this reads {MODEL_TYPE}, llava_qwen, "
        f"{', '.join(known_types())}; docs/families.md says how to add one"
    )


def read_config(folder: Path) -> dict:
    """A folder's config.json. CheckpointError where it is missing or no JSON object."""
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"no model in '{folder}': expected a folder that holds config.json")
    try:
        fields = json.loads(path.read_text())
    except ValueError as error:
        raise CheckpointError(f"config.json of '{folder.name}' is not JSON: {error}; fetch it again") from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"config.json of '{folder.name}' is no JSON object; fetch it again")
    return fields


def published_name(name: str) -> str:
    """The network's parameter name -> the name in a checkpoint file."""
    for ours, theirs in PREFIXES.items():
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    raise KeyError(name)


def _renamed(prefixes: dict[str, str], unneeded: tuple[str, ...] = (), strict: bool = True) -> Rename:
    """Rename by the first prefix that fits; None for names that begin or end with one of `unneeded`.

    A name that no prefix fits is unexpected, or, not strict, not needed either.
    """

    def rename(name: str) -> str | None:
        if name.startswith(unneeded) or name.endswith(unneeded):
            return None
        for theirs, ours in prefixes.items():
            if name.startswith(theirs):
                return ours + name[len(theirs) :]
        if strict:
            raise KeyError(name)
        return None

    return rename


def _own(folder: Path, fields: dict) -> Layout:
    known = {key: value for key, value in fields.items() if key not in ("model_type", "dtype")}
    try:
        config = NetworkConfig(**known)
    except TypeError as error:
        raise CheckpointError(f"config.json of '{folder.name}' does not fit this version: {error}") from error
    files = TensorFiles(folder)
    specific = {theirs: ours for ours, theirs in sorted(PREFIXES.items(), key=lambda pair: -len(pair[1]))}
    tokenizer = folder / "text_tokenizer"
    return Layout(
        config,
        [Source(files, _renamed(specific))],
        ("language.lm_head.",) if config.language.get("tie_word_embeddings") else (),
        tokenizer if tokenizer.is_dir() else None,
    )


def _released(folder: Path, fields: dict, similarity: bool | None, progress: Progress | None) -> Layout:
    _require(folder, fields, "mm_projector_type", ("mlp2x_gelu",))
    _require(folder, fields, "mm_vision_select_feature", ("patch", None))
    _require(folder, fields, "mm_resampler_type", (None,))
    files = TensorFiles(folder)
    inside = any(name.startswith("model.vision_tower.") for name in files.entries)
    tower, vision = _tower(folder, fields.get("mm_vision_tower"), inside, similarity, progress)
    scales = tuple(sorted(fields.get("multiscale_target_sizes") or SCALES))
    residual = "model.scale_pos_residuals."
    sizes = tuple(size for size in scales if f"{residual}{size}" in files.entries)
    config = NetworkConfig(
        vision=vision,
        language=_language(folder, fields, "lm_head.weight" not in files.entries),
        scales=scales,
        select_layer=fields.get("mm_vision_select_layer", -2),
        residual_base=fields.get("scale_residual_base", 64),
        profile="reference" if fields.get("enable_scale_pos_residual") else "reference-no-residual",
        residual_sizes=sizes,
        attention_scale=fields.get("multiscale_base_attention_size") or 672,
    )
    unused = tuple(
        name for name in files.entries if name.startswith(residual) and not name.endswith(tuple(map(str, sizes)))
    )
    names = {
        "model.vision_tower.vision_tower.vision_model.": "vision.",
        "model.vision_tower.vision_tower.": "vision.",
        "model.mm_projector.": "projector.",
        "model.multiscale_token_mlp.": "token_mlp.",
        "multiscale_token_mlp.": "token_mlp.",
        residual: "residuals.",
        "model.": "language.model.",
        "lm_head.": "language.lm_head.",
    }
    layout = Layout(
        config,
        [Source(files, _renamed(names, (*_UNNEEDED, *unused)))],
        _lm_head_if_tied(config),
    )
    if tower is not None:
        _add_tower(layout, tower, inside, config.select_layer == -2 and similarity is not False)
    return layout


def _tower(
    folder: Path, name: str | None, inside: bool, similarity: bool | None, progress: Progress | None
) -> tuple[Path | None, dict]:
    """Folder of the vision tower named in a released config.json (None if not needed), and its fields."""
    if not name:
        raise CheckpointError(f"config.json of '{folder.name}' names no mm_vision_tower")
    local = next((path for path in ((folder / name), Path(name)) if (path / "config.json").is_file()), None)
    if local is None and hub.is_id(name):
        must = not inside or similarity is True or name not in KNOWN_TOWERS
        try:
            local = hub.fetch(name, progress, weights=not inside or bool(similarity), local=not must)
        except CheckpointError:
            if must:
                raise
    if local is None and name not in KNOWN_TOWERS:
        raise CheckpointError(f"the vision tower '{name}' of '{folder.name}' is neither a folder nor a Hub id")
    if local is None:
        return None, dict(KNOWN_TOWERS[name])
    fields = read_config(local)
    vision = fields.get("vision_config", fields)
    if fields.get("model_type") not in ("clip", "clip_vision_model"):
        raise CheckpointError(f"the vision tower '{name}' is {fields.get('model_type')}; the released model has a CLIP")
    vision = {key: vision[key] for key in _VISION if key in vision}
    if (vision.get("image_size", 224), vision.get("patch_size", 32)) != (TILE, PATCH):
        raise CheckpointError(f"the vision tower '{name}' does not see {TILE}-px tiles in patches of {PATCH}")
    return local, vision


def _add_tower(layout: Layout, tower: Path, inside: bool, with_text: bool) -> None:
    """Take what the checkpoint itself lacks from the tower's folder: the vision tower, and CLIP's text tower."""
    try:
        files = TensorFiles(tower)
    except CheckpointError:
        if not inside:
            raise
        return
    names = {"vision_model.": "vision."}
    if with_text and "text_projection.weight" in files.entries:
        fields = read_config(tower)
        text = fields.get("text_config") or {}
        layout.config.text = {key: text[key] for key in _TEXT if key in text}
        layout.config.projection_dim = files.entries["text_projection.weight"].shape[0]
        layout.config.dense, layout.config.contrast = "value", len(CONTRAST)
        layout.contrast, layout.text_tokenizer = CONTRAST, tower
        layout.optional += ("similarity.logit_bias", "similarity.contrast")
        names |= {
            "text_model.": "similarity.text_model.",
            "text_projection.": "similarity.text_projection.",
            "visual_projection.": "similarity.visual_projection.",
            "logit_scale": "similarity.logit_scale",
        }
    elif inside:
        return
    layout.sources.append(Source(files, _renamed(names, ("vision_model.embeddings.position_ids",), strict=False)))


def _language(folder: Path, fields: dict, tied: bool) -> dict:
    """Qwen2's fields. Rotary scaling is forced to none, as the released code does; no sliding window."""
    if "hidden_size" not in fields:
        raise CheckpointError(f"config.json of '{folder.name}' does not describe a language model (no hidden_size)")
    rope = fields.get("rope_parameters") or {}
    theta = fields.get("rope_theta") or rope.get("rope_theta") or 10000.0
    chosen = {key: fields[key] for key in _LANGUAGE if key in fields}
    return chosen | {
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "tie_word_embeddings": tied,
    }


def _lm_head_if_tied(config: NetworkConfig) -> tuple[str, ...]:
    return ("language.lm_head.",) if config.language["tie_word_embeddings"] else ()


def _require(folder: Path, fields: dict, key: str, allowed: tuple) -> None:
    if fields.get(key) not in allowed:
        raise CheckpointError(f"'{folder.name}' has {key} {fields.get(key)!r}; this reads {allowed[0]!r}")
