"""What differs between satellites, aeroplanes and drones: colour, contrast, sharpness, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np


def recoloured(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8[h, w, 3] with another contrast, brightness, gamma, tint and saturation; now and then grey."""
    x = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.2))
    x = (x - 0.5) * np.exp(rng.normal(0, 0.22)) + 0.5 + rng.normal(0, 0.07)
    table = np.clip(x[:, None] * (1 + rng.normal(0, 0.04, 3)) * 255, 0, 255).astype(np.uint8)
    out = cv2.LUT(np.ascontiguousarray(pixels), table[:, None])
    keep = 0.0 if rng.random() < 0.1 else float(np.exp(rng.normal(0, 0.22)))
    grey = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(out, keep, grey, 1 - keep, 0)


def degraded(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8[h, w, 3] with less resolution, blur, sharpening, noise or JPEG blocks; half of the time as it is."""
    if rng.random() < 0.5:
        return pixels
    out = pixels
    if rng.random() < 0.3:
        factor = rng.uniform(1.2, 2.2)
        height, width = out.shape[:2]
        small = cv2.resize(out, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.3:
        out = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.4, 1.1))
    if rng.random() < 0.25:
        soft = cv2.GaussianBlur(out, (0, 0), rng.uniform(0.8, 1.6))
        out = cv2.addWeighted(out, 1 + (gain := rng.uniform(0.3, 1.2)), soft, -gain, 0)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 7), out.shape)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        _, coded = cv2.imencode(".jpg", out, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))))
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return out
