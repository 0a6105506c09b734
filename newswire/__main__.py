"""`python -m newswire` is the command line."""

from newswire.pipeline.cli import main

if __name__ == "__main__":
    main(prog_name="newswire")
