"""The command line; thin. Each command imports what it needs when it runs, so that `check` stays quick."""
