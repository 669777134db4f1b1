"""Arguments of plugins that other libraries call otherwise."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

from tntjax.engine import Hooks
from tntjax.engine._names import check_names

Given = ParamSpec("Given")


def explain_arguments(plugin: Callable[Given, Hooks]) -> Callable[Given, Hooks]:
    """Makes a plugin explain an argument that it does not have, such as `monitor`."""
    names = list(inspect.signature(plugin).parameters)

    @functools.wraps(plugin)
    def explained(*args: Given.args, **named: Given.kwargs) -> Hooks:
        check_names(plugin.__name__, named, names, elsewhere={})
        return plugin(*args, **named)

    return explained
