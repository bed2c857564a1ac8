"""The presets by the paper they are of: what is published, what is reached here, where it says so.

Accuracies are those on the test set, mean ± standard deviation where there are several runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A preset.

    Parameters
    ----------
    name
        Its name.
    about
        Data and network, or what is special.
    published
        Test accuracy in the paper, if there is one.
    confirmed
        Whether the published figure was seen in the paper or in its authors' files.
    similar
        Whether the published figure is of a similar network instead, or follows from others.
    reached
        Test accuracy here: after the last epoch, or that of a mean over seeds.
    partial
        What was left out of the training that reached it; ``""`` if nothing was.
    sources
        Files of the repository that hold what was reached, one for each seed: records of a
        training, or a page of the documentation.
    note
        What else is to be known about the figures.
    """

    name: str
    about: str
    published: str = ""
    confirmed: bool = True
    similar: bool = False
    reached: str = ""
    partial: str = ""
    sources: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Presets of one paper, or of one subject.

    Parameters
    ----------
    title
        The subject.
    paper
        Authors, year and where; ``""`` if the presets are of no paper.
    entries
        The presets; those with settings of ours after the published ones.
    """

    title: str
    paper: str
    entries: tuple[Entry, ...]


def _runs(*names: str) -> tuple[str, ...]:
    return tuple(f"reproductions/{name}.json" for name in names)


def _seeds(name: str) -> tuple[str, ...]:
    return _runs(*(f"{name}-{seed}" for seed in range(3)))


RESULTS = ("docs/results.md",)

GROUPS = (
    Group(
        "Binary weights and activations",
        "Laydevant et al. 2021, arXiv 2103.08953, section 4",
        (
            Entry(
                "binary-digits",
                "digits, 64-512-50, ours",
                reached="0.968",
                sources=RESULTS,
                note="the default preset; mean of seeds 0 to 4",
            ),
            Entry(
                "binary-mnist",
                "MNIST, 784-1024-100, ours",
                reached="0.973",
                sources=RESULTS,
            ),
            Entry(
                "laydevant-fc",
                "MNIST, 784-8192-100",
                published="0.97",
                confirmed=False,
                similar=True,
                reached="0.9663",
                sources=RESULTS,
                note="published: within 1 point of full precision, of which about 0.97 follows",
            ),
            Entry("laydevant-fc-2h", "MNIST, 784-8192-8192-6000"),
            Entry("laydevant-conv", "MNIST, convol. 256-512"),
        ),
    ),
    Group(
        "Binary weights, full-precision states",
        "Laydevant et al. 2021, arXiv 2103.08953, section 3",
        (
            Entry(
                "laydevant-real-fc",
                "MNIST, 784-4096-10",
                reached="0.9784",
                partial="21 of 50 epochs",
                sources=_runs("laydevant-real-fc"),
            ),
            Entry("laydevant-real-fc-2h", "MNIST, 784-4096-4096-10"),
            Entry("laydevant-real-conv", "MNIST, convolutions 32-64"),
            Entry(
                "laydevant-real-conv-symmetric",
                "the same, ours",
                reached="0.9877",
                partial="2 of 6 epochs",
                sources=_runs("laydevant-real-conv-symmetric"),
            ),
            Entry(
                "laydevant-cifar10",
                "CIFAR-10, 4 convolutions",
                reached="0.148",
                partial="10 batches, 256 test images",
                sources=_runs("laydevant-cifar10-640"),
                note="shows that it runs; a whole epoch takes hours",
            ),
        ),
    ),
    Group(
        "Discrete-time EP",
        "Ernoult et al. 2019, arXiv 1905.13633",
        (
            Entry(
                "ep-1h",
                "MNIST, 784-512-10",
                published="0.9800 ± 0.0013",
                confirmed=False,
                reached="0.9800",
                sources=_runs("ep-1h"),
            ),
            Entry(
                "ep-2h",
                "MNIST, 784-512-512-10",
                published="0.9805 ± 0.0010",
                confirmed=False,
                reached="0.9772",
                partial="14 of 50 epochs",
                sources=_runs("ep-2h"),
                note="with a filter of the states that the authors' settings do not have",
            ),
            Entry(
                "ep-3h",
                "MNIST, 784-512-512-512-10",
                published="0.9799 ± 0.0018",
                confirmed=False,
                note="with a filter of the states that the authors' settings do not have",
            ),
            Entry(
                "ep-conv",
                "MNIST, convolutions 32-64",
                published="0.9898 ± 0.0004",
                confirmed=False,
                reached="0.9698",
                partial="3 of 40 epochs",
                sources=_runs("ep-conv"),
            ),
            Entry(
                "ep-conv-symmetric",
                "the same, ours",
                reached="0.9916",
                partial="6 of 8 epochs",
                sources=_runs("ep-conv-symmetric"),
            ),
            Entry("gdu-1h", "MNIST, 784-512-10", note="for lava-ep study gdu"),
            Entry("gdu-energy-1h", "MNIST, energy-based form", note="for lava-ep study gdu"),
            Entry("gdu-toy", "digits, 64-32-10, ours", note="for lava-ep study gdu"),
        ),
    ),
    Group(
        "Continual updates (C-EP)",
        "Ernoult et al. 2020, arXiv 2005.04168",
        (
            Entry(
                "cep-1h",
                "MNIST, 784-512-10",
                published="0.9772 ± 0.0016",
                confirmed=False,
                reached="0.9703",
                sources=_runs("cep-1h"),
                note="0.9793 with --set network.phases.nudging=random-sign",
            ),
            Entry("cep-2h", "MNIST, 784-512-512-10", published="0.9756 ± 0.0014", confirmed=False),
        ),
    ),
    Group(
        "Continual updates, weights not tied (C-VF)",
        "Ernoult et al. 2020, arXiv 2005.04169",
        (
            Entry(
                "cvf-1h",
                "MNIST, 784-512-10",
                published="0.9757 ± 0.0008",
                confirmed=False,
                reached="0.9735",
                partial="90 of 100 epochs",
                sources=_runs("cvf-1h"),
                note="in epoch 94 the weights ran away",
            ),
            Entry("cvf-2h", "MNIST, 784-512-512-10", published="0.9703 ± 0.0019", confirmed=False),
            Entry("cvf-digits", "digits, 64-64-10, ours"),
        ),
    ),
    Group(
        "Deep resistive networks",
        "Scellier et al., ICML 2024; under noise: Peters & Talatchian, arXiv 2503.22810",
        (
            Entry(
                "drn-xs",
                "MNIST, 784-100-10",
                published="0.9654",
                reached="0.9658",
                sources=_runs("drn-xs", "drn-xs-1", "drn-xs-2"),
            ),
            Entry(
                "drn-1h",
                "MNIST, 784-1024-10",
                published="0.9843",
                reached="0.9793",
                partial="7 of 50 epochs",
                sources=_runs("drn-1h"),
            ),
            Entry("drn-2h", "MNIST, 784-1024-1024-10", published="0.9852"),
            Entry("drn-3h", "MNIST, 3 x 1024 hidden", published="0.9834"),
            Entry("drn-xl", "MNIST, 784-32768-10", published="0.9867"),
            Entry("drn-digits", "digits, 64-256-10, ours"),
        ),
    ),
    Group(
        "Local binary errors (BMLP) and their baseline (CP+R)",
        "Colombo, Pittorino & Roveri 2024, arXiv 2412.00119; settings of ours",
        (
            Entry(
                "bmlp-mnist",
                "MNIST, 784-1000-500",
                reached="0.9498",
                sources=_runs("bmlp-mnist"),
            ),
            Entry(
                "bmlp-fashion-mnist",
                "Fashion-MNIST, the same",
                reached="0.8514",
                sources=_runs("bmlp-fashion-mnist"),
            ),
            Entry("bmlp-digits", "digits, 256-500", reached="0.9639", sources=_runs("bmlp-digits")),
            Entry(
                "bmlp-prototypes",
                "prototypes 0.44, 1000-500",
                reached="0.9590",
                sources=_runs("bmlp-prototypes-0.44"),
                note="the nearest prototype, the best possible classifier, reaches 0.9790",
            ),
            Entry("bmlp-cifar10-features", "features:cifar10tl"),
            Entry(
                "cp-r-mnist",
                "MNIST, 500 in 100 groups",
                reached="0.8898",
                sources=_runs("cp-r-mnist"),
            ),
            Entry(
                "cp-r-fashion-mnist",
                "Fashion-MNIST, the same",
                reached="0.8008",
                sources=_runs("cp-r-fashion-mnist"),
            ),
            Entry(
                "cp-r-digits", "digits, the same", reached="0.9389", sources=_runs("cp-r-digits")
            ),
            Entry(
                "cp-r-prototypes",
                "prototypes 0.44, the same",
                reached="0.9060",
                sources=_runs("cp-r-prototypes-0.44"),
            ),
        ),
    ),
    Group(
        "Sigma-delta neurons",
        "after O'Connor et al. 2019; convolutions: Lin et al. 2024, arXiv 2405.02546",
        (
            Entry(
                "sigma-delta-mnist",
                "MNIST, 784-512-10",
                published="0.974",
                similar=True,
                reached="0.9790",
                sources=_runs("sigma-delta-mnist"),
                note="published: a comment in the authors' code, 1 hidden layer",
            ),
            Entry(
                "sigma-delta-binary-mnist",
                "the same, binary weights",
                reached="0.9701",
                sources=_runs("sigma-delta-binary-mnist"),
            ),
            Entry(
                "sigma-delta-conv",
                "MNIST, convolutions 16-32",
                published="0.9903",
                similar=True,
                reached="0.9832",
                sources=_runs("sigma-delta-conv"),
                note="published: two convolutions and two dense layers",
            ),
            Entry(
                "sigma-delta-digits",
                "digits, 64-256-20",
                reached="0.973",
                sources=_seeds("sigma-delta-digits"),
            ),
            Entry(
                "sigma-delta-binary-digits",
                "digits, binary weights",
                reached="0.967",
                sources=_seeds("sigma-delta-binary-digits"),
            ),
        ),
    ),
    Group(
        "Integrate-and-fire neurons",
        "after EqSpike, Martin et al. 2021, arXiv 2010.07859",
        (
            Entry(
                "if-mnist",
                "MNIST, 784-256-50",
                published="0.976",
                similar=True,
                reached="0.9728",
                sources=_runs("if-mnist"),
                note="published: EqSpike, 784-300-10",
            ),
            Entry(
                "if-binary-mnist",
                "MNIST, binary weights",
                reached="0.9598",
                sources=_runs("if-binary-mnist"),
            ),
            Entry(
                "lif-mnist",
                "MNIST, 784-256-50, leaky",
                reached="0.9723",
                sources=_runs("lif-mnist"),
            ),
            Entry("if-digits", "digits, 64-128-50", reached="0.972", sources=_seeds("if-digits")),
            Entry(
                "if-binary-digits",
                "digits, binary weights",
                reached="0.962",
                sources=_seeds("if-binary-digits"),
            ),
            Entry(
                "lif-digits",
                "digits, 64-128-50, leaky",
                reached="0.964",
                sources=_seeds("lif-digits"),
            ),
            Entry(
                "lif-binary-digits",
                "the same, binary weights",
                reached="0.944",
                sources=_seeds("lif-binary-digits"),
            ),
            Entry(
                "if-event-digits",
                "event camera, 512-128-50",
                reached="0.959",
                sources=_seeds("if-event-digits"),
                note="recordings are simulated",
            ),
        ),
    ),
    Group(
        "Lava's own Processes, with a Loihi learning rule",
        "",
        (
            Entry(
                "stock-digits",
                "digits, 64-100-10",
                reached="0.950",
                sources=_runs("stock-digits-loihi-float"),
                note="in real numbers; in Loihi's integers 0.944",
            ),
        ),
    ),
)
"""Every preset, in exactly one group."""


def entries() -> Iterator[tuple[Group, Entry]]:
    """Yield all presets with their groups, in order."""
    for group in GROUPS:
        for entry in group.entries:
            yield group, entry
