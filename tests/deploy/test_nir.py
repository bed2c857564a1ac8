import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lava_ep.cli import app
from lava_ep.deploy import Trained, from_graph, read_nir, to_graph, write_nir
from lava_ep.deploy.nir_file import CHECKSUM_AT_END
from lava_ep.errors import InputError
from lava_ep.parameters import LayerParameters, NetworkParameters, initial_parameters
from lava_ep.spec import ExperimentSpec, load_preset, override, parse
from lava_ep.training import RunFolder

nir = pytest.importorskip("nir", reason="needs the package nir: pip install 'lava-ep[nir]'")

REAL = {"weights": "real", "rate": 0.1}
BINARY = {"weights": "binary", "theta": 0.1}


def experiment(*layers, inputs=16, classes=2, **fields):
    found = {"inputs": inputs, "classes": classes, "layers": list(layers), **fields}
    return parse(ExperimentSpec, {"network": found, "data": {"name": "digits"}}, source="test")


def dense(*sizes, kind=REAL, **fields):
    layers = [{**kind, "neurons": size} for size in sizes[1:]]
    return experiment(*layers, inputs=sizes[0], **fields)


def convolutional(kind=REAL, pool=1, pooling="average", **fields):
    return experiment(
        {**kind, "channels": 3, "kernel": 3, "padding": 1, "pool": pool, "pooling": pooling},
        {**kind, "channels": 4, "kernel": 3},
        {**kind, "neurons": 6},
        {**kind, "neurons": 4},
        inputs=128,
        image_shape=[8, 8, 2],
        **fields,
    )


NETWORKS = {
    "binary": dense(16, 8, 4, kind=BINARY),
    "graded": dense(16, 8, 6, 4, neuron={"kind": "graded", "activation": "tanh"}),
    "energy-based": dense(16, 4, neuron={"kind": "graded", "time_step": 0.1}),
    "sigma-delta": dense(16, 8, 4, neuron={"kind": "sigma-delta", "levels": 4, "adaptive": True}),
    "integrate-and-fire": dense(16, 8, 4, neuron={"kind": "lif", "refractory": 2}),
    "leaky": dense(16, 8, 4, kind=BINARY, neuron={"kind": "lif", "dv": 0.2, "reset": "zero"}),
    "untied": dense(16, 8, 6, 4, neuron={"kind": "graded"}, feedback_angle=30),
    "normalized": dense(
        16, 4, neuron={"kind": "graded"}, normalization={"mean": [0.3], "std": [0.2]}
    ),
    "convolution": convolutional(neuron={"kind": "graded"}),
    "binary convolution": convolutional(BINARY),
    "average pooling": convolutional(pool=2, neuron={"kind": "sigma-delta"}),
    "max pooling": convolutional(BINARY, pool=2, pooling="max"),
    "untied convolution": convolutional(neuron={"kind": "graded"}, feedback_angle=90),
    "untied max pooling": convolutional(
        pool=2, pooling="max", neuron={"kind": "graded"}, feedback_angle=90
    ),
}


def trained(experiment, seed=0):
    """Parameters none of which are as they were at the beginning."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer in initial_parameters(experiment.network, seed=seed).layers:
        moved = {
            name: array + rng.normal(size=array.shape).astype(array.dtype)
            for name, array in layer.arrays.items()
            if name not in ("weights", "alpha") or array.dtype == np.float32
        }
        if layer.alpha is not None:
            moved |= {"weights": layer.weights, "alpha": layer.alpha * 1.1}
        layers.append(LayerParameters(**moved))
    parameters = NetworkParameters(tuple(layers), batch=17)
    return Trained(experiment, parameters, 3, {"backend": "fused", "seed": 0})


def assert_same(found, expected):
    assert found.experiment == expected.experiment
    assert (found.epoch, found.about) == (expected.epoch, expected.about)
    arrays, wanted = found.parameters.to_arrays(), expected.parameters.to_arrays()
    assert arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        assert arrays[name].dtype == array.dtype, name
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_reads_back_equal(tmp_path, name):
    written = trained(NETWORKS[name])
    write_nir(tmp_path / "network.nir", written)
    assert_same(read_nir(tmp_path / "network.nir"), written)


@given(
    hidden=st.lists(st.integers(1, 9), max_size=3),
    inputs=st.integers(1, 20),
    outputs=st.integers(1, 4),
    kind=st.sampled_from([REAL, BINARY]),
    neuron=st.sampled_from(["binary", "graded", "sigma-delta", "lif"]),
    seed=st.integers(0, 100),
)
def test_a_graph_holds_all_parameters(hidden, inputs, outputs, kind, neuron, seed):
    drawn = dense(inputs, *hidden, 2 * outputs, kind=kind, neuron={"kind": neuron})
    written = trained(drawn, seed)
    graph = to_graph(drawn.network, written.parameters)
    found = from_graph(graph, drawn.network, batch=17, source="test")
    assert_same(Trained(drawn, found, 3, written.about), written)


def test_feedback_is_an_edge_of_its_own():
    written = trained(NETWORKS["integrate-and-fire"])
    graph = to_graph(written.experiment.network, written.parameters)
    assert {(a, b) for a, b in graph.edges if "feedback" in a + b} == {
        ("output_neurons", "hidden1_feedback"),
        ("hidden1_feedback", "hidden1_neurons"),
    }
    back = graph.nodes["hidden1_feedback"].weight
    np.testing.assert_array_equal(back, graph.nodes["output_synapses"].weight.T)


def test_integrate_and_fire_neurons_as_equations():
    """tau and r of NIR against du and dv: a step of Euler's method is a step of `lif_step`."""
    neuron = {"kind": "lif", "du": 0.25, "dv": 0.125, "threshold": 2.0}
    leaky = trained(dense(4, 2, neuron=neuron))
    node = to_graph(leaky.experiment.network, leaky.parameters).nodes["output_neurons"]
    step, current, potential, arriving = 1e-3, 0.5, 1.0, 3.0
    current += step / node.tau_syn * (node.w_in * arriving - current)
    potential += step / node.tau_mem * (node.v_leak - potential + node.r * current)
    np.testing.assert_allclose(current, 0.75 * 0.5 + 0.25 * 3.0, rtol=1e-6)
    np.testing.assert_allclose(potential, 0.875 * 1.0 + current, rtol=1e-6)
    assert (node.v_threshold == 2).all()


def convolve(node, image):
    """What a Conv2d node of stride 1 makes of an image, (channels, height, width)."""
    (rows, columns), (_, _, height, width) = node.padding, node.weight.shape
    padded = np.pad(image, ((0, 0), (rows, rows), (columns, columns)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    return np.einsum("ocij,cyxij->oyx", node.weight, windows) + node.bias[:, None, None]


@pytest.mark.parametrize("name", ["convolution", "untied convolution", "binary convolution"])
def test_nodes_of_convolutions_compute_the_currents_of_the_network(name):
    """Forward and back, through convolutions and dense layers, against `Connection.currents`."""
    written = trained(NETWORKS[name])
    network = written.experiment.network
    graph = to_graph(network, written.parameters)
    rng = np.random.default_rng(1)
    names = network.layer_names
    for index, (connection, layer) in enumerate(
        zip(network.connections, written.parameters.layers, strict=True)
    ):
        scale = 1 if layer.alpha is None else layer.alpha[0]
        forward = (scale * layer.weights).astype(np.float32)
        back = forward if layer.feedback is None else layer.feedback
        currents = connection.currents(1, np.float32)
        currents.use(*connection.layouts(forward, back))
        pre, post = (
            rng.random((1, size), np.float32) for size in (connection.n_pre, connection.n_post)
        )
        currents.add_pre(pre, pre)
        currents.add_post(post, post)

        def as_image(values, node):
            channels, *positions = node.input_type["input"]
            return values.reshape(*positions, channels).transpose(2, 0, 1)

        node = graph.nodes[f"{names[index]}_synapses"]
        found = convolve(node, as_image(pre, node)).transpose(1, 2, 0)
        expected = currents.post.reshape(-1, layer.bias.size) + layer.bias
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=2e-5, atol=1e-5)
        if index:
            node = graph.nodes[f"{names[index - 1]}_feedback"]
            found = convolve(node, as_image(post, node)).transpose(1, 2, 0)
            np.testing.assert_allclose(found.ravel(), currents.pre[0], rtol=2e-5, atol=1e-5)


def test_what_cannot_be_undone_has_no_edge():
    written = trained(NETWORKS["max pooling"])
    graph = to_graph(written.experiment.network, written.parameters)
    # The first layer is pooled, but nothing leads back to the image; the second is not.
    assert "hidden1_feedback" in graph.nodes
    assert graph.nodes["hidden1_pool"].metadata == {"pooling": "max"}
    pooled = override(written.experiment, ["network.layers.1.pool=2"])
    graph = to_graph(pooled.network, trained(pooled).parameters)
    assert "hidden1_feedback" not in graph.nodes
    assert "hidden2_feedback" in graph.nodes


def test_a_run_comes_back_as_a_run(tmp_path):
    preset = override(load_preset("binary-digits"), ["network.layers.0.neurons=16"])
    folder = RunFolder.create(
        tmp_path / "run", preset, {"backend": "fused", "data_dir": str(tmp_path), "seed": 0}
    )
    folder.write_checkpoint(15, trained(preset).parameters)

    def invoke(*arguments):
        found = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    exported = invoke("export", "nir", tmp_path / "run", "--json")
    assert exported["nir"] == str(tmp_path / "run" / "network.nir")
    assert (exported["nodes"], exported["edges"], exported["epochs"]) == (9, 9, 15)
    invoke("import", "nir", exported["nir"], "--out", tmp_path / "back", "--json")
    for file in ("spec.json", "checkpoint-00015.safetensors"):
        assert (tmp_path / "back" / file).read_bytes() == (tmp_path / "run" / file).read_bytes()
    # Paths of another machine stay there.
    assert RunFolder.open(tmp_path / "back").about()["data_dir"] is None
    evaluated = [
        invoke("evaluate", tmp_path / run, "--limit-test=40", "--json") for run in ("run", "back")
    ]
    same = ("test_accuracy", "events_per_sample", "epochs", "backend")
    assert [evaluated[0][key] for key in same] == [evaluated[1][key] for key in same]


def damaged(change):
    """Return what writes a file of a network after something has been changed."""

    def write(path):
        written = trained(NETWORKS["binary"])
        graph = to_graph(written.experiment.network, written.parameters)
        write_nir(path, written)
        graph.metadata = nir.read(path).metadata
        change(graph)
        nir.write(path, nir.NIRGraph(graph.nodes, graph.edges, graph.metadata, type_check=False))

    return write


def described(**changes):
    def change(graph):
        graph.metadata = {"lava_ep": json.dumps(json.loads(graph.metadata["lava_ep"]) | changes)}

    return change


def set_weight(name, value):
    def change(graph):
        graph.nodes[name].weight = graph.nodes[name].weight.copy()
        graph.nodes[name].weight[0, 0] = value

    return change


def set_neurons(graph):
    graph.nodes["output_neurons"].tau = 2 * graph.nodes["output_neurons"].tau


def remove_edge(graph):
    graph.edges.remove(("output_threshold", "hidden1_feedback"))


def replace_synapses(graph):
    graph.nodes["output_synapses"] = nir.Linear(graph.nodes["output_synapses"].weight)


def shrink(graph):
    node = graph.nodes["output_synapses"]
    graph.nodes["output_synapses"] = nir.Affine(node.weight[:2], node.bias[:2])


def add_node(graph):
    graph.nodes["extra"] = nir.Threshold(np.ones(4, np.float32))


DAMAGES = {
    "another weight": (
        set_weight("output_synapses", 5.0),
        "weight of node output_synapses is not what its spec says",
    ),
    "another way back": (
        set_weight("hidden1_feedback", 5.0),
        "weight of node hidden1_feedback is not what its spec says",
    ),
    "no number": (
        set_weight("output_synapses", np.nan),
        "weight of node output_synapses is not what its spec says",
    ),
    "slower neurons": (set_neurons, "tau of node output_neurons is not what its spec says"),
    "no feedback": (remove_edge, "edge output_threshold to hidden1_feedback is missing"),
    "another type": (replace_synapses, "node output_synapses is of type Linear, expected Affine"),
    "fewer neurons": (shrink, r"array 'output.weights' is int8\[2, 8\], expected int8\[4, 8\]"),
    "one more node": (add_node, "node extra is not known in the network of its spec"),
    "no metadata": (lambda graph: graph.metadata.clear(), "has no metadata 'lava_ep'"),
    "no JSON": (
        lambda graph: graph.metadata.update(lava_ep="{"),
        "metadata 'lava_ep' is damaged",
    ),
    "a later format": (described(format=2), "metadata of format 2, expected 1"),
    "no count": (described(epoch=2.5), r"damaged \(epoch 2.5, expected a whole number"),
    "a count below 0": (described(batch=-1), r"damaged \(batch -1, expected a whole number"),
    "no experiment": (described(experiment={}), "network=.*Field required"),
    "a wider network": (
        described(experiment=dense(16, 9, 4, kind=BINARY).model_dump(mode="json")),
        r"array 'hidden1.weights' is int8\[8, 16\], expected int8\[9, 16\]",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_files_are_refused_naming_what_differs(tmp_path, name):
    change, message = DAMAGES[name]
    damaged(change)(tmp_path / "network.nir")
    with pytest.raises(InputError, match=message) as error:
        read_nir(tmp_path / "network.nir")
    assert str(error.value).startswith(str(tmp_path / "network.nir"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small network, its file, and the same file as it was before there were checksums."""
    written = trained(dense(4, 2))
    path = tmp_path_factory.mktemp("exported") / "network.nir"
    write_nir(path, written)
    content = path.read_bytes()
    return written, content, content[: CHECKSUM_AT_END.search(content).start()]


def read_bytes(tmp_path, content):
    """Read a file, or return what is wrong with it; nothing else may be raised."""
    path = tmp_path / "network.nir"
    path.write_bytes(content)
    try:
        return read_nir(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
        return str(error)


def mutations(content, number, seed):
    """Yield damaged copies: one bit, eight bytes, or 64 bytes in a row."""
    rng = np.random.default_rng(seed)
    for index in range(number):
        damaged = np.frombuffer(content, np.uint8).copy()
        if index % 3 == 0:
            damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        elif index % 3 == 1:
            damaged[rng.integers(len(damaged), size=8)] ^= rng.integers(1, 256, 8, np.uint8)
        else:
            start = rng.integers(len(damaged) - 64)
            damaged[start : start + 64] ^= rng.integers(1, 256, 64, np.uint8)
        yield damaged.tobytes()


def test_no_damage_makes_another_network(tmp_path, exported):
    written, content, body = exported
    refused = 0
    for damaged in mutations(content, 300, seed=0):
        found = read_bytes(tmp_path, damaged)
        if isinstance(found, str):
            refused += 1
            assert "not a whole NIR file" in found
        else:  # what says that there is a checksum is damaged, and no parameter
            assert damaged[len(body) :] != content[len(body) :]
            assert_same(found, written)
    assert refused > 290


def test_files_without_a_checksum_are_read_or_refused(tmp_path, exported):
    written, _, body = exported
    assert_same(read_bytes(tmp_path, body), written)
    found = [read_bytes(tmp_path, damaged) for damaged in mutations(body, 60, seed=1)]
    assert any(isinstance(message, str) for message in found)


@pytest.mark.parametrize(
    ("mark", "raised"),
    [
        (b"TREE", "RuntimeError: Unable to get group info"),
        (b"SNOD", "RuntimeError: Unable to get group info"),
        (b"HEAP", "RuntimeError: Link iteration failed"),
        (b"GCOL", "OSError: "),
        (b"node\0", "KeyError: "),
    ],
)
def test_whatever_h5py_raises_is_a_damaged_file(tmp_path, exported, mark, raised):
    """Each block of an HDF5 file begins with a mark; without it, h5py raises all kinds."""
    _, _, body = exported
    found, start = [], body.find(mark)
    while start >= 0:
        found.append(read_bytes(tmp_path, body[:start] + bytes(len(mark)) + body[start + 4 :]))
        start = body.find(mark, start + 1)
    assert all("not a whole NIR file" in str(message) for message in found)
    assert any(raised in message for message in found)


def test_other_readers_do_not_see_the_checksum(tmp_path, exported):
    written, content, body = exported
    assert content[len(body) :].startswith(b"\nlava-ep sha256 ")
    path = tmp_path / "network.nir"
    path.write_bytes(content)
    graph = nir.read(path)
    np.testing.assert_array_equal(
        graph.nodes["output_synapses"].weight, written.parameters.layers[0].weights
    )


def test_a_graph_may_be_changed_on_purpose(tmp_path, exported):
    """Who writes a graph anew leaves the checksum out; who changes bytes is told to do that."""
    written, content, _ = exported
    path = tmp_path / "network.nir"
    path.write_bytes(content)
    graph = nir.read(path)
    graph.nodes["output_synapses"].bias = graph.nodes["output_synapses"].bias + np.float32(1)
    nir.write(path, graph)
    np.testing.assert_array_equal(
        read_nir(path).parameters.layers[0].bias, written.parameters.layers[0].bias + np.float32(1)
    )
    message = read_bytes(tmp_path, content[:3000] + b"!" + content[3001:])
    assert "by the checksum at its end); copy or export it again" in message


def test_files_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_nir(tmp_path / "missing.nir")
    (tmp_path / "text.nir").write_text("not HDF5")
    with pytest.raises(InputError, match="not a whole NIR file"):
        read_nir(tmp_path / "text.nir")
    whole = tmp_path / "whole.nir"
    write_nir(whole, trained(NETWORKS["binary"]))
    (tmp_path / "half.nir").write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(InputError, match="not a whole NIR file"):
        read_nir(tmp_path / "half.nir")
    with pytest.raises(InputError, match="not a file"):
        read_nir(tmp_path)
    nir.write(tmp_path / "node.nir", nir.Linear(np.ones((2, 2))))
    with pytest.raises(InputError, match="not a whole NIR file"):
        read_nir(tmp_path / "node.nir")


def test_images_that_are_no_squares_are_refused_before_anything_is_written(tmp_path):
    oblong = experiment(
        {**REAL, "channels": 2, "kernel": 3},
        {**REAL, "neurons": 2},
        inputs=48,
        image_shape=[8, 6],
    )
    with pytest.raises(InputError, match="layer output over 6 x 4 positions: NIR infers"):
        write_nir(tmp_path / "network.nir", trained(oblong))
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(InputError, match=r"pip install 'lava-ep\[nir\]'"):
        write_nir(tmp_path / "network.nir", trained(NETWORKS["binary"]))
