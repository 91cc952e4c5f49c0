"""A vision tower that begins from ImageNet: EfficientNet-Lite0 up to stride 16, and a head for 24 x 24 tokens.

Tan and Le 2019, "EfficientNet", in the Lite variant (no squeeze-and-excitation, ReLU6), whose published weights are
under the Apache-2.0 licence. The batch norms of the published weights are folded into the convolutions as they are
read, so that the tower is plain convolutions with biases, in training as in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3), (6, 5, 1, 80, 112, 3))
"""Per stage: expansion, kernel, stride of its first block, channels in and out, blocks."""
DETAIL, TAPS = 0, (2, 4, 10)
"""Blocks whose maps the head reads: the first (stride 2, 16 channels) and the last ones at strides 4, 8 and 16."""
CHANNELS = (24, 40, 112)
_EPSILON = 1e-3


@dataclass(frozen=True)
class EfficientNetConfig:
    """Sizes of the tower. hidden_size: width of a token's features; detail: channels read from stride 2 for what is
    only a few pixels large; mixers: blocks of the head, each of which sees two tokens further in every direction."""

    hidden_size: int = 192
    detail: int = 64
    mixers: int = 2
    image_size: int = 336
    patch_size: int = 14

    @property
    def num_hidden_layers(self) -> int:
        """Blocks of the backbone and of the head."""
        return sum(stage[-1] for stage in STAGES) + self.mixers


class Convolution(nn.Conv2d):
    """A convolution padded as TensorFlow pads (uneven where the stride is 2), whose weights follow the input's dtype.

    While gradients are wanted, depthwise convolutions with a stride or of 5 x 5 are computed in float32: the
    bfloat16 gradients of those are several times slower on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride, dtype = self.kernel_size[0], self.stride[0], x.dtype
        learns = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        slow = learns and dtype == torch.bfloat16 and self.groups > 1 and (kernel == 5 or stride == 2)
        if slow:
            x = x.float()
        padding = (kernel - 1) // 2
        if stride > 1:
            tall, wide = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:])
            x, padding = F.pad(x, (wide // 2, wide - wide // 2, tall // 2, tall - tall // 2)), 0
        bias = None if self.bias is None else self.bias.to(x.dtype)
        out = F.conv2d(x, self.weight.to(x.dtype), bias, self.stride, padding, 1, self.groups)
        return out.to(dtype)


class InvertedBlock(nn.Module):
    """MobileNetV2's inverted residual: widen, convolve each channel, narrow."""

    def __init__(self, wide: int, narrow: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = wide * expansion
        self.expand = Convolution(wide, middle, 1) if expansion != 1 else None
        self.depthwise = Convolution(middle, middle, kernel, stride, groups=middle)
        self.project = Convolution(middle, narrow, 1)
        self.skip = stride == 1 and wide == narrow

    def forward(self, x: Tensor) -> Tensor:
        out = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out = self.project(F.relu6(self.depthwise(out), inplace=True))
        return x + out if self.skip else out


class Mixer(nn.Module):
    """Lets a token see its neighbours: 5 x 5 a channel, then across channels; added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.near = Convolution(width, width, 5, groups=width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, tokens: Tensor, grid: int) -> Tensor:
        """float[n, grid * grid, width] -> the same."""
        square = self.norm(tokens).transpose(1, 2).reshape(len(tokens), -1, grid, grid)
        seen = self.near(square.contiguous(memory_format=torch.channels_last)).flatten(2).transpose(1, 2)
        return tokens + self.narrow(F.gelu(self.widen(seen)))


class EfficientNetTower(nn.Module):
    """Tiles -> a feature vector a token. `config.hidden_size` wide; `post_layernorm` is what `similarity` reads."""

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = config.image_size // config.patch_size
        self.stem = Convolution(3, 32, 3, 2)
        self.blocks = nn.ModuleList(
            InvertedBlock(wide if index == 0 else narrow, narrow, kernel, stride if index == 0 else 1, expansion)
            for expansion, kernel, stride, wide, narrow, count in STAGES
            for index in range(count)
        )
        self.detail = nn.Conv2d(STAGES[0][4], config.detail, 7, 7)
        self.join = nn.Linear(config.detail + CHANNELS[0] + sum(CHANNELS), config.hidden_size)
        self.mixers = nn.ModuleList(Mixer(config.hidden_size) for _ in range(config.mixers))
        self.post_layernorm = nn.LayerNorm(config.hidden_size)

    def features(self, pixels: Tensor) -> Tensor:
        """Normalised tiles float[n, 3, 336, 336] -> features float[n, 576, width], in the pixels' dtype.

        The convolutions run in bfloat16 where the processor multiplies it at full speed.
        """
        half = pixels.device.type == "cpu" and pixels.dtype == torch.float32 and fast_bfloat16()
        maps = self.maps(pixels.to(torch.bfloat16) if half else pixels)
        tokens = self.join(self.pooled(maps).to(pixels.dtype))
        for mixer in self.mixers:
            tokens = mixer(tokens, self.grid)
        return tokens

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """float[n, 3, side, side] -> maps of 16, 24, 40 and 112 channels at strides 2, 4, 8 and 16."""
        x = F.relu6(self.stem(pixels.contiguous(memory_format=torch.channels_last)), inplace=True)
        out = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index == DETAIL or index in TAPS:
                out.append(x)
        return out

    def pooled(self, maps: list[Tensor]) -> Tensor:
        """The maps resampled to the tokens' grid -> float[n, grid * grid, channels]."""
        fine, size = maps[0], (self.grid, self.grid)
        bias = None if self.detail.bias is None else self.detail.bias.to(fine.dtype)
        detail = F.conv2d(fine, self.detail.weight.to(fine.dtype), bias, 7)
        parts = [F.relu6(detail), F.adaptive_max_pool2d(maps[1], size), F.adaptive_avg_pool2d(maps[1], size)]
        parts.append(F.adaptive_avg_pool2d(maps[2], size))
        parts.append(F.interpolate(maps[3], size=size, mode="bilinear", align_corners=False))
        return torch.cat(parts, 1).flatten(2).transpose(1, 2)


@cache
def fast_bfloat16() -> bool:
    """Whether this processor has instructions that multiply bfloat16 (AVX512-BF16 or AMX)."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("amx_tile"))


def folded(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published EfficientNet-Lite0 weights -> the tower's `stem.*` and `blocks.*`, batch norms folded in.

    Their names are those of the package efficientnet-lite-pytorch: `_conv_stem`, `_bn0`, `_blocks.0._project_conv`.
    """
    pairs = {"stem": ("_conv_stem", "_bn0")}
    count = sum(stage[-1] for stage in STAGES)
    for index in range(count):
        names = (("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1"))
        for ours, convolution, norm in (*names, ("project", "_project_conv", "_bn2")):
            start = f"_blocks.{index}."
            if f"{start}{convolution}.weight" in published:
                pairs[f"blocks.{index}.{ours}"] = (start + convolution, start + norm)
    out = {}
    for ours, (convolution, norm) in pairs.items():
        gain = published[f"{norm}.weight"] * torch.rsqrt(published[f"{norm}.running_var"] + _EPSILON)
        out[f"{ours}.weight"] = published[f"{convolution}.weight"] * gain[:, None, None, None]
        out[f"{ours}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
    return out
