"""A group of commands that are imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

import click


class Commands(click.Group):
    """Commands by name, each the `command` of a module; aliases are found but not listed."""

    def __init__(
        self, name: str, modules: Mapping[str, str], aliases: Mapping[str, str] | None = None, *, help: str
    ) -> None:
        super().__init__(name, help=help, no_args_is_help=False)
        self.modules, self.aliases = modules, aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = self.modules.get(self.aliases.get(cmd_name, cmd_name))
        return import_module(module).command if module else None
