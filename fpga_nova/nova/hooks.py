# SPDX-License-Identifier: Apache-2.0
"""The hooks facility: code of other packages that Nova calls around the build and the deletion of a server.

A hook is a class with the methods `pre(*args, **kwargs)` and `post(rv, *args, **kwargs)` (either may be missing),
found by entry point: namespace `nova.hooks`, named as what it hooks into. Nova had such a facility until its release
21 (Ussuri). The names, and the arguments of the methods:

`build_instance` -- `(manager, context, instance, image)`: nova.compute.manager.ComputeManager, the request's context,
    the nova.objects.Instance, and the image's metadata as a dict. `pre` runs on the chosen host after the claim,
    before anything of the server is built. `post` runs when the guest runs, or, where the build failed, when what had
    been built is torn down and while the claim still stands; the build may then go on, on another host.
`delete_instance` -- `(manager, context, instance)`. `pre` runs when the guest is gone, `post` when the host's
    resources are released.

`rv` is the return value of the hooked function, or the exception that ended it, or None. `post` runs exactly for those
hooks whose `pre` returned. An exception of a hook is logged and ignored, but a :class:`FatalHookException` of `pre`
stops the build: its text is the reason that the user may see.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

from stevedore import hook as stevedore_hook

__all__ = ["NAMESPACE", "FatalHookException", "add_hook", "around"]

#: Entry-point namespace of the hooks.
NAMESPACE = "nova.hooks"

LOG = logging.getLogger(__name__)


class FatalHookException(Exception):
    """Raised by a hook's `pre` to stop what it hooks into."""


class Outcome:
    """The end of a hooked block.

    :param rv: what `post` of its hooks gets: a return value, or the exception that ended the block
    """

    rv: Any = None


@functools.cache
def _hooks(name: str) -> tuple[Any, ...]:
    """Return the hooks of `name`, made once per process."""

    def log_failure(_manager: Any, entry_point: Any, error: BaseException) -> None:
        LOG.error("Hook %s of %s cannot be loaded and does not run: %s", entry_point.value, name, error)

    manager = stevedore_hook.HookManager(NAMESPACE, name, invoke_on_load=True, on_load_failure_callback=log_failure)
    return tuple(extension.obj for extension in manager)


@contextlib.contextmanager
def around(name: str, *args: Any, **kwargs: Any) -> Iterator[Outcome]:
    """Run the hooks of `name` around a block; the block may set `rv` of the yielded Outcome.

    :raises FatalHookException: by a hook's `pre`; the block is not entered
    """
    entered: list[Any] = []
    outcome = Outcome()
    try:
        for hook in _hooks(name):
            if _call(hook, "pre", name, *args, **kwargs):
                entered.append(hook)
        yield outcome
    except BaseException as error:
        outcome.rv = error
        raise
    finally:
        for hook in reversed(entered):
            # Each hook must get the chance to clean up, whatever another hook or its own `post` raises.
            with contextlib.suppress(FatalHookException):
                _call(hook, "post", name, outcome.rv, *args, **kwargs)


def add_hook(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function so that the hooks of `name` run around each call of it, with its arguments."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def hooked(*args: Any, **kwargs: Any) -> Any:
            with around(name, *args, **kwargs) as outcome:
                outcome.rv = function(*args, **kwargs)
            return outcome.rv

        return hooked

    return decorate


def _call(hook: Any, method: str, name: str, *args: Any, **kwargs: Any) -> bool:
    """Call a method of a hook, if the hook has it; return whether it did not fail."""
    function = getattr(hook, method, None)
    if function is None:
        return True
    try:
        function(*args, **kwargs)
    except FatalHookException as error:
        LOG.error("%s.%s of %s stops it: %s", type(hook).__name__, method, name, error)
        raise
    except Exception:
        LOG.exception("%s.%s of %s failed; going on without it", type(hook).__name__, method, name)
        return False
    return True
