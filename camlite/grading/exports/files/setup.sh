#!/usr/bin/env bash
# Runs once, as root, when Gradescope builds the image of this autograder.
set -euo pipefail
INSTALL=@INSTALL@

apt-get update
apt-get install -y --no-install-recommends python3 python3-venv git bubblewrap
python3 -m venv /opt/camlite
# without this index, torch would bring the libraries of graphics cards
/opt/camlite/bin/python -m pip install torch torchvision \
  --index-url https://download.pytorch.org/whl/cpu
/opt/camlite/bin/python -m pip install "$INSTALL"
/opt/camlite/bin/python -m camlite doctor || true
