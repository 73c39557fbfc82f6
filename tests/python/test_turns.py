import threading

import pytest

from python_scoring import turns


def hold(
    what: str, *, shared: bool = False
) -> tuple[threading.Event, threading.Thread]:
    """Take a turn in another thread until the event is set."""
    taken, done = threading.Event(), threading.Event()

    def work() -> None:
        with turns.take(what, shared=shared):
            taken.set()
            done.wait(timeout=30)

    thread = threading.Thread(target=work)
    thread.start()
    assert taken.wait(timeout=30)
    return done, thread


@pytest.mark.usefixtures("conn")
@pytest.mark.parametrize("shared", [True, False])
def test_nobody_works_beside_a_build(shared):
    done, thread = hold("build")
    told = []

    def tell(message: str) -> None:
        told.append(message)
        done.set()

    with turns.take("load", shared=shared, tell=tell):
        assert done.is_set()
    thread.join()
    [message] = told
    assert message.startswith("waiting for riskmart build by ")


@pytest.mark.usefixtures("conn")
def test_loads_work_beside_each_other():
    done, thread = hold("load", shared=True)
    with turns.take("load", shared=True, tell=pytest.fail):
        assert not done.is_set()
    done.set()
    thread.join()
