"""The model card that goes to the Hub with a model's weights."""

from __future__ import annotations

from uhrbat.network.model import Network

CARD = """---
library_name: uhrbat
pipeline_tag: image-text-to-text
tags:
- remote-sensing
- ultra-high-resolution
- token-compression
---

# {name}

A vision-language model for ultra-high-resolution images that hands a language model only the visual tokens a budget
allows: the tokens a question needs are preserved, the others of their regions merged, the rest dropped (UHR-BAT,
[arXiv 2604.13565](https://arxiv.org/abs/2604.13565)).

```python
from uhrbat import UHRBAT

model = UHRBAT.from_pretrained("{repository}")
view = model.encode("harbour.tif").ask("How many ships are there?")
print(view.select(3000).answer())
```

| | |
| --- | --- |
| parameters | {parameters:,} |
| vision tower | {tower}, {layers} layers of {width}, {tile}-px tiles, tokens of {patch} px |
| language model | Qwen2, {depth} layers of {hidden} |
| scales | {scales} |
| profile | {profile} |

{limits}
"""
GENERATED = "It was trained on generated scenes only: on a photograph its answers are a demonstration, not a result."
GENERAL = "Its answers can be wrong."
MEASURED = "Its answers can be wrong. What was measured:"


def model_card(model: Network, repository: str) -> str:
    """Markdown, with the front matter the Hub reads."""
    config = model.config
    measured = [line for figures in config.extra.get("measured", {}).values() for line in figures.values()]
    limits = "\n".join([MEASURED, "", *(f"- {line}" for line in dict.fromkeys(measured))]) if measured else GENERAL
    if config.extra.get("generated_scenes_only"):
        limits = GENERATED
    return CARD.format(
        name=repository.split("/")[-1],
        repository=repository,
        parameters=sum(value.numel() for value in model.parameters()),
        tower=config.tower,
        tile=config.tile,
        patch=config.patch,
        layers=model.vision.config.num_hidden_layers,
        width=model.vision.config.hidden_size,
        depth=model.language.config.num_hidden_layers,
        hidden=model.language.config.hidden_size,
        scales=", ".join(map(str, config.scales)),
        profile=config.profile,
        limits=limits,
    )
