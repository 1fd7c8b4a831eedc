#!/usr/bin/python3
"""Runs the scripted sessions of pymongo, the Node driver, mongoose and mongosh against `drover sandbox`."""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from sandbox_process import Sandbox  # noqa: E402

SECONDS = 600
MONGOSH = HERE / "node_modules/@mongosh/cli-repl/bin/mongosh.js"


def sessions(uri):
    return {
        # Debian's python has pymongo, whatever other python comes first in the path.
        "pymongo": ["/usr/bin/python3", str(HERE / "pymongo_session.py")],
        "node": ["node", str(HERE / "node_session.js")],
        "mongoose": ["node", str(HERE / "mongoose_session.js")],
        "mongosh": ["node", str(MONGOSH), uri, "--quiet", "--norc", "--file", str(HERE / "mongosh_session.js")],
    }


def run_session(name, command, env):
    try:
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        print(f"FAILED {name}: not finished within {SECONDS} s\n{(late.stdout or b'').decode(errors='replace')}")
        return False
    print(done.stdout, end="")
    if done.returncode != 0:
        print(f"FAILED {name}: exit status {done.returncode}")
    return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", default=["4.4", "8.0"])
    parser.add_argument("--only", nargs="+", help="of pymongo, node, mongoose, mongosh")
    options = parser.parse_args()
    if shutil.which("node") is None or not MONGOSH.exists():
        sys.exit("drivers: node or its packages are missing; tools/setup.sh installs them")
    ok = True
    for version in options.versions:
        with tempfile.TemporaryDirectory(prefix="drover-drivers-") as scratch:
            sandbox = Sandbox(f"{scratch}/server", version)
            sandbox.start()
            uri = f"mongodb://127.0.0.1:{sandbox.port}/?replicaSet=rs0"
            # mongosh keeps its history and logs in the home directory.
            env = dict(os.environ, DROVER_URI=uri, DROVER_SERVER_VERSION=version, HOME=scratch)
            try:
                for name, command in sessions(uri).items():
                    if not options.only or name in options.only:
                        print(f"-- {name}, server {version}", flush=True)
                        ok &= run_session(name, command, env)
            finally:
                sandbox.stop()
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
