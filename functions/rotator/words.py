"""Small words that sentences of every floor need."""


def counted(number: int, noun: str) -> str:
    """1 Shoot, 2 Shoots."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
