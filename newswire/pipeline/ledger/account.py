"""What every entry of the ledger has, whatever it is the entry of."""

from collections.abc import Mapping


class Account:
    """Articles `collected`, how they ended (`outcomes` by kind) and where the rest is (`in_flight` by hop)."""

    __slots__ = ()

    collected: int
    outcomes: Mapping[str, int]
    in_flight: Mapping[str, int]

    @property
    def under_way(self) -> int:
        """All articles in flight."""
        return sum(self.in_flight.values())

    @property
    def difference(self) -> int:
        """Collected articles that neither ended nor are under way (negative: too many did)."""
        return self.collected - sum(self.outcomes.values()) - self.under_way
