"""From a Hub id to a folder: resumable downloads with progress. Nothing else knows huggingface_hub."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub.errors import (
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import tqdm

from uhrbat.errors import CheckpointError

TEXTS = ("*.json", "*.jinja", "merges.txt", "vocab.txt", "*.model")
SAM = "facebook/sam-vit-base"
"""The SAM that serves where no other is named."""
SAFE, TORCH = "*.safetensors", "pytorch_model*.bin"
_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def is_id(name: str) -> bool:
    """Whether a name has the form owner/name or owner/name@revision."""
    return _ID.fullmatch(name) is not None


def fetch(
    name: str, progress: Callable[[float, str], None] | None = None, weights: bool = True, local: bool = False
) -> Path:
    """The folder of a Hub repository's files, downloaded where they are not yet; a broken download is taken up again.

    name: owner/name or owner/name@revision. progress: called with 0..1 and a sentence, may raise to stop. weights:
    safetensors, or pytorch_model.bin where there are none; without, only configuration and tokenizer. local: only what
    is on disk already. CheckpointError says what to do where the repository cannot be had.
    """
    repository, _, revision = name.partition("@")
    wanted = revision or None
    patterns = [*TEXTS, *([SAFE] if weights else [])]
    try:
        if local:
            return Path(
                huggingface_hub.snapshot_download(
                    repository, allow_patterns=patterns, local_files_only=True, revision=wanted
                )
            )
        try:
            listed = huggingface_hub.snapshot_download(
                repository, allow_patterns=[*TEXTS, SAFE, TORCH], dry_run=True, tqdm_class=_Silent, revision=wanted
            )
        except DryRunError:  # not reachable: what is on disk will do if it is complete
            return fetch(name, progress, weights, local=True)
        safe = any(file.filename.endswith(".safetensors") and "/" not in file.filename for file in listed)
        if weights and not safe:
            patterns = [*TEXTS, TORCH]
        total = sum(
            file.file_size or 0
            for file in listed
            if file.will_download and any(Path(file.filename).match(pattern) for pattern in patterns)
        )
        bar = _reporting(repository, total, progress) if progress else None
        folder = huggingface_hub.snapshot_download(repository, allow_patterns=patterns, tqdm_class=bar, revision=wanted)
        return Path(folder)
    except GatedRepoError as error:
        raise CheckpointError(
            f"'{repository}' is gated: ask for access on its page and log in (hf auth login)"
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"'{repository}' has no revision '{revision}'") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"there is no model '{repository}' on the Hub, nor a folder of that name; "
            "check it, or log in if it is private"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise CheckpointError(
            f"'{repository}' cannot be downloaded ({type(error).__name__}) and is not on this disk: "
            "check the network and try again, what has arrived is kept; or give the folder of a copy"
        ) from error


def on_disk(name: str) -> bool:
    """Whether a repository's safetensors are on this disk, downloaded before."""
    try:
        return any(fetch(name, local=True).glob(SAFE))
    except CheckpointError:
        return False


def push(folder: Path, name: str, private: bool, token: str | None) -> str:
    """Upload a folder as a model repository, made if need be. Returns its address."""
    made = huggingface_hub.create_repo(name, private=private, token=token, exist_ok=True)
    huggingface_hub.upload_folder(repo_id=made.repo_id, folder_path=str(folder), token=token)
    return str(made)


class _Silent(tqdm):
    """A progress bar that draws nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"disable": True})


def _reporting(repository: str, total: int, progress: Callable[[float, str], None]) -> type[tqdm]:
    """A progress bar that draws nothing and tells `progress` how many of `total` bytes have arrived.

    The Hub's client counts bytes twice, as received and as written; the one further along is reported.
    """
    most = [0.0]

    class Reporting(_Silent):
        def __init__(self, *args, **kwargs) -> None:
            self._counts_bytes = kwargs.get("unit") == "B"
            self._bytes = 0.0
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> None:
            if self._counts_bytes:
                self._bytes += n or 0
                most[0] = max(most[0], self._bytes)
                share = min(1.0, most[0] / total) if total else 1.0
                progress(share, f"{repository}: {most[0] / 1e9:.2f} of {total / 1e9:.2f} GB")

    return Reporting
