"""Numbers and names as the report writes them."""

from __future__ import annotations


def printable(name: str) -> str:
    r"""Return a name with every byte that is no text as an escape, such as \udce4 for byte E4."""
    return name.encode("utf-8", errors="backslashreplace").decode("utf-8")


def percent(fraction: float, decimals: int = 1) -> str:
    """Write a fraction as a percentage: 0.9722 becomes "97.2 %"."""
    return f"{100 * fraction:.{decimals}f}\N{NO-BREAK SPACE}%"


def points(difference: float, decimals: int = 1) -> str:
    """Write a difference of fractions in percentage points, with its sign."""
    sign = "\N{MINUS SIGN}" if difference < 0 else "+"
    return f"{sign}{100 * abs(difference):.{decimals}f}\N{NO-BREAK SPACE}points"


def count(number: float) -> str:
    """Write a count with thousands separated; below ten keep one decimal where there is one."""
    if abs(number) < 10 and number != round(number):
        return f"{number:.1f}"
    return f"{number:,.0f}"


def signed(number: float) -> str:
    """Write a number in two digits with its sign: "+0.1", "\N{MINUS SIGN}0.025", and 0 as "0"."""
    return f"{number:+.2g}".replace("-", "\N{MINUS SIGN}") if number else "0"


def magnitude(number: float) -> str:
    """Write a large count in three digits: 12,345,678 becomes "12.3 million"."""
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if abs(number) >= size:
            return f"{number / size:.3g}\N{NO-BREAK SPACE}{word}"
    return count(number)


def energy(low: float, high: float) -> str:
    """Write a range of energies, given in pJ, in the unit that suits the larger: "1.2 – 3.4 nJ"."""
    units = ((1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"))
    size, unit = next((found for found in units if high >= found[0]), units[-1])
    ends = [f"{value / size:.3g}" for value in (low, high)]
    return " \N{EN DASH} ".join(dict.fromkeys(ends)) + f"\N{NO-BREAK SPACE}{unit}"


def duration(seconds: float) -> str:
    """Write a time in seconds up to two minutes, then in minutes, from two hours on in hours."""
    if seconds < 120:
        return f"{seconds:.3g}\N{NO-BREAK SPACE}s"
    if seconds < 7200:
        return f"{seconds / 60:.1f}\N{NO-BREAK SPACE}min"
    return f"{seconds / 3600:.1f}\N{NO-BREAK SPACE}h"


def ratio(number: float) -> str:
    """Write how many times larger one number is than another: "23 ×", "1.4 ×"."""
    times = "\N{NO-BREAK SPACE}\N{MULTIPLICATION SIGN}"
    return (f"{number:,.0f}" if number >= 10 else f"{number:.2g}") + times


def class_label(name: str) -> str:
    """Call a class by its name, and by "class 3" where the name alone would read as a number."""
    return f"class {name}" if len(name) <= 2 else name


def plural(number: float, noun: str) -> str:
    """Write a count and its noun: "1 epoch", "15 epochs"."""
    return f"{count(number)} {noun}" + ("" if number == 1 else "s")
