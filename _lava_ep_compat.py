"""Let lava-nc 0.10.0, made for Python 3.10 and NumPy 1, run on newer ones.

Lava is archived and gets no releases any more. A few lines of it fail on Python 3.11 or NumPy 2.4;
the finder below replaces them while their modules are imported, in whatever order and by whomever.
No file of Lava is touched, lines keep their numbers, a text that is not exactly the known one is
left as it is, and LAVA_EP_NO_COMPAT=1 switches everything off.

``lava_ep_compat.pth`` imports this module whenever Python starts, so it does next to nothing until
one of those modules is asked for.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType

Change = tuple[str, str, int]
"""A text, its replacement, and how often it stands in the module."""

# The keyword changed its name in NumPy 2.1.
_SHAPE = '"newshape" if tuple(map(int, np.__version__.split(".")[:2])) < (2, 1) else "shape"'

CHANGES: dict[str, tuple[Change, ...]] = {
    # Dataclasses of Python 3.11 refuse defaults that cannot be hashed.
    "lava.magma.compiler.var_model": (
        (
            "@dataclass\nclass ByteEncoder:\n",
            "@dataclass(unsafe_hash=True)\nclass ByteEncoder:\n",
            1,
        ),
    ),
    # NumPy 2.4 no longer knows `newshape`, ...
    "lava.magma.core.process.ports.ports": (
        (
            "        return ft.partial(np.reshape, newshape=self.shape)\n",
            f"        return ft.partial(np.reshape, **{{{_SHAPE}: self.shape}})\n",
            1,
        ),
        (
            "        return ft.partial(np.reshape, newshape=self.old_shape)\n",
            f"        return ft.partial(np.reshape, **{{{_SHAPE}: self.old_shape}})\n",
            1,
        ),
    ),
    # ... and no longer takes an array of one element for a number.
    "lava.proc.clp.nsm.models": (
        (
            "            alloc_signal[0] = self.next_alloc_id\n",
            "            alloc_signal[0] = np.asarray(self.next_alloc_id).item()\n",
            1,
        ),
    ),
    "lava.proc.graded.models": (
        (
            "    out_val = (24 - (int(np.log2(val)) + 1))\n",
            "    out_val = (24 - (int(np.log2(val).item()) + 1))\n",
            1,
        ),
        ("    b_i = int(s_fp)\n", "    b_i = int(np.asarray(s_fp).item())\n", 1),
    ),
}
"""The changes by the full name of the module."""


def changed(name: str, source: str) -> str:
    """Return the source text of a module as it should be compiled, `source` itself if unchanged."""
    for old, new, count in CHANGES.get(name, ()):
        if source.count(old) == count:
            source = source.replace(old, new)
    return source


class LavaFinder:
    """Finds the modules of Lava that need a change, and leaves all others to the other finders."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """Return the spec of a module of `CHANGES` with a loader that changes it, else None."""
        if name not in CHANGES:
            return None
        return _find(name, path, target)


def _find(
    name: str, path: "Sequence[str] | None", target: "ModuleType | None"
) -> "ModuleSpec | None":
    from importlib.machinery import SourceFileLoader
    from importlib.util import decode_source

    class ChangingLoader(SourceFileLoader):
        """Compiles the changed text, which is never written to the byte code that Lava keeps."""

        def get_code(self, fullname: str) -> "CodeType | None":
            location = self.get_filename(fullname)
            source = decode_source(self.get_data(location))
            wanted = changed(fullname, source)
            if wanted == source:
                return super().get_code(fullname)
            code: CodeType = self.source_to_code(wanted.encode(), location)
            return code

    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if finder is LavaFinder or find_spec is None:
            continue
        spec: ModuleSpec | None = find_spec(name, path, target)
        if spec is not None:
            # Only plain files; whoever loads them otherwise knows why.
            if type(spec.loader) is SourceFileLoader:
                spec.loader = ChangingLoader(spec.loader.name, spec.loader.path)
            return spec
    return None


def register() -> None:
    """Put the finder first, once, unless the environment or an old Python makes it needless."""
    from os import environ

    wanted = sys.version_info >= (3, 11) and not environ.get("LAVA_EP_NO_COMPAT")
    if wanted and LavaFinder not in sys.meta_path:
        sys.meta_path.insert(0, LavaFinder)


register()
