"""Why this score: exact contributions of features to a window's log-odds.

For any target whose risk is a product of conditional hazards with additive
log-odds; knows nothing of what the features mean.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
NODES = (NODES + 1.0) / 2.0
WEIGHTS = WEIGHTS / 2.0

# The integrand's nearest pole lies pi / distance off the path. At 8 the error of
# 24 nodes is below 1e-14, at 12 about 1e-10; a longer path is cut into pieces.
LONGEST_PIECE = 8.0


def path_weights(reference_eta: Floats, eta: Floats) -> Floats:
    r"""Average each hazard's effect on each window's log-odds along the path.

    Aumann-Shapley value of the log-odds of p_w = 1 - prod over k <= w of
    (1 - h_k) along the straight line from the reference patient. With h_k =
    1 / (1 + exp(-eta_k)), d log(1 - h_k) / d eta_k = -h_k, hence
    d p_w / d eta_k = (1 - p_w) h_k, and, as d logit p = dp / (p (1 - p)),

    .. math:: \partial \operatorname{logit} p_w / \partial \eta_k = h_k / p_w .

    Integrated by 24-node Gauss-Legendre. (Sundararajan, Taly and Yan, Axiomatic
    attribution for deep networks, ICML 2017, eq. 1, gives the same path integral
    as "integrated gradients".)

    Parameters
    ----------
    reference_eta
        (k,) log-odds of the reference patient's hazards.
    eta
        (n, k) log-odds of the rows, all within +-200.

    Returns
    -------
    (w, k, n) weights, w = k windows; zero for k > w, exactly 1 for w = k = 1.
    """
    step = np.ascontiguousarray(eta.T) - reference_eta[:, np.newaxis]
    start = np.repeat(reference_eta[:, np.newaxis], len(eta), axis=1)
    weights = _integral(start, step)
    pieces = np.ceil(np.abs(step).max(axis=0, initial=0.0) / LONGEST_PIECE)
    for count in np.unique(pieces[pieces > 1]):
        rows = np.flatnonzero(pieces == count)
        piece = step[:, rows] / count
        weights[:, :, rows] = sum(
            _integral(start[:, rows] + number * piece, piece) / count
            for number in range(int(count))
        )
    weights[0, 0] = 1.0
    return weights


def _integral(start: Floats, step: Floats) -> Floats:
    """Integrate h_k / p_w over t in 0..1 at eta = start + t step; (w, k, n).

    With u = exp(eta): h_k = u_k / (1 + u_k), and p_w = Q_w / P_w for
    P_w = prod (1 + u_k) and Q_w = P_w - 1 = Q_(w-1) + u_w P_(w-1), a sum of
    positive terms that loses no digits however small the risk.
    """
    count = len(start)
    total = np.zeros((count, count, start.shape[1]))
    u, odds, over, hazard, term = np.empty((5, *start.shape))
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        np.multiply(step, node, out=u)
        u += start
        np.exp(u, out=u)
        np.add(u, 1.0, out=over)
        np.divide(u, over, out=hazard)
        hazard *= weight
        odds[0] = u[0]
        for window in range(1, count):
            np.multiply(u[window], over[window - 1], out=odds[window])
            odds[window] += odds[window - 1]
            over[window] *= over[window - 1]
            np.divide(over[window], odds[window], out=u[window])
            np.multiply(hazard[: window + 1], u[window], out=term[: window + 1])
            total[window, : window + 1] += term[: window + 1]
    return total


def window_contributions(contributions: Floats, weights: Floats) -> Floats:
    """Attribute each window's log-odds to features.

    Parameters
    ----------
    contributions
        (f, k, n) of feature f to hazard k's log-odds, relative to the reference.
    weights
        (w, k, n) from ``path_weights``.

    Returns
    -------
    (w, f, n) contributions phi; summed over f, logit p_w - logit p_w of the
    reference patient.
    """
    features, hazards, rows = contributions.shape
    phi = np.empty((hazards, features, rows))
    term = np.empty((features, rows))
    phi[0] = contributions[:, 0]
    for window in range(1, hazards):
        np.multiply(contributions[:, 0], weights[window, 0], out=phi[window])
        for hazard in range(1, window + 1):
            np.multiply(contributions[:, hazard], weights[window, hazard], out=term)
            phi[window] += term
    return phi


def top_three(phi: Floats) -> tuple[NDArray[np.int16], Floats]:
    """Pick the three features that weigh most, by absolute contribution.

    Parameters
    ----------
    phi
        (f, n) contributions to one window, 3 <= f <= 32, features in order of
        their ids 1 to f.

    Returns
    -------
    (n, 3) feature ids and (n, 3) signed contributions, the weightiest first. A tie
    (equal to one part in 2^47) goes to the lower feature id.
    """
    features, rows = phi.shape
    if not 3 <= features <= 32:
        raise ValueError(f"{features} features; expected 3 to 32")
    first, second, third = np.full((3, rows), -1, dtype=np.int64)
    key = np.empty(rows, dtype=np.int64)
    for position, values in enumerate(phi):
        # Positive doubles order as their bit patterns do; the last five bits make
        # room for the feature, so that two maxima sort value and feature at once.
        np.abs(values, out=key.view(np.float64))
        key &= ~31
        key |= 31 - position
        for best in (first, second, third):
            lesser = np.minimum(best, key)
            np.maximum(best, key, out=best)
            key = lesser
    positions = 31 - (np.stack([first, second, third]) & 31)
    values = np.take_along_axis(phi, positions, axis=0)
    return (positions + 1).T.astype(np.int16), values.T
