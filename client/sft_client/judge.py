"""``sft-client judge``: lm-evaluation-harness's own command line, where our model is known."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from sft_shared.errors import ConfigError

NAME = "sft-client judge"
OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")  # 0: tasks of the hub are fetched, and so counted there


def judge(arguments: Sequence[str]) -> None:
    """Run lm_eval with ``arguments``; ``--model fedsft`` is `sft_shared.evaluation.harness`.

    Raises ConfigError without the extra ``judge`` and for what lm_eval does not know, and what the model
    raises.
    """
    if find_spec("lm_eval") is None:
        raise ConfigError("lm-evaluation-harness is not installed. Run: pip install 'fedsft[judge]'")
    for name in OFFLINE:
        os.environ.setdefault(name, "1")  # before the first import of what reads them
    from lm_eval.__main__ import cli_evaluate

    import sft_shared.evaluation.harness  # noqa: F401 (makes the model known)

    before = sys.argv
    sys.argv = [NAME, *arguments]
    try:
        cli_evaluate()
    except ValueError as error:  # how lm_eval says that a task or a setting is not known
        logging.getLogger(__name__).debug("lm_eval stopped", exc_info=True)
        reason = (str(error).strip() or "stopped").splitlines()[0].rstrip(".")
        raise ConfigError(f"lm_eval: {reason}. LMEVAL_LOG_LEVEL=DEBUG shows where it says so.") from None
    finally:
        sys.argv = before
