"""Import Lava also where the start method of ``multiprocessing`` has been chosen already.

Lava sets the start method when it is imported and fails where there is one, as in a joblib worker.
Our networks are forked whatever it is, so it is given back afterwards.
"""

import multiprocessing

_chosen = multiprocessing.get_start_method(allow_none=True)
multiprocessing.set_start_method(None, force=True)
try:
    import lava.magma.runtime.message_infrastructure.multiprocessing  # noqa: F401
finally:
    if _chosen is not None:
        multiprocessing.set_start_method(_chosen, force=True)
