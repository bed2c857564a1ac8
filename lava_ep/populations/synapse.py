"""A synapse population: the currents it carries, and the contrasts it learns from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_ep.dynamics import Noise
from lava_ep.populations.clock import Clock
from lava_ep.populations.measurement import measured
from lava_ep.populations.receiver import Receiver
from lava_ep.populations.weights import Contrast, Weights

Array = NDArray[Any]


class Moment(NamedTuple):
    """What a synapse population sees at a time.

    Parameters
    ----------
    pre
        Activations of the sources, (batch, n_pre).
    located
        Those of the targets, see `lava_ep.dynamics.Currents`.
    """

    pre: Array
    located: Array


class SynapsePopulation:
    r"""Synapses of any kind between neurons of any kind.

    The contrast of two moments :math:`(a', b') \to (a'', b'')` is

    .. math:: \partial_W \Phi(a'', b'') - \partial_W \Phi(a', b')
        = \partial_W \Phi(a'', b'' - b') + \partial_W \Phi(a'' - a', b')

    computed in the second form, which subtracts no large numbers. Feedback weights of their own
    learn from the second term alone, and the forward weights from
    :math:`\partial_W \Phi(a', b'' - b')`: each as far as its own end moves (vector field; Ernoult
    et al. 2020, arXiv 2005.04169).

    Parameters
    ----------
    weights
        The weights; other populations may share them.
    batch
        Number of samples.
    backward
        Whether anybody listens to the currents back to the sources; may be set later.
    pre, post
        How the messages of the two ends are read; by default they are changes.
    noises
        Of the activations of the two ends that the synapses learn from, at the ends of two phases.

    Attributes
    ----------
    current_post, current_pre
        Currents to the two ends from what was received so far, (batch, n_post) and
        (batch, n_pre).
    synaptic_operations
        Events times the synapses they reach, (2,): free phases, nudged phases.
    """

    def __init__(
        self,
        weights: Weights,
        *,
        batch: int,
        backward: bool = True,
        pre: Receiver | None = None,
        post: Receiver | None = None,
        noises: tuple[Noise | None, Noise | None] = (None, None),
    ) -> None:
        self._noises = noises
        self.store = weights
        self.synaptic_operations = np.zeros(2, np.int64)
        connection, dtype = weights.connection, weights.dtype
        self._batch = batch
        self.backward = backward
        self._pre = pre or Receiver((batch, connection.n_pre), dtype)
        self._post = post or Receiver((batch, connection.n_post), dtype)
        self._nothing = np.zeros((batch, connection.n_post), dtype)
        self._currents: Any = connection.currents(batch, dtype)
        self.current_post = np.zeros((batch, connection.n_post), dtype)
        self.current_pre = np.zeros((batch, connection.n_pre), dtype)
        self._version = -1
        self._silent = True

    def step(self, clock: Clock, pre: Array, post: Array) -> None:
        """Take in the events of both ends of this step; `reset` comes before every sample.

        Parameters
        ----------
        clock
            Tells the phase.
        pre, post
            Events, (batch, n_pre) and (batch, n_post).
        """
        self._follow_weights()
        sign = clock.continual_sign if self.store.rule is not None else 0
        before = self._moment() if sign else None
        self._receive(clock, pre, post)
        if before is not None:
            contrast = self._contrast(before, self._moment())
            self.store.apply(contrast, batch=self._batch, sign=sign, clock=clock)
            self._follow_weights()
        if self.store.rule is not None:
            if clock.remembers:
                self._first = self._measured(clock, 0)
                self._first_energy = self._energy()
            if clock.learning and clock.at_end and self._noisy:
                self._second = self._measured(clock, 1)

    def learn(self, clock: Clock) -> None:
        """Learn from the contrast of the two remembered moments, unless every step did."""
        if self.store.rule is not None and not clock.schedule.continual:
            rows = self.contrast().rows
            self.store.learn(rows, self.energy_change(), batch=self._batch, clock=clock)

    def get(self, name: str) -> Array:
        """Return one of the arrays of `LayerParameters`, or a counter."""
        return self.synaptic_operations if name == "synaptic_operations" else self.store.get(name)

    def set(self, name: str, value: Array) -> None:
        """Replace one of the arrays of `LayerParameters`, or a counter."""
        if name == "synaptic_operations":
            self.synaptic_operations[...] = value
        else:
            self.store.set(name, value)

    def contrast(self) -> Contrast:
        """Return the contrast between the remembered moment and the present one."""
        return self._contrast(self._first, self._second if self._noisy else self._moment())

    def energy_change(self) -> float:
        r"""Return the change of :math:`\sum b \cdot W a` since then, without the scaling factor."""
        return self._energy() - self._first_energy

    def _energy(self) -> float:
        if not self.store.alpha_rate:
            return 0.0
        return float(np.sum(self._post.activation * self._currents.post, dtype=np.float64))

    def reset(self) -> None:
        """Forget what was received."""
        self._pre.reset()
        self._post.reset()
        self._currents.reset()
        self.current_post[...] = 0
        self.current_pre[...] = 0
        self._silent = True

    def _follow_weights(self) -> None:
        """Compute all currents anew if the weights have changed."""
        if self._version == self.store.version:
            return
        self._version = self.store.version
        self._currents.use(*self.store.layouts())
        if self._silent:
            return
        self._currents.refresh(self._pre.signal, self._post.signal, backward=self.backward)
        self._scale(post=True, pre=self.backward)

    def _receive(self, clock: Clock, pre: Array, post: Array) -> None:
        currents = self._currents
        operations = 0
        sources, targets = self._pre.receive(clock, pre), self._post.receive(clock, post)
        new_post = self._fade(self._pre, currents.post) or sources is not None
        if sources is not None:
            operations += currents.add_pre(sources, self._pre.signal)
        # The way back also changes with the places that targets are pooled from.
        moved = targets is not None or (sources is not None and currents.moves_places)
        new_pre = self.backward and (self._fade(self._post, currents.pre) or moved)
        if self.backward and moved:
            change = self._nothing if targets is None else targets
            operations += currents.add_post(change, self._post.signal)
        self._silent &= sources is None and targets is None
        self._scale(post=new_post, pre=new_pre)
        self.synaptic_operations[clock.counter] += operations

    def _fade(self, end: Receiver, currents: Array) -> bool:
        """Let the currents of spikes end, and tell whether there may have been any."""
        if end.lasting or self._silent:
            return False
        currents.fill(0)
        return True

    def _scale(self, *, post: bool, pre: bool) -> None:
        gain_post, gain_pre = self.store.gain
        if post:
            self.current_post = _scaled(self._currents.post, gain_post, self.current_post)
        if pre:
            self.current_pre = _scaled(self._currents.pre, gain_pre, self.current_pre)

    @property
    def _noisy(self) -> bool:
        return any(noise is not None for noise in self._noises)

    def _moment(self) -> Moment:
        located = self._currents.located(self._post.activation)
        return Moment(self._pre.activation.copy(), located.copy())

    def _measured(self, clock: Clock, phase: int) -> Moment:
        """Return the present moment as the synapses see it, in one of the contrasted phases."""
        if not self._noisy:
            return self._moment()
        pre, post = self._noises
        targets = measured(post, self._post.activation, clock, phase, self.store.target_levels)
        sources = measured(pre, self._pre.activation, clock, phase, self.store.levels)
        return Moment(sources, self._currents.located(targets).copy())

    def _contrast(self, before: Moment, now: Moment) -> Contrast:
        """Return the contrast between two moments."""
        connection = self.store.connection
        moved_post = now.located - before.located
        moved_pre = now.pre - before.pre
        if self.store.untied:
            forward = connection.gradient(before.pre, moved_post)
            feedback = connection.gradient(moved_pre, before.located)
            return Contrast(forward, feedback)
        contrast = connection.gradient(now.pre, moved_post)
        if moved_pre.any():
            contrast = contrast + connection.gradient(moved_pre, before.located)
        return Contrast(contrast)


def _scaled(currents: Array, gain: float, out: Array) -> Array:
    if gain == 1:
        return currents
    if out is currents:
        out = np.empty_like(currents)
    scaled: Array = np.multiply(currents, currents.dtype.type(gain), out=out)
    return scaled
