"""Values of 256 bits for compiled kernels, and the number of bits that are set in a word.

Inside a kernel such a value is loaded from and stored to an array of uint64, and combined with
``^``, ``&`` and ``|``. `lava_ep.dynamics._simd` says what each of the functions does; it is
imported when the first kernel is compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_ep.dynamics._jit import late

VECTOR_WORDS = 4
"""Words of 64 bits in one value."""

VECTOR_BITS = 64 * VECTOR_WORDS

ROWS, LANES = 5, 16
"""Of the part of a matrix product that is computed at a time: 16 registers of 8 numbers hold it."""

if TYPE_CHECKING:
    from lava_ep.dynamics._simd import (
        add_bytes as add_bytes,
    )
    from lava_ep.dynamics._simd import (
        add_widened as add_widened,
    )
    from lava_ep.dynamics._simd import (
        bytes_where as bytes_where,
    )
    from lava_ep.dynamics._simd import (
        load as load,
    )
    from lava_ep.dynamics._simd import (
        lowest_bit as lowest_bit,
    )
    from lava_ep.dynamics._simd import (
        multiply_tile as multiply_tile,
    )
    from lava_ep.dynamics._simd import (
        popcount as popcount,
    )
    from lava_ep.dynamics._simd import (
        spread as spread,
    )
    from lava_ep.dynamics._simd import (
        store as store,
    )
    from lava_ep.dynamics._simd import (
        where_above as where_above,
    )
    from lava_ep.dynamics._simd import (
        where_at_least as where_at_least,
    )
    from lava_ep.dynamics._simd import (
        where_below as where_below,
    )
    from lava_ep.dynamics._simd import (
        where_brighter as where_brighter,
    )
    from lava_ep.dynamics._simd import (
        where_equal as where_equal,
    )
    from lava_ep.dynamics._simd import (
        where_no_smaller as where_no_smaller,
    )
else:
    add_bytes = late("lava_ep.dynamics._simd:add_bytes")
    add_widened = late("lava_ep.dynamics._simd:add_widened")
    bytes_where = late("lava_ep.dynamics._simd:bytes_where")
    load = late("lava_ep.dynamics._simd:load")
    lowest_bit = late("lava_ep.dynamics._simd:lowest_bit")
    multiply_tile = late("lava_ep.dynamics._simd:multiply_tile")
    popcount = late("lava_ep.dynamics._simd:popcount")
    spread = late("lava_ep.dynamics._simd:spread")
    store = late("lava_ep.dynamics._simd:store")
    where_above = late("lava_ep.dynamics._simd:where_above")
    where_at_least = late("lava_ep.dynamics._simd:where_at_least")
    where_below = late("lava_ep.dynamics._simd:where_below")
    where_brighter = late("lava_ep.dynamics._simd:where_brighter")
    where_equal = late("lava_ep.dynamics._simd:where_equal")
    where_no_smaller = late("lava_ep.dynamics._simd:where_no_smaller")
