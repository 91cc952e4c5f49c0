"""Command line: python -m uhrbat ask | inspect | evaluate | train | serve.

Wrong usage or bad input ends with exit code 2 and one line on standard error.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
from dataclasses import asdict

from uhrbat.errors import Cancelled, InputError, UHRBATError


class _Parser(argparse.ArgumentParser):
    """argparse whose complaint is one line."""

    def error(self, message: str):
        raise InputError(f"{message} (see {self.prog} --help)")


def main(argv: list[str] | None = None) -> int:
    parser = _Parser(prog="python -m uhrbat", description="UHR-BAT: budget-aware token compression, inspected.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    ask = commands.add_parser("ask", help="answer a question about an image within a token budget")
    inspect = commands.add_parser("inspect", help="what became of the tokens of a box, and why")
    for command in (ask, inspect):
        _common(command)
    inspect.add_argument(
        "--box",
        nargs=4,
        type=float,
        required=True,
        metavar=("X0", "Y0", "X1", "Y1"),
        help="box in image pixels",
    )
    evaluate = commands.add_parser("evaluate", help="score a model")
    measures = evaluate.add_subparsers(dest="measure", required=True, parser_class=_Parser)
    scenes = measures.add_parser("scenes", help="held-out generated scenes")
    frontier = measures.add_parser("frontier", help="accuracy and evidence preserved against the budget")
    loss = measures.add_parser("loss", help="what is right on all tokens and wrong on the compressed ones, and why")
    benchmark = measures.add_parser("benchmark", help="a public benchmark, from its own files")
    train = commands.add_parser("train", help="fine-tune a model on conversations about images")
    commands.add_parser("serve", help="run the model worker (see python -m uhrbat serve --help)", add_help=False)
    rest = list(sys.argv[1:] if argv is None else argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        if rest[:1] == ["serve"]:
            from uhrbat.serving.__main__ import main as serve

            return serve(rest[1:])
        from uhrbat.evaluation import worlds as scenes_room
        from uhrbat.evaluation.benchmarks import run as benchmark_room
        from uhrbat.evaluation.frontier import run as frontier_room
        from uhrbat.evaluation.loss import run as loss_room
        from uhrbat.training.finetune import train as train_room

        rooms = (
            (scenes, scenes_room),
            (frontier, frontier_room),
            (loss, loss_room),
            (benchmark, benchmark_room),
            (train, train_room),
        )
        for command, room in rooms:
            room.add_arguments(command)
            command.set_defaults(run=room.run)
        args = parser.parse_args(rest)
        if args.command in ("evaluate", "train"):
            return args.run(args)
        return _ask(args) if args.command == "ask" else _inspect(args)
    except Cancelled:
        return 130
    except KeyboardInterrupt:
        return 130
    except UHRBATError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", help="an image file")
    parser.add_argument("question")
    parser.add_argument(
        "--budget", type=_budget, default=3000, help="total tokens, or one number a scale: 80,320,600,2000"
    )
    parser.add_argument("--model", default="nano", help="nano, a checkpoint folder or a Hub id")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--importance", help="similarity, attention or fused")
    parser.add_argument("--regions", help="kmeans, grid or none")
    parser.add_argument("--order", help="max or mean")
    parser.add_argument("--seed", type=int, help="of the k-means' initial centres")
    parser.add_argument("--bands", type=_bands, help="shown as red, green and blue, e.g. 4,3,2; or one, in grey")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def _budget(text: str) -> int | tuple[int, ...]:
    try:
        values = tuple(int(part.replace("_", "")) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a whole number, nor one a scale like 80,320,600,2000"
        ) from None
    return values if len(values) > 1 else values[0]


def _bands(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of bands like 4,3,2") from None


def _question(args: argparse.Namespace):
    from uhrbat.engine import UHRBAT
    from uhrbat.geometry import Square
    from uhrbat.imagery import open_image
    from uhrbat.network.text import clean_question
    from uhrbat.settings import Settings

    info = open_image(args.image, bands=args.bands)
    text = clean_question(args.question)
    given = {n: getattr(args, n) for n in ("importance", "regions", "order", "seed") if getattr(args, n) is not None}
    Settings(**given)
    model = UHRBAT.from_pretrained(args.model, args.device)
    model.budgets(args.budget)
    if getattr(args, "box", None):
        Square(info.width, info.height, model.scales).check_box(args.box)
    image = model.encode(args.image, info=info, progress=not args.json)
    settings = Settings(**(asdict(model.settings) | given))
    return image, image.ask(text, settings, progress=not args.json)


def _ask(args: argparse.Namespace) -> int:
    image, question = _question(args)
    selection = question.select(args.budget)
    answer = selection.answer(progress=not args.json)
    seconds = {name: round(value, 3) for name, value in (image.seconds | question.seconds | answer.seconds).items()}
    report = {
        "answer": str(answer),
        "caveat": answer.caveat,
        "points": [[round(x, 1), round(y, 1)] for x, y in answer.points],
        "tokens": answer.tokens,
        "of": image.square.tokens,
        "budgets": selection.budgets,
        "ledger": {size: asdict(ledger) for size, ledger in selection.ledger.items()},
        "settings": asdict(question.settings),
        "notes": list(image.info.notes),
        "seconds": seconds,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    if args.json:
        print(json.dumps(report, indent=1))
        return 0
    print(answer)
    if answer.caveat:
        print(f"note: {answer.caveat}")
    print(f"{answer.tokens:,} of {image.square.tokens:,} tokens; seconds: {seconds}")
    return 0


def _inspect(args: argparse.Namespace) -> int:
    _, question = _question(args)
    fate = question.fate(tuple(args.box), args.budget)
    if args.json:
        print(json.dumps(asdict(fate), indent=1, default=float))
        return 0
    print(fate.verdict)
    for row in fate.rows:
        print("  " + "  ".join(f"{name} {value}" for name, value in asdict(row).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
