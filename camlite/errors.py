"""What can go wrong, by name. Everything else is a ValueError that shows the value."""


class ArchitectureError(ValueError):
    """The network has not the shape that the method needs (CAM: GAP, then one linear layer)."""


class LayerNotFound(ValueError):
    """No layer of that name; the message lists the nearest ones."""


class DataNotFound(RuntimeError):
    """A data set or weight file is neither at hand nor downloadable; the message says more."""
