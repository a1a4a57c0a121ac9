"""A generated folder → the running generation.

Every source is read once, at load, and held against the manifest; modules are compiled from those
bytes when they are first used.  So a rebuild on disk never mixes two versions in one process, no
file that the manifest does not name can run, and ``__pycache__`` is neither read nor written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

from plexus import __version__, manifest
from plexus.gateway.resource import ModelResource
from plexus.gateway.settings import ClientKey, Settings
from plexus.gateway.table import Entry, RouteTable
from plexus.manifest import ManifestError
from plexus.routing.target import Provider

T = TypeVar("T")
_DIGITS = 16


class Generation:
    """One loaded build.  ``digest`` is the manifest's; resources are imported when first asked.

    ``base`` is the folder that relative paths of the config start from.
    """

    def __init__(self, folder: Path, base: Path, digest: str, package: str) -> None:
        self.folder = folder
        self.base = base
        self.digest = digest
        self._package = package
        self.table = self._get("routes", "TABLE", RouteTable)
        self.settings = self._get("settings", "SETTINGS", Settings)
        self.keys: tuple[ClientKey, ...] = self._get("keys", "KEYS", tuple)
        self.providers: tuple[Provider, ...] = self._get("providers", "PROVIDERS", tuple)

    def resource(self, entry: Entry) -> type[ModelResource]:
        """The generated class behind a table entry; its module is imported on first use."""
        found = getattr(self._module(entry.module), entry.resource)
        assert isinstance(found, type) and issubclass(found, ModelResource)
        return found

    def _get(self, module: str, name: str, kind: type[T]) -> T:
        found = getattr(self._module(module), name)
        assert isinstance(found, kind)
        return found

    def _module(self, name: str) -> ModuleType:
        __import__(f"{self._package}.{name}")
        return sys.modules[f"{self._package}.{name}"]


def load(
    folder: Path, verified: manifest.Verified | None = None, base: Path | None = None
) -> Generation:
    """Load a generated folder; ``verified`` when it has been read already.

    ``base``: where the config is, when that is not beside the folder.  Raises ManifestError naming
    the file when the folder is not exactly what this version built.
    """
    found, sources = verified or manifest.verify(folder)
    if found.version != __version__:
        message = f"was built by plexus {found.version}; this is {__version__}"
        raise ManifestError("stale", folder, message)
    package = f"plexus_generated_{found.digest[:_DIGITS]}"
    if package not in sys.modules:
        _install(package, folder, sources)
    return Generation(folder, base or folder.absolute().parent, found.digest, package)


def _install(package: str, folder: Path, sources: Mapping[str, bytes]) -> None:
    """Make the package importable under its own name, and under no other."""
    finder = _Finder(package, folder, sources)
    sys.meta_path.insert(0, finder)
    spec = finder.find_spec(package, None)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[package] = module
    spec.loader.exec_module(module)


class _Finder(MetaPathFinder, InspectLoader):
    """Finds the modules of one generation in memory, and nothing else."""

    def __init__(self, package: str, folder: Path, sources: Mapping[str, bytes]) -> None:
        self._package = package
        self._folder = folder
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._file(fullname)
        if file is None:
            return None
        origin = str(self._folder / file)
        return spec_from_loader(fullname, self, origin=origin, is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        file = self._file(fullname)
        return file is not None and file.endswith("__init__.py")

    def get_source(self, fullname: str) -> str:
        file = self._file(fullname)
        if file is None:
            raise ImportError(f"{fullname} is not part of this build", name=fullname)
        return self._sources[file].decode("utf-8")

    def get_code(self, fullname: str) -> CodeType:
        origin = str(self._folder / (self._file(fullname) or ""))
        return compile(self.get_source(fullname), origin, "exec", dont_inherit=True)

    def _file(self, fullname: str) -> str | None:
        if fullname == self._package:
            return "__init__.py"
        head, dot, rest = fullname.partition(f"{self._package}.")
        if head or not dot:
            return None
        stem = rest.replace(".", "/")
        for file in (f"{stem}.py", f"{stem}/__init__.py"):
            if file in self._sources:
                return file
        return None
