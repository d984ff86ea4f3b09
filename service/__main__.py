"""`python -m service` runs `can-ser serve`."""

import sys

from service.cli.app import main

if __name__ == "__main__":
    sys.argv.insert(1, "serve")
    main()
