import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ep.deploy import check_fit, largest_that_fits, place, report_on
from lava_ep.deploy.demand import list_bytes
from lava_ep.errors import InputError
from lava_ep.loihi2.resources import FIGURES, SYSTEMS, Limits, find_system
from lava_ep.spec import ExperimentSpec, load_preset, override, parse

CHIP, KAPOHO, HALA = SYSTEMS
REAL = {"weights": "real", "rate": 0.1}
BINARY = {"weights": "binary", "theta": 0.1}
AVERAGE = {"pooling": "average", "kernel": 3, "pool": 2}


def network(*layers, inputs=16, classes=2, **fields):
    found = [{**REAL, **layer} if "weights" not in layer else layer for layer in layers]
    data = {"inputs": inputs, "classes": classes, "layers": found, **fields}
    return parse(ExperimentSpec, {"network": data}, source="test").network


def dense(*sizes, kind=REAL, **fields):
    layers = [{**kind, "neurons": size} for size in sizes[1:]]
    return network(*layers, inputs=sizes[0], **fields)


def names(breaches):
    return sorted({breach.limit for breach in breaches})


def test_binary_mnist_that_learns_by_hand():
    """784-1024-100, every number worked out from the sources, not from the code.

    A list of n learning synapses of 24 bits has a header of 10 bits for each 64, in words of 64
    bits: 64 of them take 64 * 24 + 10 = 1546 bits, 25 words, 200 bytes. As many of 2 bits take
    138 bits, 3 words, 24 bytes. 65 learning ones take another list: 34 bits, a word, 208 bytes.

    hidden1 hears 784 pixels and 100 outputs: 884 lists.
        64 neurons: 884 * 200 = 176,800 bytes of synapses, of which 884 * 24 = 21,216 without
        learning; traces 884 * 2 + 64 * 3 = 1,960; 4 variables of 4 bytes, 64 * 16 = 1,024, and 3
        more to learn, 64 * 12 = 768. 180,552 in all.
        Up to 70 neurons fit: 6 more take 154 bits, 24 bytes: 884 * 224 = 198,016 is too much for
        196,608, but 4 more, 106 bits, 16 bytes: 884 * 216 = 190,944, + 1,768 + 68 * 31 = 194,820.
        1024 neurons by 68 are 15.06, so 16 cores of 64.
    output hears 1024 neurons, and each neuron its target: 1024 lists and 50 of one weight.
        50 neurons: 50 * 24 + 10 = 1210 bits, 19 words, 152 bytes: 155,648; 50 * 8 = 400 for the
        targets. Without learning 50 * 2 + 10 = 110 bits, 2 words: 16,384 + 400 = 16,784.
        100 neurons: 200 bytes + 36 * 24 + 10 = 874 bits, 14 words, 112 bytes: 319,488, too much.
        So 2 cores of 50. Learning adds 155,648 - 16,384 = 139,264, traces 1024 * 2 + 50 * 3 =
        2,198, and 50 * 12 = 600.
    Each hidden neuron reaches 2 cores, each output neuron 16 and the host.
    """
    placement = place(load_preset("binary-mnist").network)
    hidden, output = placement.of_layer(0), placement.of_layer(1)
    assert (len(hidden), len(output)) == (16, 2)
    assert {core.neurons for core in hidden} == {64}
    assert {core.neurons for core in output} == {50}
    core = hidden[0]
    assert (core.input_axons, core.output_axons) == (884, 64 * 2)
    assert (core.weight_bytes, core.state_bytes) == (21_216, 1_024)
    assert core.learning_bytes == 176_800 - 21_216 + 1_960 + 768
    assert core.memory == 180_552
    core = output[0]
    assert (core.input_axons, core.output_axons) == (1024 + 50, 50 * 17)
    assert (core.weight_bytes, core.learning_bytes) == (16_784, 139_264 + 2_198 + 600)
    assert core.state_bytes == 800
    # Both copies of the upper connection, and the targets.
    assert placement.synapses == 784 * 1024 + 2 * 1024 * 100 + 100
    report = report_on(placement).to_json()
    assert report["fits"] == "single-chip"
    assert report["total"]["cores"] == 18
    assert [layer["payload_bits"] for layer in report["layers"]] == [2, 2]
    assert report["injected"] == {"sources": 784, "cores": 16, "payload_bits": 8}
    assert report["layers"][0]["fan_in"] == {"image": 784, "output": 100}
    assert report["layers"][0]["fan_out"] == {"output": 100}


def test_binary_mnist_that_only_infers_by_hand():
    """Weights of 2 bits: 512 neurons are 8 lists of 138 bits, 8 * 24 = 192 bytes a source.

    884 * 192 = 169,728, + 512 * 16 = 177,920 of 196,608. All 1024 would take twice as much: 2
    cores. The output: 100 neurons, 138 bits and 36 * 2 + 10 = 82 bits, 24 + 16 = 40 bytes: 40,960,
    one core.
    """
    placement = place(load_preset("binary-mnist").network, learning=False)
    cores = [(core.layer, core.neurons, core.weight_bytes) for core in placement.cores]
    assert cores == [(0, 512, 169_728), (0, 512, 169_728), (1, 100, 40_960)]
    assert {core.learning_bytes for core in placement.cores} == {0}
    assert [core.state_bytes for core in placement.cores] == [8_192, 8_192, 1_600]


def test_two_wide_hidden_layers_by_hand():
    """784-8192-8192-6000 breaks the axon tables everywhere; by memory alone it takes 7,644 cores.

    4 learning synapses are 106 bits, 2 words, 16 bytes; 5 are 130 bits, 24 bytes; 2 are 58 bits,
    8 bytes; 3 are 82 bits, 16 bytes. A core has 196,608 bytes.

    hidden1 hears 784 + 8192 = 8976: 4 neurons 143,616 + traces 17,952, 5 neurons 215,424: 4 a
    core, 2048 cores. hidden2 hears 8192 + 6000 = 14,192: 2 neurons 113,536 + 28,384, 3 neurons
    227,072: 2 a core, 4096 cores. The output hears 8192: 4 neurons 131,072 + 16,384, 5 neurons
    196,608 before anything else: 4 a core, 1500 cores.
    Output axons: 4 neurons to 4096 cores, 2 to 2048 + 1500, 4 to 4096 and the host.
    Synapses: 784 * 8192 + 2 * 8192 * 8192 + 2 * 8192 * 6000 + 6000 targets = 238,950,256.
    """
    placement = place(load_preset("laydevant-fc-2h").network)
    layers = [placement.of_layer(index) for index in range(3)]
    assert [len(cores) for cores in layers] == [2048, 4096, 1500]
    assert [{core.neurons for core in cores} for cores in layers] == [{4}, {2}, {4}]
    assert [cores[0].input_axons for cores in layers] == [8976, 14_192, 8192 + 4]
    assert [cores[0].output_axons for cores in layers] == [16_384, 7_096, 16_388]
    assert placement.synapses == 238_950_256
    tables = {(breach.limit, breach.where, breach.needed) for breach in placement.breaches}
    assert tables == {
        ("input_axons", "hidden1", 8976),
        ("input_axons", "hidden2", 14_192),
        ("input_axons", "output", 8193),
        ("output_axons", "hidden1", 16_384),
        ("output_axons", "hidden2", 7_096),
        ("output_axons", "output", 16_388),
    }
    tables = ["input_axons", "output_axons"]
    assert names(placement.breaches_on(CHIP)) == ["cores", *tables, "synapses"]
    assert names(placement.breaches_on(KAPOHO)) == ["cores", *tables]
    assert names(placement.breaches_on(HALA)) == tables
    # 7644 / 122, as 140,544 cores on 1,152 chips are 122 a chip.
    assert placement.chips_on(HALA) == 63


def test_a_convolution_by_hand():
    """8 by 8 pixels, 4 channels, kernel 3, average pooling of 2: 6 by 6 sums, 3 by 3 positions.

    Pooling widens the kernel to 4 and its stride to 2, so that a neuron has 16 synapses. Shared by
    all positions, the kernel is a list of 16 * 4 = 64 weights of 8 bits: 522 bits, 9 words, 72
    bytes. Feedback from 2 outputs to 36 neurons: 2 lists of 36 * 8 + 10 = 298 bits, 5 words.
    """
    convolved = network(
        {"channels": 4, **AVERAGE}, {"neurons": 2}, inputs=64, image_shape=[8, 8], classes=2
    )
    placement = place(convolved, learning=False)
    hidden, output = placement.cores
    assert (hidden.neurons, hidden.input_axons, hidden.synapses) == (36, 64 + 2, 64 + 72)
    assert hidden.weight_bytes == 72 + 2 * 40
    # 36 lists of 2 weights: 26 bits, a word.
    assert (output.neurons, output.weight_bytes) == (2, 36 * 8)
    assert report_on(placement).to_json()["layers"][0]["fan_in"] == {"image": 16, "output": 2}
    # Of a core with a row of 3 positions: 3 pairs of sums and the 3 by 3 kernel see 4 by 8 pixels.
    rows = place(convolved, learning=False, limits=Limits(neurons_per_core=12)).cores
    assert [core.neurons for core in rows] == [12, 12, 12, 2]
    assert rows[0].input_axons == 4 * 8 + 2


BROKEN = {
    "cores": (dense(784, 2000, 2000, 10, kind=BINARY), {}, ["cores"]),
    # Of so many synapses the memory never fits one chip either.
    "synapses": (
        dense(784, 8192, 8192, 10, kind=BINARY),
        {"learning": False, "limits": Limits(input_axons=20_000, output_axons=1_000_000)},
        ["cores", "synapses"],
    ),
    "neurons_per_core": (
        network({"channels": 9000, "kernel": 1}, {"neurons": 2}, inputs=1, image_shape=[1, 1]),
        {"learning": False, "limits": Limits(input_axons=10_000, output_axons=100_000)},
        ["neurons_per_core"],
    ),
    "core_memory": (
        dense(30_000, 4),
        {"limits": Limits(input_axons=40_000)},
        ["core_memory"],
    ),
    "input_axons": (dense(4097, 4), {"learning": False}, ["input_axons"]),
    "output_axons": (dense(64, 512, 10), {"limits": Limits(output_axons=2)}, ["output_axons"]),
    "payload_bits": (
        dense(16, 4, neuron={"kind": "graded", "event_threshold": 1e-10}),
        {},
        ["payload_bits"],
    ),
    "max_pooling": (
        network({"channels": 4, **AVERAGE, "pooling": "max"}, {"neurons": 2}, image_shape=[4, 4]),
        {"learning": False},
        ["max_pooling"],
    ),
    "learning_of_shared_weights": (
        network({"channels": 4, **AVERAGE}, {"neurons": 2}, image_shape=[4, 4]),
        {},
        ["learning_of_shared_weights"],
    ),
    "learning_of_alpha": (
        network({**BINARY, "neurons": 2, "alpha_rate": 0.1}),
        {},
        ["learning_of_alpha"],
    ),
}


@pytest.mark.parametrize("limit", BROKEN)
def test_a_network_that_breaks_a_limit_is_refused_with_its_name(limit):
    broken, options, expected = BROKEN[limit]
    assert names(place(broken, **options).breaches_on(CHIP)) == expected
    with pytest.raises(InputError, match=f"does not fit single chip.*{limit} \\("):
        check_fit(broken, CHIP, **options)


def test_what_would_fit_fits_and_a_wider_one_does_not():
    broken, _, _ = BROKEN["cores"]
    fitting = largest_that_fits(broken, CHIP)
    assert not place(fitting).breaches_on(CHIP)
    hidden = [layer.neurons + 20 for layer in fitting.layers[:-1]]
    assert place(dense(784, *hidden, 10, kind=BINARY)).breaches_on(CHIP)


def test_nothing_fits_where_the_image_alone_is_too_large():
    assert largest_that_fits(BROKEN["input_axons"][0], HALA) is None


def test_splitting_makes_room_for_output_axons():
    """512 hidden neurons that each reach the only output core need 512 entries of one core."""
    wide = dense(64, 512, 10)
    assert len(place(wide, learning=False).of_layer(0)) == 1
    split = place(wide, learning=False, limits=Limits(output_axons=200))
    assert not split.breaches
    # 3 cores would do for the hidden layer, and the output then reaches 3 and the host.
    assert [core.output_axons for core in split.cores] == [171, 171, 170, 40]


@given(
    sizes=st.lists(st.integers(1, 600), min_size=2, max_size=5),
    learning=st.booleans(),
    memory=st.integers(20_000, 200_000),
)
def test_every_neuron_has_a_place_within_the_limits(sizes, learning, memory):
    *hidden, outputs = sizes[1:]
    placed = dense(sizes[0], *hidden, 2 * outputs)
    limits = Limits(core_memory=memory, neurons_per_core=200, output_axons=1000)
    placement = place(placed, learning=learning, limits=limits)
    for index, size in enumerate(placed.sizes[1:]):
        cores = placement.of_layer(index)
        assert sum(core.neurons for core in cores) == size
        assert max(c.neurons for c in cores) - min(c.neurons for c in cores) <= 1
    if not placement.breaches:
        for core in placement.cores:
            assert core.memory <= memory
            assert core.neurons <= 200
            assert core.output_axons <= 1000
    # Input and output tables tell of the same connections.
    into = sum(core.input_axons for core in placement.cores)
    injected = placed.inputs * len(placement.of_layer(0)) + learning * placed.sizes[-1]
    out = sum(core.output_axons for core in placement.cores) - placed.sizes[-1]
    assert into - injected == out


@given(synapses=st.integers(1, 1000), bits=st.sampled_from([2, 8, 24]))
def test_lists_are_whole_words_and_hold_their_synapses(synapses, bits):
    size = list_bytes(synapses, bits)
    assert size % 8 == 0
    needed = synapses * bits + 10 * math.ceil(synapses / 64)
    assert needed <= 8 * size < needed + 64 * math.ceil(synapses / 64)


def test_every_assumption_is_in_the_report():
    report = report_on(place(load_preset("binary-digits").network)).to_json()
    assert report["figures"].keys() == FIGURES.keys()
    for name, figure in FIGURES.items():
        assert figure.source
        assert report["figures"][name]["assumption"] == figure.assumption
    # What a user knows better is no assumption any more.
    known = place(load_preset("binary-digits").network, limits=Limits(input_axons=8192))
    figure = report_on(known).to_json()["figures"]["input_axons"]
    assert (figure["value"], figure["assumption"]) == (8192, "")


def test_bits_of_messages():
    def bits(*changes, preset="binary-digits"):
        changed = override(load_preset(preset), changes).network
        report = report_on(place(changed)).to_json()
        return report["layers"][0]["payload_bits"], report["injected"]["payload_bits"]

    assert bits() == (2, 5)  # pixels up to 16
    assert bits(preset="ep-1h") == (24, 8)
    # Steps of 2**-8 from -2 to 2: 512 of either sign.
    changes = ["network.neuron.event_threshold=0.00390625"]
    assert bits(*changes, preset="ep-1h") == (10, 8)
    assert bits(preset="if-mnist") == (0, 8)
    assert bits("network.encoding.code=rate", preset="if-mnist") == (0, 0)
    # Up to 8 steps of either sign to return to the free state.
    assert bits(preset="sigma-delta-mnist") == (5, 8)


def test_wrong_limits_and_systems_are_named():
    with pytest.raises(InputError, match=r"--limit cores=3: expected one of neurons_per_core, "):
        Limits().override(["cores=3"])
    with pytest.raises(InputError, match="--limit core_memory=big: expected a whole number"):
        Limits().override(["core_memory=big"])
    with pytest.raises(InputError, match="'oheo': expected one of single-chip, kapoho-point, hal"):
        find_system("oheo")
