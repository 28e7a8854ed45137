"""The networks of BYOL and MYOW: what feeds what, where gradients go, and what the mined term is made of."""

import itertools

import numpy as np
import pytest
import torch
from tiny import reach
from torch import nn
from torch.nn import functional as F

import myow
from myow import BYOL, MYOW, Recording, load_model
from myow.errors import SettingError, UnknownNameError
from myow.methods import make_method
from myow.methods.paired_views import segments_recur
from myow.training.rows import TrainingRows

LAYOUTS = ("cascaded", "parallel", "single")
POOLS = ("batch", "sample", "recording")
# GELU, since two rows whose ReLUs are all off would tie.
WIDTHS = {
    "activation": "gelu",
    "hidden": (7,),
    "dim": 6,
    "projector": (9, 5),
    "predictor": 11,
    "batch_size": 16,
    "noise": 0.5,
}
ALIKE = {"mined_projector": (8, 6)}  # as wide as the representation
MINED = {"mined_projector": (8, 4), "mined_predictor": 10, "mined_ramp": 0.0, "mined_weight": 0.4}


def bound(estimator, rec=None):
    """A network on its rows, in training mode, whose target differs from its online network."""
    rec = rec or reach()
    torch.manual_seed(0)
    graph = estimator.build(rec.n_units)
    values = torch.from_numpy(rec.counts.astype(np.float32)).sqrt()
    graph.scaling.fit(values, "common")
    graph.prepare(TrainingRows(rec, values, (0, 0), torch.device("cpu")))
    for p, _ in averages(graph):
        p.add_(0.1 * torch.randn(p.shape))
    return graph.train()


def averages(graph):
    """Parameters of the moving averages, each with the one that it follows."""
    pairs = [(graph.target, graph.online)]
    if hasattr(graph, "mined_target"):
        pairs.append((graph.mined_target, graph.mined_projector))
    return [pair for target, online in pairs for pair in zip(target.parameters(), online.parameters(), strict=True)]


def one_loss(graph, seed=0, progress=0.5):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(graph.data), generator=generator)[:16]
    graph.set_progress(progress)
    graph.kind_of_batch(progress)
    views = graph.make_views(rows, generator)
    return views, graph.loss(views)


def after_step(graph, progress):
    graph.set_progress(progress)
    graph.after_step()


def widths(module):
    return [m.weight.shape[::-1] for m in module.modules() if isinstance(m, nn.Linear)]


def has_gradient(module):
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())


def test_widths_of_byol():
    graph = bound(BYOL(**WIDTHS))
    assert widths(graph.online.encoder) == [(10, 6), (10, 7), (7, 6)]  # the linear map, and the perceptron beside it
    assert widths(graph.online.projector) == [(6, 9), (9, 5)]
    assert widths(graph.predictor) == [(5, 11), (11, 5)]
    assert widths(graph.target) == widths(graph.online)
    # Batch norm and activation follow every layer but the last, which has a bias.
    assert [type(m) for m in graph.predictor] == [nn.Linear, nn.BatchNorm1d, nn.GELU, nn.Linear]
    assert [m.bias is not None for m in graph.predictor if isinstance(m, nn.Linear)] == [False, True]


@pytest.mark.parametrize(
    ("layout", "projector", "predictor"),
    [
        ("cascaded", [(5, 8), (8, 4)], [(4, 10), (10, 4)]),
        ("parallel", [(6, 8), (8, 4)], [(4, 10), (10, 4)]),
        ("single", [], [(5, 10), (10, 5)]),
    ],
)
def test_widths_of_mined_projector_and_predictor(layout, projector, predictor):
    graph = bound(MYOW(**WIDTHS, **MINED, layout=layout))
    assert widths(graph.mined_projector) == widths(graph.mined_target) == projector
    assert widths(graph.mined_predictor) == predictor


def test_without_projectors_the_representation_itself_is_predicted():
    graph = bound(MYOW(**WIDTHS | {"projector": ()}, **MINED | {"mined_projector": ()}))
    assert widths(graph.online.projector) == widths(graph.mined_projector) == []
    assert widths(graph.predictor) == [(6, 11), (11, 6)]
    assert widths(graph.mined_predictor) == [(6, 10), (10, 6)]


def cosine(p, t):
    return 1 - (F.normalize(p, dim=1) * F.normalize(t, dim=1)).sum(dim=1)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_loss_of_byol_written_out(symmetric):
    graph = bound(BYOL(**WIDTHS, symmetric=symmetric))
    pair, terms = one_loss(graph)
    first, second = pair.x
    online_in = torch.cat([first, second]) if symmetric else first
    target_in = torch.cat([second, first]) if symmetric else second
    z = graph.online.projector(graph.online.encoder(online_in))
    goal = graph.target.projector(graph.target.encoder(target_in))
    expected = cosine(graph.predictor(z), goal).mean()
    torch.testing.assert_close(terms["loss"], expected)
    assert set(terms) == {"loss"}


def test_noise_counts_in_what_changes_from_one_bin_of_a_segment_to_the_next():
    rec = reach(drop=0.2)
    graph = bound(BYOL(**WIDTHS | {"noise": 0.7, "noise_unit": "change"}), rec)
    x = np.sqrt(rec.counts.astype(float))
    x = x / np.sqrt(x.var(axis=0).mean())
    changes = [
        x[j] - x[i]
        for i in range(len(rec))
        for j in range(len(rec))
        if rec.segments[i] == rec.segments[j] and rec.bins[j] == rec.bins[i] + 1
    ]
    assert graph.augmenting.noise == pytest.approx(0.7 * np.sqrt(np.mean(np.square(changes)) / 2), rel=1e-4)
    assert bound(BYOL(**WIDTHS | {"noise": 0.7, "noise_unit": "input"}), rec).augmenting.noise == 0.7


def test_without_adjacent_bins_noise_counts_in_the_scaled_input():
    rec = reach(n_segments=8, length=4)
    alone = rec.select(np.flatnonzero(rec.bins % 2 == 0))
    assert bound(BYOL(**WIDTHS | {"noise": 0.7}), alone).augmenting.noise == 0.7


def test_views_are_of_the_row_and_of_its_positive():
    graph = bound(BYOL(**WIDTHS | {"noise": 0.0}, dropout=0.0, positives=(0, 2)))
    pair, _ = one_loss(graph)
    scaled = graph.scaling(graph.data.values)
    torch.testing.assert_close(pair.x.squeeze(2), scaled[pair.rows])
    segments, bins = graph.data.data.groups, graph.data.data.bins
    anchor, positive = pair.rows.numpy()
    assert (segments[anchor] == segments[positive]).all()
    assert set(bins[positive] - bins[anchor]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("layout", "pool", "anchor", "symmetric"),
    list(itertools.product(LAYOUTS, POOLS, ("row", "view"), (True, False))),
)
def test_the_mined_term_written_out(layout, pool, anchor, symmetric):
    """q_m(h(g(y))) predicts h'(g'(y')), y' being the nearest admissible candidate; with "parallel" h stands on y."""
    estimator = MYOW(
        **WIDTHS, **MINED, layout=layout, pool=pool, k=1, mined_anchor=anchor, symmetric=symmetric, exclude="segment",
        **({"key_bins": 0} if pool == "recording" else {}),
    )  # fmt: skip
    graph = bound(estimator)
    views, terms = one_loss(graph)
    pair, pool_rows = views.pair, views.pool
    online, target, rows = graph.online, graph.target, graph.data
    first, second = pair.x
    target_in = torch.cat([second, first]) if symmetric else second
    if anchor == "row":
        anchors, y = pair.rows[0], online.encoder(graph.scaling(rows.gather(pair.rows[0])))
    else:
        anchors = pair.rows.flatten() if symmetric else pair.rows[0]
        y = online.encoder(torch.cat([first, second]) if symmetric else first)

    if pool == "batch":
        candidates, candidate_rows = target.encoder(target_in), torch.cat([pair.rows[1], pair.rows[0]])
        candidate_rows = candidate_rows if symmetric else pair.rows[1]
    elif pool == "sample":
        candidates, candidate_rows = target.encoder(graph.scaling(rows.gather(pool_rows))), pool_rows
    else:
        candidates, candidate_rows = graph.bank.values[pool_rows], pool_rows
    similarity = F.normalize(y, dim=1) @ F.normalize(candidates, dim=1).T
    similarity[rows.groups[anchors][:, None] == rows.groups[candidate_rows][None]] = -np.inf
    found = similarity.isfinite().any(dim=1)
    best = similarity.argmax(dim=1)
    assert found.any()

    mined_pairs = torch.stack([anchors, torch.where(found, candidate_rows[best], -1)], dim=1)
    assert torch.equal(terms["mined_pairs"], mined_pairs)

    if pool == "batch":
        goal = graph.mined_target(candidates if layout == "parallel" else target.projector(candidates))[best]
    else:  # its batch norms see the mined candidates alone
        goal = graph.mined_target(candidates[best] if layout == "parallel" else target.projector(candidates[best]))
    below = y if layout == "parallel" else online.projector(y)
    losses = cosine(graph.mined_predictor(graph.mined_projector(below)), goal)
    torch.testing.assert_close(terms["mined"], losses[found].mean(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(terms["loss"], 0.6 * terms["augmented"] + 0.4 * terms["mined"])


def test_with_key_bins_both_sides_are_means_of_unit_target_representations_around_them_in_the_segment():
    graph = bound(MYOW(**WIDTHS, **MINED, k=1, pool="recording", key_bins=2, exclude="segment"))
    views, terms = one_loss(graph)
    bank, rows = graph.bank.values.numpy(), graph.data.data
    unit = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    near = (rows.groups[:, None] == rows.groups) & (np.abs(rows.bins[:, None] - rows.bins) <= 2)
    keys = near @ unit / near.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(graph.bank.keys.numpy(), keys, atol=1e-5)

    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    anchors, mined = terms["mined_pairs"].T.numpy()
    similarity = keys @ keys.T
    similarity[rows.groups[:, None] == rows.groups] = -np.inf
    assert sorted(views.pool.tolist()) == list(range(len(rows.groups)))
    np.testing.assert_array_equal(mined, similarity[anchors].argmax(axis=1))


def test_several_mined_views_are_averaged_as_unit_projections():
    graph = bound(MYOW(**WIDTHS, **MINED, k=4, views=3, pool="recording"))
    views, terms = one_loss(graph)
    pair, choice = views.pair, views.choice
    assert choice.shape == (len(pair.rows.flatten()), 3)
    anchors, mined = terms["mined_pairs"].view(-1, 3, 2).unbind(2)
    assert torch.equal(anchors, pair.rows.flatten()[:, None].expand(-1, 3))
    assert len({len(set(row)) for row in mined.tolist()}) > 1  # drawn with replacement
    goal = F.normalize(graph.mined_target(graph.target.projector(graph.bank.values[mined.flatten()])), dim=1)
    goal = goal.view(*mined.shape, -1).mean(dim=1)
    _, z = graph.online(torch.cat([*pair.x]))
    torch.testing.assert_close(terms["mined"], cosine(graph.mined_predictor(graph.mined_projector(z)), goal).mean())


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_gradient_reaches_the_target_or_the_mined_target(layout, pool):
    graph = bound(MYOW(**WIDTHS, **MINED, layout=layout, pool=pool))
    one_loss(graph)[1]["loss"].backward()
    for module in (graph.target, graph.mined_target):
        assert not any(p.requires_grad for p in module.parameters())
        assert all(p.grad is None for p in module.parameters())
    for module in (graph.online.encoder, graph.online.projector, graph.predictor, graph.mined_predictor):
        assert has_gradient(module)
    assert has_gradient(graph.mined_projector) == (layout != "single")


@pytest.mark.parametrize("anchor", ["row", "view"])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_where_the_gradient_of_the_mined_term_alone_goes(layout, pool, anchor):
    graph = bound(MYOW(**WIDTHS, **MINED, layout=layout, pool=pool, mined_anchor=anchor))
    one_loss(graph)[1]["mined"].backward()
    assert has_gradient(graph.online.encoder)
    assert has_gradient(graph.mined_predictor)
    assert has_gradient(graph.mined_projector) == (layout != "single")
    assert has_gradient(graph.online.projector) == (layout != "parallel")
    assert not has_gradient(graph.predictor)
    assert not has_gradient(graph.target)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_projector_feeds_the_mined_term_unless_the_layout_is_parallel(layout):
    def terms(change):
        graph = bound(MYOW(**WIDTHS, **MINED, layout=layout))
        with torch.no_grad():
            for p in getattr(graph, change).projector.parameters() if change else ():
                p.mul_(-1.5)
        return one_loss(graph)[1]

    plain = terms(None)
    for network in ("online", "target"):
        changed = terms(network)
        assert not torch.isclose(plain["augmented"], changed["augmented"])
        assert torch.isclose(plain["mined"], changed["mined"]) == (layout == "parallel")
        assert torch.equal(plain["mined_pairs"], changed["mined_pairs"])  # mined from representations, not projections


def test_the_key_is_the_online_and_the_candidate_the_target_representation():
    def pairs(change):
        graph = bound(MYOW(**WIDTHS, **MINED, k=1, key_bins=0))
        if change:
            with torch.no_grad():
                for p in getattr(graph, change).encoder.parameters():
                    p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(3)))
        return one_loss(graph)[1]["mined_pairs"]

    plain = pairs(None)
    assert not torch.equal(plain, pairs("online"))
    assert not torch.equal(plain, pairs("target"))


def test_the_weight_of_the_mined_term_starts_and_ramps():
    graph = bound(MYOW(**WIDTHS, **MINED | {"mined_start": 0.2, "mined_ramp": 0.4}))
    for progress, share in [(0.0, 0), (0.19, 0), (0.4, 0.5), (0.6, 1), (0.99, 1)]:
        _, terms = one_loss(graph, progress=progress)
        assert ("mined" in terms) == (share > 0)
        if share:
            weight = 0.4 * share
            torch.testing.assert_close(terms["loss"], (1 - weight) * terms["augmented"] + weight * terms["mined"])


def test_the_bank_is_encoded_anew_every_few_steps_with_running_statistics():
    graph = bound(MYOW(**WIDTHS, **MINED, pool="recording", pool_refresh=3))
    banks = []
    for _ in range(7):
        one_loss(graph)
        banks.append(graph.bank.values.clone())
        after_step(graph, 0.5)
    changed = [not torch.equal(a, b) for a, b in itertools.pairwise(banks)]
    assert changed == [False, False, True, False, False, True]
    assert graph.target.training


def test_a_queue_holds_the_target_representations_of_the_rows_before_and_of_these():
    graph = bound(MYOW(**WIDTHS, **MINED, pool="queue", pool_size=24, k=1))
    (first, _), (second, terms) = one_loss(graph, 0), one_loss(graph, 1)
    assert sorted(graph.queue.rows.tolist()) == sorted([*first.pool[-8:].tolist(), *second.pool.tolist()])
    graph.target.train()
    expected = graph.target.encoder(graph.scaling(graph.data.gather(second.pool)))
    newest = [graph.queue.rows.tolist().index(row) for row in second.pool.tolist() if row not in first.pool.tolist()]
    order = [second.pool.tolist().index(int(graph.queue.rows[i])) for i in newest]
    torch.testing.assert_close(graph.queue.values[newest], expected[order])
    mined = terms["mined_pairs"][:, 1]
    assert set(mined.tolist()) <= set(graph.queue.rows.tolist())


def test_every_candidate_may_be_in_the_pool_and_the_pool_has_the_size_asked_for():
    graph = bound(MYOW(**WIDTHS, **MINED, pool="sample", pool_size=20))
    seen = set()
    for seed in range(40):
        pool = one_loss(graph, seed)[0].pool
        assert len(pool) == len(set(pool.tolist())) == 20
        seen |= set(pool.tolist())
    assert seen == set(range(len(graph.data)))


@pytest.mark.parametrize("estimator", [BYOL, MYOW])
@pytest.mark.parametrize("unit_norm", [True, False])
def test_the_embedding_is_what_the_online_encoder_makes_of_a_row_or_what_is_predicted_from_that(estimator, unit_norm):
    given = WIDTHS | {"unit_norm": unit_norm} | (MINED if estimator is MYOW else {})
    graphs = {e: bound(estimator(**given, embedding=e)).eval() for e in ("representation", "prediction")}
    graphs["both"] = bound(
        estimator(**given | (ALIKE if estimator is MYOW else {"projector": (6,)}), embedding="both")
    ).eval()
    x = graphs["prediction"].data.gather(torch.arange(12))
    with torch.no_grad():
        for name, graph in graphs.items():
            y, z = graph.online(graph.scaling(x))
            predicted = graph.predictor(z) if estimator is BYOL else graph.mined_predictor(graph.mined_projector(z))
            expected = y if name == "representation" else predicted
            if name == "both":
                expected = y + 2 * y.norm(dim=1, keepdim=True) * predicted / predicted.norm(dim=1, keepdim=True)
            expected = expected / expected.norm(dim=1, keepdim=True) if unit_norm else expected
            torch.testing.assert_close(graph.embed(x), expected)


def segments_of(what, n_segments=120, length=8, n_units=30, seed=0):
    """Segments whose activity tells one of six classes, the time in the segment, a slow drift, or nothing."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(48, n_units))
    segment, place = np.divmod(np.arange(n_segments * length), length)
    x = {
        "class": patterns[rng.integers(6, size=n_segments)[segment]],
        "time": patterns[place],
        "drift": patterns[segment // 10],
        "nothing": 0.0,
    }[what]
    values = 20 + x + 0.7 * rng.normal(size=(n_segments * length, n_units))  # above 0, since roots are taken below
    return Recording(values, bin_size=0.1, segments=segment, kind="continuous")


@pytest.mark.parametrize(
    ("what", "expected"), [("class", "both"), ("time", "representation"), ("drift", "representation"), ("nothing", "representation")]
)  # fmt: skip
@pytest.mark.parametrize("estimator", [BYOL, MYOW])
def test_by_default_both_are_embedded_where_segments_are_like_certain_others(what, expected, estimator, tmp_path):
    rec = segments_of(what)
    given = WIDTHS | {"steps": 2, "random_state": 0, "device": "cpu", "batch_size": 64}
    given |= MINED | ALIKE if estimator is MYOW else {"projector": (6,)}
    model = estimator(**given).fit(rec)
    assert model.transform(rec).shape == (len(rec), 6)
    assert np.array_equal(model.transform(rec), estimator(**given, embedding=expected).fit(rec).transform(rec))
    model.save(tmp_path / "a.myow")
    assert np.array_equal(load_model(tmp_path / "a.myow", device="cpu").transform(rec), model.transform(rec))


@pytest.mark.parametrize("estimator", [BYOL, MYOW])
def test_both_of_different_widths_are_refused_and_not_chosen(estimator):
    given = WIDTHS | (MINED if estimator is MYOW else {})
    with pytest.raises(SettingError, match=r"6 dimensions and predictions [45]; give both the same width"):
        estimator(**given, embedding="both").build(30)
    network = bound(estimator(**given), segments_of("class"))
    assert network.embedded.kind == "representation"


def test_segments_recur_by_as_much_as_a_plain_count_says():
    rec = segments_of("class", n_segments=60)
    network = bound(BYOL(**WIDTHS), rec)
    x = np.sqrt(rec.counts.astype(np.float32))
    x = x - x.mean(0)
    z = x @ np.linalg.svd(x, full_matrices=False)[2][:16].T
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    n, shares = 60, {"own": [], "near by": []}

    def near(row):
        others = np.flatnonzero(rec.segments != rec.segments[row])
        return rec.segments[others[np.argsort(-(z[others] @ z[row]))[:10]]]

    for segment in range(3, n - 3):
        for lag in range(2, 8):
            a, b = 8 * segment, 8 * segment + lag
            shares["own"].append((near(a)[:, None] == near(b)).mean())
            shares["near by"] += [(near(a)[:, None] == near(b + 8 * by)).mean() for by in (-3, -2, -1, 1, 2, 3)]
    own, near_by = np.mean(shares["own"]), np.mean(shares["near by"])
    found = segments_recur(network.data, network.scaling)
    assert found == pytest.approx(own / near_by / max(1, near_by * n), rel=0.15)
    assert found > 3
    assert segments_recur(bound(BYOL(**WIDTHS), rec.select(np.arange(40))).data, network.scaling) is None


def test_what_mines_nothing_embeds_by_the_other_predictor():
    graph = bound(MYOW(**WIDTHS, **MINED | {"mined_weight": 0.0}, embedding="prediction", unit_norm=False)).eval()
    x = graph.data.gather(torch.arange(12))
    torch.testing.assert_close(graph.embed(x), graph.predictor(graph.online(graph.scaling(x))[1]))


def test_the_twin_without_mining_is_myow_but_for_the_weight_of_the_mined_term():
    given = {"steps": 20, "dim": 4, "random_state": 0}
    own, twin = MYOW(**given), make_method("unmined", **given)
    assert twin.get_params() == own.get_params() | {"mined_weight": 0.0}
    with pytest.warns(DeprecationWarning, match=r"Unmined is called MYOW\(mined_weight=0\)"):
        assert myow.Unmined(**given).get_params() == twin.get_params()
    rec = reach()
    switched_off = MYOW(**given, mined_weight=0.0).fit(rec).transform(rec)
    assert np.array_equal(twin.fit(rec).transform(rec), switched_off)
    assert not np.array_equal(own.fit(rec).transform(rec), switched_off)


@pytest.mark.parametrize("estimator", [BYOL, MYOW])
def test_the_target_is_a_moving_average_in_closed_form_and_starts_as_a_copy(estimator):
    m, n = 0.8, 7
    graph = bound(estimator(**WIDTHS, target_momentum=m))
    start = [t.clone() for t, _ in averages(graph)]
    for step in range(n):
        after_step(graph, step / n)
    names = [name for name, _ in graph.named_parameters() if "target" in name]
    assert len(names) == len(start)
    for (target, online), first in zip(averages(graph), start, strict=True):
        torch.testing.assert_close(target, m**n * first + (1 - m**n) * online)
    fresh = estimator(**WIDTHS).build(10)
    assert all(torch.equal(t, o) for t, o in averages(fresh))


def test_the_target_keeps_running_statistics_of_its_own():
    graph = bound(BYOL(**WIDTHS))
    norm, copy = graph.online.encoder.layers[1], graph.target.encoder.layers[1]
    after_step(graph, 0.5)
    assert not copy.running_mean.any()
    one_loss(graph)
    assert copy.running_mean.any()
    assert not torch.equal(copy.running_mean, norm.running_mean)
    before = copy.running_mean.clone()
    after_step(graph, 0.5)
    assert torch.equal(before, copy.running_mean)


def test_momentum_rises_to_one_along_a_half_cosine():
    graph = bound(BYOL(**WIDTHS, target_momentum=0.6, target_schedule="cosine"))
    target, online = averages(graph)[0]
    for progress in (0.0, 0.3, 0.9, 1.0):
        before = target.clone()
        after_step(graph, progress)
        m = 1 - 0.4 * (np.cos(np.pi * progress) + 1) / 2
        torch.testing.assert_close(target, m * before + (1 - m) * online)
    assert torch.equal(before, target)


@pytest.mark.parametrize(
    ("wrong", "kind", "text"),
    [
        ({"target_momentum": 1.2}, SettingError, "target_momentum is 1.2"),
        ({"target_schedule": "cosin"}, UnknownNameError, "did you mean 'cosine'"),
        ({"dropout": 1.4}, SettingError, "dropout is 1.4"),
        ({"noise": -1.0}, SettingError, "noise is -1"),
        ({"noise_hz": 1.0}, SettingError, "input='rate'"),
        ({"pepper": 0.1}, SettingError, "input='rate'"),
        ({"dropout_to": "men"}, UnknownNameError, "did you mean 'mean'"),
        ({"predictor": 0}, SettingError, "predictor 0"),
        ({"projector": (9, 1)}, SettingError, "the projection has 1 dimension"),
        ({"projector": (), "dim": 1}, SettingError, "the projection has 1 dimension"),
        ({"mined_projector": (9, 1)}, SettingError, "the mined projection has 1 dimension"),
        ({"positives": (1, 2)}, SettingError, "positives are"),
        ({"layout": "cascade"}, UnknownNameError, "did you mean 'cascaded'"),
        ({"pool": "batches"}, UnknownNameError, "did you mean 'batch'"),
        ({"exclude": "segments"}, UnknownNameError, "did you mean 'segment'"),
        ({"key_bins": -1}, SettingError, "key_bins is -1"),
        ({"key_bins": 2, "pool": "sample"}, SettingError, "use pool='recording'"),
        ({"views": 0}, SettingError, "views is 0"),
        ({"embedding": "predictions"}, UnknownNameError, "did you mean 'prediction'"),
        ({"noise_unit": "changes"}, UnknownNameError, "did you mean 'change'"),
        ({"noise_to": "bins"}, UnknownNameError, "did you mean 'bin'"),
        ({"mined_anchor": "rows"}, UnknownNameError, "did you mean 'row'"),
    ],
)
def test_wrong_settings_are_named(wrong, kind, text):
    with pytest.raises(kind, match=text):
        bound(MYOW(**WIDTHS | wrong))
