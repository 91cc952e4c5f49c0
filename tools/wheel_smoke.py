"""Does the wheel work? Build it, install it into a new environment, and use it in an empty folder.

python -m tools.wheel_smoke                    about five minutes, most of them for torch and gradio
python -m tools.wheel_smoke --venv FOLDER      keep the environment there, and use it again the next time
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
import zipfile
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
HOLDS = (
    "uhrbat/py.typed",
    "uhrbat/nano/config.json",
    "uhrbat/nano/model.safetensors",
    "uhrbat/nano/tokenizer.json",
    "uhrbat/imagery/published.json",
    "uhrbat/training/finetune/fsdp.yaml",
    "uhrbat_explorer/start.py",
    "uhrbat_explorer/assets/viewer/viewer.js",
    "uhrbat_explorer/assets/viewer/explorer.css",
    "uhrbat_explorer/assets/examples/examples.json",
    "uhrbat_explorer/assets/examples/tanks.jpg",
    "uhrbat_explorer/assets/findings/frontier.json",
)
TOP = {"uhrbat", "uhrbat_explorer"}
START_SECONDS = 120


def main() -> int:
    """Build, install, use; the exit code is 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--venv", type=Path, help="an environment to make, or to use again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        wheel = _step("build", lambda: build(work / "wheel"))
        _step("contents", lambda: check_contents(wheel))
        python = _step("install", lambda: install(wheel, options.venv or work / "venv"))
        empty = work / "empty"
        empty.mkdir()
        for name, check in (("library", library), ("ask", ask), ("evaluate", evaluate), ("explore", explore)):
            _step(name, lambda check=check: check(python, empty))
    return 0


def build(folder: Path) -> Path:
    """The wheel, made from a copy of what git knows, so that no file of this working tree slips in."""
    source = folder / "source"
    source.mkdir(parents=True)
    listed = subprocess.check_output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)], ROOT)
    return next(folder.glob("*.whl"))


def check_contents(wheel: Path) -> str:
    """Fails where the wheel lacks a file that the commands need, or has tests or other top-level packages."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        about = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    missing = [name for name in HOLDS if name not in names]
    strangers = {name.split("/")[0] for name in names if ".dist-info" not in name} - TOP
    tests = [name for name in names if "/tests/" in name or name.endswith(".pyi")]
    if missing or strangers or tests:
        raise SystemExit(f"missing: {missing}; other packages: {strangers}; tests: {tests}")
    if "Name: uhrbat\n" not in about or "Description-Content-Type: text/markdown" not in about:
        raise SystemExit("the metadata lacks the name or the readme")
    return f"{len(names)} files, {wheel.stat().st_size / 2**20:.1f} MiB"


def install(wheel: Path, folder: Path) -> Path:
    """The Python of an environment that holds the wheel and what it depends on."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "-q"]
    _run([*pip, str(wheel)], folder)
    _run([*pip, "--no-deps", "--force-reinstall", str(wheel)], folder)
    return python


def library(python: Path, folder: Path) -> str:
    """The library's first lines."""
    code = "from uhrbat import UHRBAT, __version__; import uhrbat; e = UHRBAT.from_pretrained('nano');"
    return _run([str(python), "-c", f"{code} print(__version__, e.name, e.scales, uhrbat.__file__)"], folder)


def ask(python: Path, folder: Path) -> str:
    """A question about an example whose answer is known."""
    example = json.loads((ROOT / "assets" / "examples" / "examples.json").read_text())["examples"][0]
    question = example["questions"][0]
    image = ROOT / "assets" / "examples" / example["file"]
    out = _run([str(python.with_name("uhrbat")), "ask", str(image), question["text"], "--json"], folder)
    report = json.loads(out)
    if not 0 < report["tokens"] <= example["budget"] or report["answer"] not in question["answer"]:
        raise SystemExit(f"'{report['answer']}' from {report['tokens']} tokens; expected '{question['answer']}'")
    return f"{question['text']} {report['answer']} ({report['tokens']} of {report['of']} tokens)"


def evaluate(python: Path, folder: Path) -> str:
    """One generated world."""
    command = ["evaluate", "scenes", "--scenes", "1", "--questions", "4", "--budgets", "256,3000", "--json"]
    report = json.loads(_run([str(python.with_name("uhrbat")), *command], folder))
    return f"{report['questions']} questions: {report['accuracy']}"


def explore(python: Path, folder: Path) -> str:
    """The page answers, with its scripts and pictures, and ends when it is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(python.with_name("uhrbat")), "explore", "--port", str(port)]
    log = folder.with_name("page.log")
    with log.open("w") as errors:
        page = subprocess.Popen(command, cwd=folder, env=_environment(), stdout=subprocess.DEVNULL, stderr=errors)
    try:
        home = _wait_for(f"http://127.0.0.1:{port}/", page)
        if "UHR-BAT Explorer" not in home:
            raise SystemExit("the page has another title")
        sizes = {}
        for path in ("viewer.js", "explorer.css"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/gradio_api/uhr/assets/{path}") as answer:
                sizes[path] = len(answer.read())
        worker = _wait_for_worker(page.pid)
    finally:
        page.send_signal(signal.SIGTERM)
        code = page.wait(30)
    said = log.read_text()
    if code or "Traceback" in said:
        raise SystemExit(f"the page ended with {code}: {said[-2000:]}")
    return f"page of {len(home):,} characters, {sizes}; its worker: {worker}"


def _wait_for_worker(page: int) -> str:
    """The command of the page's worker, once the page has started it."""
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS:
        for child in psutil.Process(page).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "uhrbat.serving" in child.cmdline():
                    return " ".join(child.cmdline()[1:])
        time.sleep(0.5)
    raise SystemExit("the page starts no worker")


def _wait_for(url: str, page: subprocess.Popen) -> str:
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS and page.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"the page does not answer (exit code {page.poll()})")


def _environment() -> dict[str, str]:
    """Ours without what would let the repository in."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:4])} ... ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout.strip()


def _step(name, do):
    began = time.monotonic()
    found = do()
    print(f"{name:<10}{time.monotonic() - began:6.1f} s  {found}", flush=True)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
