"""The warning that rows are missing, which does not end training."""

import dataclasses
import warnings


@dataclasses.dataclass(eq=False)
class Lost:
    """Warns of the first row that is missing, and is silent about later ones.

    Args:
      where: which view of what, for the warning.
    """

    where: str
    _is_told: bool = False

    def tell(self, why: str) -> None:
        """Warns, unless it has."""
        if not self._is_told:
            self._is_told = True
            warnings.warn(
                f"{self.where} misses rows, as {why}. Training goes on; further rows"
                " that are missing are not told of.",
                RuntimeWarning,
                stacklevel=2,
            )
