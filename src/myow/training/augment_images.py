"""Augmentations of images: crop, flip, colour jitter, grey and solarise, drawn for every sample by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import DataError, SettingError
from .distributed import current

__all__ = ["MINING", "ImageAugment", "ImageDraws", "shared_augment", "shared_draws"]

Augment = Callable[[Tensor, torch.Generator], Tensor]

_ATTEMPTS = 10  # as torchvision: crops that are tried before the central one is taken


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageDraws:
    """Random draws for n samples, made before any image is looked at; the first dimension of every field is n.

    Parameters
    ----------
    area, ratio : Tensor, shape (n, 10)
        Share of the image's area, and width over height, of the crops to try in turn.
    place : Tensor, shape (n, 2)
        Where the crop lies in the room that it leaves, down and across, in [0, 1).
    flipped : Tensor of bool, shape (n,)
        Mirrored left to right.
    brightness, contrast, saturation : Tensor, shape (n,)
        Factors; 1 for a sample that is not jittered.
    hue : Tensor, shape (n,)
        Shift in turns of the colour circle; 0 for a sample that is not jittered.
    grey, solarised : Tensor of bool, shape (n,)
        Whether colour is taken away, and whether bright values are inverted.
    """

    area: Tensor
    ratio: Tensor
    place: Tensor
    flipped: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    grey: Tensor
    solarised: Tensor

    def __len__(self) -> int:
        return len(self.flipped)

    def select(self, rows: Tensor | slice) -> ImageDraws:
        """Draws of some of the samples, by index or slice, such as one process's share of the batch."""
        return ImageDraws(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def to(self, device: torch.device) -> ImageDraws:
        """Draws on another device; themselves if they are there."""
        if self.flipped.device == device:
            return self
        return ImageDraws(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True, kw_only=True)
class ImageAugment:
    """Crop and resize, flip, jitter colours, take colour away, solarise: the views of SimCLR, BYOL and MYOW.

    Every number is drawn per sample. Drawing and applying are two steps, so that processes which share a batch can
    draw for all of it from the same generator and apply only their part.

    Crops are torchvision's ``RandomResizedCrop`` (whole pixels, 10 attempts, else the centre) back to the image's own
    size. They only ever enlarge, so antialiasing has nothing to do. Colours follow its ``ColorJitter``, which the
    published MYOW used: brightness multiplies, contrast moves away from the image's mean grey, saturation moves away
    from the pixel's grey, hue turns the HSV circle, and each clips to [0, 1]. The order is fixed, where torchvision
    draws one for a whole batch: but for the clipping, brightness, contrast and saturation give the same in any order,
    so that an order for each sample would cost four times as much for little.

    Parameters
    ----------
    crop : tuple of float
        Smallest and largest share of the area.
    ratio : tuple of float
        Smallest and largest width over height, log-uniform.
    flip : float
        Probability of mirroring left to right.
    jitter : float
        Probability that a sample's colours change; 0 skips the work.
    brightness, contrast, saturation : float
        Half width of the factors around 1; factors are never below 0.
    hue : float
        Half width of the hue's shift, in turns of the colour circle, at most 0.5.
    grey : float
        Probability of losing the colour.
    solarise, threshold : float
        Probability of inverting, and the value from which values are inverted.

    Raises
    ------
    SettingError
        If a setting is out of its range.

    Examples
    --------
    >>> x = torch.rand(8, 32, 32, 3)
    >>> generator = torch.Generator().manual_seed(0)
    >>> augment = ImageAugment()
    >>> draws = augment.draw(8, generator)
    >>> augment.apply(x[2:4], draws.select(slice(2, 4))).shape
    torch.Size([2, 32, 32, 3])
    """

    crop: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    solarise: float = 0.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "grey", "solarise", "threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must be between 0 and 1")
        for name, highest in (("brightness", math.inf), ("contrast", math.inf), ("saturation", math.inf), ("hue", 0.5)):
            value = getattr(self, name)
            if not 0 <= value <= highest or value == math.inf:
                limit = "finite and 0 or more" if highest == math.inf else f"between 0 and {highest}"
                raise SettingError(f"{name} is {value}; it must be {limit}")
        for name, highest in (("crop", 1.0), ("ratio", math.inf)):
            pair = tuple(getattr(self, name))
            if len(pair) != 2 or not 0 < pair[0] <= pair[1] <= highest or pair[1] == math.inf:
                limit = "finite" if highest == math.inf else f"at most {highest:g}"
                raise SettingError(f"{name} is {pair}; it must be two numbers above 0, rising and {limit}")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw for and augment images of shape (..., H, W, 3), each by itself."""
        flat = x.reshape(-1, *x.shape[-3:])
        return self.apply(flat, self.draw(len(flat), generator)).reshape(x.shape)

    def draw(self, n: int, generator: torch.Generator) -> ImageDraws:
        """Let chance decide for `n` samples, on the generator's device.

        Whatever the settings, a sample takes the same number of random numbers: the crops of two augmentations that
        differ in colours only are the same.
        """
        uniform = torch.rand((n, 2 * _ATTEMPTS + 10), generator=generator, device=generator.device)
        areas, ratios, place = uniform[:, :_ATTEMPTS], uniform[:, _ATTEMPTS : 2 * _ATTEMPTS], uniform[:, -10:-8]
        smallest, largest = math.log(self.ratio[0]), math.log(self.ratio[1])
        flipped, jittered, grey, solarised = uniform[:, -8:-4].unbind(dim=1)
        brightness, contrast, saturation, hue = uniform[:, -4:].unbind(dim=1)

        def factor(of: Tensor, width: float) -> Tensor:
            return torch.where(jittered < self.jitter, _between(of, max(0.0, 1 - width), 1 + width), 1.0)

        return ImageDraws(
            area=_between(areas, *self.crop),
            ratio=_between(ratios, smallest, largest).exp(),
            place=place,
            flipped=flipped < self.flip,
            brightness=factor(brightness, self.brightness),
            contrast=factor(contrast, self.contrast),
            saturation=factor(saturation, self.saturation),
            hue=torch.where(jittered < self.jitter, _between(hue, -self.hue, self.hue), 0.0),
            grey=grey < self.grey,
            solarised=solarised < self.solarise,
        )

    def boxes(self, draws: ImageDraws, height: int, width: int) -> Tensor:
        """Crops of images of a size: top, left, height and width in whole pixels, int64 of shape (n, 4).

        The first attempt that fits into the image counts. If none does, the crop is central and as large as the range
        of ratios lets it be; on a square image that is all of it.
        """
        wide = (draws.area * draws.ratio * (height * width)).sqrt().round().long()
        tall = (draws.area / draws.ratio * (height * width)).sqrt().round().long()
        fits = (wide > 0) & (wide <= width) & (tall > 0) & (tall <= height)
        first = fits.int().argmax(dim=1, keepdim=True)
        tall, wide = tall.gather(1, first)[:, 0], wide.gather(1, first)[:, 0]
        room = torch.stack((height - tall + 1, width - wide + 1), dim=1)
        corner = (draws.place * room).long()
        box = torch.cat((corner, torch.stack((tall, wide), dim=1)), dim=1)

        most_tall = min(height, max(1, round(width / self.ratio[0])))
        most_wide = min(width, max(1, round(height * self.ratio[1])))
        central = ((height - most_tall) // 2, (width - most_wide) // 2, most_tall, most_wide)
        for column, value in enumerate(central):
            box[:, column] = torch.where(fits.any(dim=1), box[:, column], value)
        return box

    def apply(self, x: Tensor, draws: ImageDraws) -> Tensor:
        """Augment n images of shape (n, H, W, 3) in [0, 1] as drawn; the result has their shape and range.

        Raises
        ------
        DataError
            If the images have another shape, or there are not as many as draws.
        """
        if x.ndim != 4 or x.shape[-1] != 3 or len(x) != len(draws):
            raise DataError(
                f"images of shape {tuple(x.shape)} with draws for {len(draws)} samples; "
                "give as many images as draws, of shape (n, height, width, 3)"
            )
        draws = draws.to(x.device)
        y = _resample(x.permute(0, 3, 1, 2), self.boxes(draws, *x.shape[1:3]), draws.flipped)
        if self.jitter > 0:
            y = self._jitter(y, draws)
        if self.grey > 0:
            y = torch.where(_each(draws.grey), _grey(y), y)
        if self.solarise > 0:
            y = torch.where(_each(draws.solarised) & (y >= self.threshold), 1 - y, y)
        return y.permute(0, 2, 3, 1).contiguous()

    def _jitter(self, y: Tensor, draws: ImageDraws) -> Tensor:
        if self.brightness > 0:
            y = (y * _each(draws.brightness)).clamp_(0, 1)
        if self.contrast > 0:
            # One axis after the other: the rounding of a sum over both may depend on how many images there are.
            mean = _grey(y).mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
            y = torch.lerp(mean, y, _each(draws.contrast)).clamp_(0, 1)
        if self.saturation > 0:
            y = torch.lerp(_grey(y), y, _each(draws.saturation)).clamp_(0, 1)
        if self.hue > 0:
            y = torch.where(_each(draws.hue) == 0, y, _turn_hue(y, draws.hue[:, None, None]))
        return y


MINING = ImageAugment(crop=(0.8, 1.0), jitter=0.0, grey=0.0)
"""Milder views for the search of neighbours, as in the published MYOW: crop and flip only."""


def _between(uniform: Tensor, low: float, high: float) -> Tensor:
    """Stretch [0, 1) to [low, high]; rounding must not leave it."""
    return (low + (high - low) * uniform).clamp_(low, high)


def _each(values: Tensor) -> Tensor:
    """One value a sample, to go with images of shape (n, 3, H, W)."""
    return values[:, None, None, None]


def _resample(x: Tensor, boxes: Tensor, flipped: Tensor) -> Tensor:
    """Crop images of shape (n, 3, H, W), resize to their own size and mirror, by one bilinear look-up."""
    height, width = x.shape[2:]
    top, left, tall, wide = boxes.to(x.dtype).unbind(dim=1)
    down, across = _positions(height, top, tall), _positions(width, left, wide)
    across = torch.where(flipped[:, None], across.flip(1), across)
    grid = torch.stack((across[:, None].expand(-1, height, -1), down[:, :, None].expand(-1, -1, width)), dim=3)
    y = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return y.clamp_(0, 1)  # weights may sum to a rounding error above 1


def _positions(size: int, start: Tensor, length: Tensor) -> Tensor:
    """Sources of the pixels of an edge stretched from `length` to `size`, shape (n, size).

    In grid_sample's unit, -1 and 1 being the image's outer edges. Like a crop that is cut out before it is resized,
    nothing is taken from beyond the crop.
    """
    centre = (torch.arange(size, device=start.device, dtype=start.dtype) + 0.5) / size
    inside = (centre * length[:, None] - 0.5).clamp_(min=0).minimum(length[:, None] - 1)
    return (2 * (start[:, None] + inside) + 1) / size - 1


def _grey(x: Tensor) -> Tensor:
    """Luma of images of shape (n, 3, H, W), by the weights of ITU-R BT.601: shape (n, 1, H, W)."""
    red, green, blue = x[:, :1], x[:, 1:2], x[:, 2:]
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _turn_hue(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of images of shape (n, 3, H, W), leaving HSV's saturation and value; `turns` has shape (n, 1, 1).

    With hue h in sixths of a turn, value v and chroma c, red, green and blue are v - c clip(min(k, 4 - k), 0, 1) for
    k = (h + 5, 3, 1) modulo 6.
    """
    red, green, blue = x.unbind(dim=1)
    value = x.amax(dim=1)
    chroma = value - x.amin(dim=1)
    ahead = torch.where(
        red == value, green - blue, torch.where(green == value, blue - red + 2 * chroma, red - green + 4 * chroma)
    )
    hue = ahead / torch.where(chroma > 0, chroma, 1.0) + 6 * turns  # grey has no hue, and chroma 0 hides it
    k = (hue[:, None] + torch.arange(5, 0, -2, device=x.device)[:, None, None]) % 6
    return value[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp_(0, 1)


def shared_augment(augment: ImageAugment | Augment) -> Augment:
    """Return an augmentation of this process's share of a batch that is the one that a single process would make of it."""
    return _Shared(augment) if isinstance(augment, ImageAugment) else _Alone(augment)


def shared_draws(augment: ImageAugment, n: int, generator: torch.Generator) -> ImageDraws:
    """Draw for a batch of n images in all, and return the draws of this process's share."""
    return augment.draw(n, generator).select(torch.arange(n, device=generator.device)[current().share(n)])


@dataclass(frozen=True)
class _Shared:
    augment: ImageAugment

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment views (V, B, H, W, 3) of this process's images; every process draws for all of them alike."""
        views, mine = x.shape[:2]
        world = current()
        n = mine * world.size
        own = torch.arange(views * n, device=x.device).view(views, n)[:, world.share(n)].flatten()
        draws = self.augment.draw(views * n, generator).select(own)
        return self.augment.apply(x.flatten(0, 1), draws).view_as(x)


@dataclass(frozen=True)
class _Alone:
    augment: Augment

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Augment views, unless others make the rest of the batch."""
        if current().size > 1:
            raise SettingError(
                "an augmentation of one's own cannot be shared between processes; use one process, or the named settings"
            )
        return self.augment(x, generator)
