"""What an engine says that it will do."""

import tntjax as tnt
from tntjax.engine._around import Session
from tntjax.engine._hooks import Scheduled


def clip(state):
    return state


def test_nothing_to_say(capsys):
    tnt.SGDEngine().explain()
    words = "A compiled call makes up to 32 steps, fewer if their samples exceed 64 MiB"
    assert capsys.readouterr().out == words + ".\n"


def test_all_there_is(capsys):
    hooks = tnt.chain(
        tnt.Hooks(on_start=clip, on_backward=clip),
        tnt.Hooks(on_backward=clip),
        tnt.every(10, clip),
        tnt.watch(4, clip),
        tnt.Hooks(sessions=(Session(save=clip),)),
        tnt.Hooks(scheduled=(Scheduled("every", None, clip, (3, 5)),)),
    )
    tnt.OptimEngine(hooks).explain(steps_per_call=6)
    assert capsys.readouterr().out.splitlines() == [
        "A compiled call makes up to 6 steps.",
        "The first calls make 3, 1, 1, 3, 2, 2 steps.",
        "on_start               host      clip",
        "on_backward            compiled  clip, clip",
        "every 10 updates       host      clip (waits, may change)",
        "every 4 updates        host      clip (late, read-only)",
        "after update 3, after update 5 host      clip (waits, may change)",
        "each epoch             host      clip (saves)",
    ]
