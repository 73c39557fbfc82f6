"""An attacker with every suppressed mart over two builds."""


def attack() -> list[tuple[str, int, int]]:
    """Work cells out."""
    return []
