#!/bin/sh
# Train the learned scorer in an environment of its own; what is said after the script's name goes to train.py.
set -eu
cd "$(dirname "$0")/.."
env=build/train-env
if [ ! -e "$env/.ready" ]; then
    rm -rf "$env"
    python3.11 -m venv "$env"
    "$env/bin/pip" install --quiet --require-hashes -r training/requirements.txt
    "$env/bin/pip" install --quiet -e .
    touch "$env/.ready"
fi
# One thread for each process: training/train.py runs several, and sums in another order give other weights.
OMP_NUM_THREADS=1 exec "$env/bin/python" training/train.py "$@"
