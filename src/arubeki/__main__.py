"""`python -m arubeki`: the command line."""

import sys

from arubeki.cli import main

sys.exit(main())
