"""The kinds of deployment that one test runs between. By default sandboxes in two modes; see run.py for real MongoDB."""
import os

SANDBOX_VERSIONS = ("4.4", "8.0")


def available():
    if os.environ.get("DROVER_TEST_SOURCE_URI") and os.environ.get("DROVER_TEST_DESTINATION_URI"):
        return ["given"]
    if os.environ.get("DROVER_TEST_MONGOD"):
        return ["mongod"]
    return [f"sandbox-{version}" for version in SANDBOX_VERSIONS]


def for_class(test_class):
    """A class may name the flavours that it is about: `only_version = "8.0"` or `once = True` (the last one). One with
    `sandbox_only = True` says once that it was not run between others."""
    kinds = available()
    only = getattr(test_class, "only_version", None)
    if only and kinds[0].startswith("sandbox"):
        return [f"sandbox-{only}"]
    return kinds[-1:] if getattr(test_class, "once", False) else kinds
