"""A figure of `make bench-sfu`, for the table and the file."""

from dataclasses import dataclass


@dataclass
class Line:
    name: str
    value: float | None
    unit: str
    # For the ratio to the baseline, or the value where there is none.
    limit: float | None
    baseline: float | None = None
    runs: int = 1
    # Why it does not count.
    invalid: str | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.baseline if self.value is not None and self.baseline else None

    @property
    def is_met(self) -> bool:
        measured = self.ratio if self.baseline is not None else self.value
        return self.invalid is None and measured is not None and (self.limit is None or measured <= self.limit)

    def json(self) -> dict:
        def rounded(number: float | None) -> float | None:
            return None if number is None else round(number, 3)

        line = {
            "name": self.name, "value": rounded(self.value), "unit": self.unit, "baseline": rounded(self.baseline),
            "ratio": rounded(self.ratio), "limit": self.limit, "runs": self.runs,
        }  # fmt: skip
        return line if self.invalid is None else line | {"invalid": self.invalid}

    def text(self) -> str:
        value = "-" if self.value is None else f"{self.value:.2f} {self.unit}"
        against = "" if self.ratio is None else f", {self.ratio:.2f} times {self.baseline:.2f} {self.unit}"
        verdict = f"INVALID: {self.invalid[:200]}" if self.invalid is not None else "met" if self.is_met else "NOT MET"
        # Told beside the others, without a limit of its own.
        told = self.limit is None and self.invalid is None
        return f"{self.name}: {value}{against}" + ("" if told else f", limit {self.limit}: {verdict}")
