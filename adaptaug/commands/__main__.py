"""`python -m adaptaug.commands`: the same as the console command `adaptaug`."""

from adaptaug.commands.main import main

if __name__ == "__main__":
    raise SystemExit(main())
