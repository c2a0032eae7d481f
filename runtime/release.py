"""The version of this release, as pyproject.toml has it: the installed package carries it.

package.json files, the documents and the deployment repeat it; tests/unit/test_version.py compares them.
"""

from importlib.metadata import version

VERSION = version("payment-gateway")
"""`0.2.0`. An editable installation keeps the version of its last `make venv`."""
