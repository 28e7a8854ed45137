"""Image encoders: known numbers of weights, shapes, memory layout, and one block against NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from myow.errors import SettingError, UnknownNameError
from myow.nn.resnet import IMAGE_ENCODERS, _Residual, build_image_encoder

# torchvision's counts, less its classifier, with the 7x7 stem exchanged for a 3x3 one.
# Of ResNet-10 there is no model there: a stem, four blocks with 3x3 convolutions and, but for the first, a 1x1 shortcut.
RESNET10 = (
    27 * 64
    + 128
    + sum(
        9 * a * b + 9 * b * b + 4 * b + (a != b) * (a * b + 2 * b)
        for a, b in ((64, 64), (64, 128), (128, 256), (256, 512))
    )
)
WEIGHTS = {
    "resnet10": RESNET10,
    "resnet18": 11_689_512 - 513_000 - 9_408 + 1_728,
    "resnet50": 25_557_032 - 2_049_000 - 9_408 + 1_728,
}
DIM = {"resnet10": 8, "resnet18": 8, "resnet50": 32}


def images(n=2, size=32, seed=0):
    return torch.rand(n, size, size, 3, generator=torch.Generator().manual_seed(seed))


def residuals(encoder):
    return [m for m in encoder.modules() if isinstance(m, _Residual)]


def test_there_are_these_encoders():
    assert sorted(IMAGE_ENCODERS) == sorted(WEIGHTS)


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_the_standard_width_has_the_known_number_of_weights(name):
    with torch.device("meta"):
        encoder = build_image_encoder(name)
    assert sum(p.numel() for p in encoder.parameters()) == WEIGHTS[name]
    assert encoder.dim == 64 * DIM[name]


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
@pytest.mark.parametrize("size", [32, 64])
def test_images_of_several_sizes_become_one_row_each(name, size):
    encoder = build_image_encoder(name, 2)
    sizes = []
    for block in residuals(encoder):
        block.register_forward_hook(lambda _m, _i, out: sizes.append(out.shape[-1]))
    out = encoder(images(size=size))
    assert out.shape == (2, 2 * DIM[name])
    assert encoder.dim == out.shape[1]
    first = size // 2 if name == "resnet10" else size
    assert sorted(set(sizes), reverse=True) == [first, first // 2, first // 4, first // 8]
    assert bool(torch.isfinite(out).all())


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_every_weight_learns(name):
    encoder = build_image_encoder(name, 2)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # a branch that starts at 0 hides what lies before its last batch norm
    encoder(images(4)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in encoder.parameters())


@pytest.mark.parametrize("name", IMAGE_ENCODERS)
def test_the_layout_of_the_images_stays_through_the_network(name):
    encoder = build_image_encoder(name, 4)
    seen = []
    for module in encoder.modules():
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, _Residual)):
            module.register_forward_hook(lambda _m, _i, out: seen.append(out))
    encoder(images())
    assert len(seen) > 20
    assert all(out.is_contiguous(memory_format=torch.channels_last) for out in seen)
    assert not any(out.is_contiguous() for out in seen)


def convolve(x, weight, stride):
    """A 3x3 or 1x1 convolution with zeros around, of x (B, C, H, W), tap by tap."""
    reach = weight.shape[-1] // 2
    padded = np.pad(x, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    height, width = x.shape[2:]
    out = 0
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            taken = padded[:, :, i : i + height : stride, j : j + width : stride]
            out = out + np.einsum("bchw,oc->bohw", taken, weight[:, :, i, j])
    return out


def normalise(x, scale, shift):
    mean, variance = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * scale[:, None, None] + shift[:, None, None]


@pytest.mark.parametrize(("index", "stride", "projected"), [(0, 1, False), (2, 2, True), (3, 1, False)])
def test_a_basic_block_is_what_numpy_makes_of_it(index, stride, projected):
    torch.manual_seed(0)
    block = residuals(build_image_encoder("resnet18", 3))[index].double()
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    w = {k: v.detach().numpy() for k, v in block.named_parameters()}
    x = np.random.default_rng(0).normal(size=(2, w["branch.0.weight"].shape[1], 6, 6))
    y = normalise(convolve(x, w["branch.0.weight"], stride), w["branch.1.weight"], w["branch.1.bias"])
    y = normalise(convolve(np.maximum(y, 0), w["branch.3.weight"], 1), w["branch.4.weight"], w["branch.4.bias"])
    shortcut = x
    if projected:
        shortcut = convolve(x, w["shortcut.1.weight"], stride)
        shortcut = normalise(shortcut, w["shortcut.2.weight"], w["shortcut.2.bias"])
    assert ("shortcut.1.weight" in w) == projected
    np.testing.assert_allclose(block(torch.from_numpy(x)).detach().numpy(), np.maximum(y + shortcut, 0), atol=1e-10)


@pytest.mark.parametrize("width", [2, 5, 7, 8, 12])
def test_gradients_are_right_whatever_the_number_of_channels(width):
    # A strided 1x1 convolution would fail here, on some machines by a crash.
    torch.manual_seed(0)
    block = residuals(build_image_encoder("resnet18", width))[2]
    x = torch.randn(4, width, 16, 16)
    out = block(x.contiguous(memory_format=torch.channels_last))
    weight = torch.randn(out.shape)
    (out * weight).sum().backward()
    found = [p.grad.double() for p in block.parameters()]
    block.zero_grad()
    (block.double()(x.double()) * weight).sum().backward()  # in double precision torch takes another way
    for grad, p in zip(found, block.parameters(), strict=True):
        assert float((grad - p.grad).norm()) < 1e-4 * float(p.grad.norm())


def test_a_bottleneck_strides_in_the_middle():
    blocks = residuals(build_image_encoder("resnet50", 2))
    kernels = [
        [(m.kernel_size[0], m.stride[0], m.out_channels) for m in b.branch if isinstance(m, nn.Conv2d)] for b in blocks
    ]
    assert kernels[0] == [(1, 1, 2), (3, 1, 2), (1, 1, 8)]
    assert kernels[3] == [(1, 1, 4), (3, 2, 4), (1, 1, 16)]
    assert [i for i, b in enumerate(blocks) if not isinstance(b.shortcut, nn.Identity)] == [0, 3, 7, 13]


def test_the_representation_is_the_mean_of_the_last_maps():
    encoder = build_image_encoder("resnet18", 2).eval()
    last = []
    encoder.layers.register_forward_hook(lambda _m, _i, out: last.append(out))
    out = encoder(images())
    torch.testing.assert_close(out, last[0].flatten(2).mean(dim=2))


def test_images_are_turned_the_right_way_round():
    encoder = build_image_encoder("resnet18", 2).eval()
    stem = []
    encoder.layers[0].register_forward_hook(lambda _m, _i, out: stem.append(out))
    x = torch.zeros(1, 32, 32, 3)
    x[0, 5, 20, 1] = 1.0  # a green point in row 5, column 20
    encoder(x)
    weight = encoder.layers[0].weight[:, 1]
    torch.testing.assert_close(stem[0][0, :, 4:7, 19:22], weight.flip(1, 2))


def test_weights_start_as_they_should():
    torch.manual_seed(0)
    encoder = build_image_encoder("resnet18", 32)
    conv = residuals(encoder)[-1].branch[0]
    assert float(conv.weight.detach().std()) == pytest.approx(
        (2 / (9 * 256)) ** 0.5, rel=0.01
    )  # by the outputs, for ReLU
    stem = encoder.layers[0]
    assert float(stem.weight.detach().std()) == pytest.approx((2 / (9 * 32)) ** 0.5, rel=0.1)
    assert all(float(b.branch[-1].weight.detach().min()) == 1 for b in residuals(encoder))


def test_bottleneck_blocks_start_as_their_shortcuts():
    blocks = residuals(build_image_encoder("resnet50", 2))
    assert all(float(b.branch[-1].weight.detach().abs().max()) == 0 for b in blocks)
    assert all(float(b.branch[1].weight.detach().min()) == 1 for b in blocks)
    x = torch.rand(2, 8, 4, 4)
    assert torch.equal(blocks[1](x), x)


def test_unknown_names_and_widths_are_refused():
    with pytest.raises(UnknownNameError, match="unknown image encoder 'resnet81'; did you mean 'resnet18'"):
        build_image_encoder("resnet81")
    with pytest.raises(UnknownNameError, match="Choices: resnet10, resnet18, resnet50"):
        build_image_encoder("_resnet")
    with pytest.raises(SettingError, match="width is 0; an image encoder needs 1 channel or more"):
        build_image_encoder("resnet18", 0)
    assert build_image_encoder("resnet18", 1)(images()).shape == (2, 8)
