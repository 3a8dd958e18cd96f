"""Map the repository's top-level folders onto one import name, `chainrule`."""

from setuptools import find_packages, setup

ROOTS = {"chainrule": "bindings", "chainrule.engine": "engine", "chainrule.kernels": "kernels"}
INNER = [f"{name}.{sub}" for name, folder in ROOTS.items() for sub in find_packages(folder)]

setup(
    packages=[*ROOTS, *INNER],
    package_dir=ROOTS,
    package_data={"chainrule": ["py.typed"], "chainrule.kernels": ["**/*.cu", "**/*.cuh"]},
)
