"""The packages of the wheel: uhrbat, and the page (app/, with assets/ inside it) as uhrbat_explorer."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["uhrbat*"]),
        "uhrbat_explorer",
        *(f"uhrbat_explorer.{name}" for name in find_packages("app")),
        "uhrbat_explorer.assets",
    ],
    package_dir={"uhrbat_explorer": "app", "uhrbat_explorer.assets": "assets"},
)
